import CSquashFS
import Glibc
import NetrootSystem

/// The image on its way to the disk, under a temporary name beside it (`TemporaryImage`), by libsquashfs' writers.
final class SquashfsOutput {
    /// The name that it will have; for messages.
    let path: String
    let file: UnsafeMutablePointer<sqfs_file_t>
    private let temporary: TemporaryImage
    private let mode: UInt32?
    private var isWhole = false

    /// - Parameter mode: the permissions; nil for those that the umask leaves of 0666.
    /// - Throws: `SystemError`.
    init(path: String, mode: UInt32? = nil) throws {
        self.path = path
        self.mode = mode
        TemporaryImage.removeUnfinished(of: path)
        temporary = try TemporaryImage(of: path, mode: mode == nil ? 0o666 : 0o600)
        file = DescriptorFile.make(temporary.descriptor)
    }

    deinit {
        DescriptorFile.destroy(file)
        if !isWhole { unlink(temporary.path) }
        close(temporary.descriptor)
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
        if let mode { try SystemError.check("write", path, fchmod(temporary.descriptor, mode_t(mode))) }
        try SystemError.check("write", path, fsync(temporary.descriptor))
        try SystemError.check("write", path, rename(temporary.path, path))
        isWhole = true
    }
}

/// The file that becomes an image: `IMAGE.netroot-new-` and 16 hexadecimal digits. Who writes it holds a lock (flock(2)) on
/// it; one without is what a run left that was killed.
struct TemporaryImage {
    let path: String
    let descriptor: Int32

    static let infix = ".netroot-new-"
    private static let digits = 16

    /// Makes a new one; what has the name is never followed or reused.
    /// - Parameter mode: of which the umask takes its part.
    /// - Throws: `SystemError`.
    init(of image: String, mode: UInt32) throws {
        while true {
            let number = String(UInt64.random(in: .min ... .max), radix: 16)
            let name = image + Self.infix + String(repeating: "0", count: Self.digits - number.count) + number
            let made = open(name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode_t(mode))
            if made < 0, errno == EEXIST { continue }
            guard made >= 0 else { throw SystemError("write", image, code: errno) }
            var status = stat()
            // A filesystem without locks has none that is taken, either.
            let isTaken = flock(made, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK
            if !isTaken, fstat(made, &status) == 0, status.st_nlink > 0 {
                path = name
                descriptor = made
                return
            }
            // Another run took it for a left one before it was locked, and removes it.
            close(made)
        }
    }

    /// Removes what runs left that were killed; what cannot be removed stays.
    static func removeUnfinished(of image: String) {
        let (folder, name) = split(image)
        guard let stream = opendir(folder) else { return }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            let found = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            guard isTemporary(found, of: Array(name.utf8)) else { continue }
            let terminated = found.map { CChar(bitPattern: $0) } + [0]
            let descriptor = openat(dirfd(stream), terminated, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
            guard descriptor >= 0 else { continue }
            defer { close(descriptor) }
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { unlinkat(dirfd(stream), terminated, 0) }
        }
    }

    private static func split(_ path: String) -> (folder: String, name: String) {
        guard let slash = path.lastIndex(of: "/") else { return (".", path) }
        return (String(path[...slash]), String(path[path.index(after: slash)...]))
    }

    private static func isTemporary(_ name: [UInt8], of image: [UInt8]) -> Bool {
        let start = image + Array(infix.utf8)
        guard name.count == start.count + digits, name.starts(with: start) else { return false }
        return name.dropFirst(start.count).allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }
}
