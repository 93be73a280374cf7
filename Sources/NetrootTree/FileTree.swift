import CLinux
import Glibc
import NetrootImage
import NetrootSystem

/// A directory whose files are listed and read, by paths from it that begin with a slash.
final class FileTree: Sendable {
    private let root: DirectoryHandle

    /// - Throws: `SystemError`.
    init(_ path: String) throws { root = try DirectoryHandle(path) }

    /// For messages.
    func display(_ path: [UInt8]) -> String { root.display(path) }

    /// - Throws: `SystemError`.
    func rootStatus() throws -> stat { try root.status() }

    /// Opens a file for reading. No symlink is followed, and a FIFO in its place is not waited for.
    /// - Throws: `FileListingError` where it is gone, `SystemError`.
    func open(_ path: [UInt8], _ flags: Int32 = 0) throws -> Int32 {
        do {
            return try root.openQuietly(path, flags)
        } catch let error as SystemError {
            throw failure(path, error.code)
        }
    }

    /// Calls `body` with each file in a directory, sorted by the bytes of the names. What has a type that Linux does not
    /// know is left out.
    /// - Throws: `FileListingError`, `SystemError`, and what `body` throws.
    func list(_ directory: [UInt8], _ body: ([UInt8], stat, FileEntry) throws -> Void) throws {
        let descriptor = try open(directory, O_DIRECTORY)
        defer { close(descriptor) }
        let names = try DirectoryHandle.names(in: descriptor) { SystemError("read", display(directory), code: $0) }
        for name in names {
            let path = directory + [UInt8(ascii: "/")] + name
            var status = stat()
            guard fstatat(descriptor, DirectoryHandle.terminated(name), &status, AT_SYMLINK_NOFOLLOW) == 0 else {
                throw failure(path, errno)
            }
            guard let type = FileType(rawValue: UInt32(status.st_mode) & FileType.mask) else { continue }
            let entry = try FileEntry(
                status, type, target: { try DirectoryHandle.target(of: name, in: descriptor) { failure(path, $0) } },
                xattrs: try xattrs(of: path, in: descriptor, name))
            try body(name, status, entry)
        }
    }

    /// The extended attributes of the root.
    func xattrs(of path: [UInt8]) throws -> [[UInt8]: [UInt8]] {
        try xattrs(of: path, at: root.procPath(path))
    }

    private func xattrs(of path: [UInt8], in directory: Int32, _ name: [UInt8]) throws -> [[UInt8]: [UInt8]] {
        // llistxattr(2) takes no descriptor to begin at.
        try xattrs(of: path, at: DirectoryHandle.terminated(Array("/proc/self/fd/\(directory)/".utf8) + name))
    }

    private func xattrs(of path: [UInt8], at place: [CChar]) throws -> [[UInt8]: [UInt8]] {
        let names = try sized(path) { llistxattr(place, $0, $1) }
        guard !names.isEmpty else { return [:] }
        var xattrs: [[UInt8]: [UInt8]] = [:]
        for name in names.split(separator: 0).map({ Array($0) }) where SquashfsWriter.keeps(xattr: name) {
            xattrs[name] = try sized(path) { lgetxattr(place, DirectoryHandle.terminated(name), $0, $1) }
        }
        return xattrs
    }

    private func sized(_ path: [UInt8], _ call: (UnsafeMutablePointer<CChar>?, Int) -> Int) throws -> [UInt8] {
        try DirectoryHandle.sized(call) { failure(path, $0) }
    }

    /// Fills the buffer from an open file.
    /// - Throws: `FileListingError` where it has become shorter, `SystemError`.
    func read(
        _ path: [UInt8], _ descriptor: Int32, at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
    ) throws {
        guard let start = buffer.baseAddress else { return }
        var done = 0
        while done < buffer.count {
            let count = pread(descriptor, start + done, buffer.count - done, off_t(clamping: offset) + off_t(done))
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw SystemError("read", display(path), code: errno) }
            guard count > 0 else { throw FileListingError.changed(path: display(path)) }
            done += count
        }
    }

    private func failure(_ path: [UInt8], _ code: Int32) -> any Error {
        // ELOOP: a symlink in its place.
        if !path.isEmpty, [ENOENT, ENOTDIR, ELOOP].contains(code) {
            return FileListingError.changed(path: display(path))
        }
        return SystemError("read", display(path), code: code)
    }
}
