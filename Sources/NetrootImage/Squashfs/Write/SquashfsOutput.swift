import CSquashFS
import Glibc
import NetrootSystem
import SystemPackage

/// The image on its way to the disk, under a temporary name beside it (`FileReplacement`), by libsquashfs' writers.
final class SquashfsOutput {
    /// The name that it will have; for messages.
    let path: String
    let file: UnsafeMutablePointer<sqfs_file_t>
    private let replacement: FileReplacement
    private let mode: UInt32?

    /// - Parameter mode: the permissions; nil for those that the umask leaves of 0666.
    /// - Throws: `SystemError`.
    init(path: String, mode: UInt32? = nil) throws {
        self.path = path
        self.mode = mode
        replacement = try FileReplacement(of: path, naming: .unique, mode: mode == nil ? 0o666 : 0o600)
        file = DescriptorFile.make(replacement.descriptor.rawValue)
    }

    deinit { DescriptorFile.destroy(file) }

    /// Bytes so far: where the next are written.
    var size: UInt64 { file.pointee.get_size(file) }

    /// Appends.
    /// - Throws: `SystemError`, `PackError.library`.
    func append(_ bytes: UnsafeRawBufferPointer) throws {
        try write(bytes, at: size)
    }

    /// Writes over, or at the end.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws {
        try check("write", file.pointee.write_at(file, offset, bytes.baseAddress, bytes.count))
    }

    /// What a call of libsquashfs returned; of an input or output error `errno` says more.
    /// - Throws: `SystemError`, `PackError.library`.
    @discardableResult
    func check(_ operation: String, _ code: Int32) throws -> Int32 {
        let reason = errno
        guard code < 0 else { return code }
        if code == SQFS_ERROR_IO.rawValue, reason != 0 { throw SystemError("write", path, code: reason) }
        throw PackError.library(operation: operation, image: path, code: code)
    }

    /// An object that libsquashfs made.
    /// - Throws: `PackError.library` where there was no memory for it.
    func check<T>(_ made: T?) throws -> T {
        guard let made else {
            throw PackError.library(operation: "write", image: path, code: SQFS_ERROR_ALLOC.rawValue)
        }
        return made
    }

    /// Flushes it to the disk and gives it its name.
    /// - Throws: `SystemError`.
    func publish() throws { try replacement.publish(mode: mode) }
}
