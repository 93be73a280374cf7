public import NetrootImage
public import NetrootSystem

extension SquashfsReader {
    /// The root of a rescue archive, which lies in it as a squashfs image that is read where it is.
    /// - Throws: `RescueRootError` for an archive of the layout cpio, and for one that is not whole; `SquashfsReadError`,
    ///   `SystemError`, `DigestError`, `CancellationError`.
    public convenience init(rescueArchive path: String, cache: SquashfsCache = SquashfsCache()) async throws {
        let archive = try await RescueArchive(path)
        if let problem = archive.problems.first { throw RescueRootError.damaged(path: path, problem: problem) }
        guard let part = archive.squashfs else { throw RescueRootError.noImage(path: path) }
        try self.init(path, part: part, cache: cache)
    }
}

/// Why no root can be read from a rescue archive.
public enum RescueRootError: ReportableError, Equatable {
    /// The root lies in it as files, which would have to be unpacked.
    case noImage(path: String)
    /// It is not whole.
    case damaged(path: String, problem: String)

    /// Always `.failed`.
    public var exitStatus: ExitStatus { .failed }

    /// One line: which file, what is wrong, what to do.
    public var description: String {
        switch self {
        case .noImage(let path):
            "\(path) holds the root as files, which are not read; set FORMAT = squashfs initramfs, or "
                + "INITRAMFS_LAYOUT = squashfs, and build again"
        case .damaged(let path, let problem): "\(path): \(problem); build the label again"
        }
    }
}
