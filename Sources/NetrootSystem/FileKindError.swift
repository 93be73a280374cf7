import Glibc

/// Where netroot reads a file there is something else, such as a FIFO or a device.
public struct FileKindError: ReportableError, Equatable {
    /// Where it is.
    public let path: String
    /// What it is: "a FIFO".
    public let found: String

    /// Always `.failed`.
    public var exitStatus: ExitStatus { .failed }

    /// What, where, and what to do.
    public var description: String {
        "cannot read \(TerminalText.line(path)): it is \(found) and not a file; put the file in its place"
    }

    /// Checks an open file.
    /// - Returns: its size in bytes.
    /// - Throws: `FileKindError`; `SystemError`, `EISDIR` for a directory.
    @discardableResult
    public static func requireRegular(_ descriptor: Int32, _ path: String) throws -> Int64 {
        var status = stat()
        try SystemError.check("read", path, fstat(descriptor, &status))
        switch FileType(rawValue: UInt32(status.st_mode) & FileType.mask) {
        case .regular: return Int64(status.st_size)
        case .directory: throw SystemError("read", path, code: EISDIR)
        case .fifo: throw FileKindError(path: path, found: "a FIFO")
        case .socket: throw FileKindError(path: path, found: "a socket")
        default: throw FileKindError(path: path, found: "a device")
        }
    }
}
