import CSquashFS
import Glibc
import NetrootSystem

/// The image on its way to the disk, under a temporary name, by libsquashfs' file.
final class SquashfsOutput {
    /// The name that it will have; for messages.
    let path: String
    let file: UnsafeMutablePointer<sqfs_file_t>
    private let temporary: String
    private var isWhole = false

    /// - Throws: `SystemError`.
    init(path: String) throws {
        self.path = path
        temporary = path + ".netroot-new"
        // Never followed or reused.
        if unlink(temporary) != 0, errno != ENOENT { throw SystemError("write", path, code: errno) }
        guard let made = sqfs_open_file(temporary, 0) else { throw SystemError("write", path, code: errno) }
        file = made
    }

    deinit {
        sqfs_destroy(file)
        if !isWhole { unlink(temporary) }
    }

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
    func publish() throws {
        let descriptor = try SystemError.check("write", path, open(temporary, O_RDONLY | O_CLOEXEC | O_NOFOLLOW))
        defer { close(descriptor) }
        // Whatever the umask: an NBD or HTTP server is another user.
        try SystemError.check("write", path, fchmod(descriptor, 0o644))
        try SystemError.check("write", path, fsync(descriptor))
        try SystemError.check("write", path, rename(temporary, path))
        isWhole = true
    }
}
