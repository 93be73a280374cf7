import CLinux
import Glibc
import NetrootSystem

/// Every file below a directory with all that an image keeps of it, by path. Paths are bytes.
package struct TreeListing: Equatable {
    package struct File: Equatable {
        package var mode: UInt32
        package var uid: UInt32
        package var gid: UInt32
        package var mtime: Int
        package var device: UInt
        package var links: UInt
        package var size: Int64
        /// The first path of the same file.
        package var same: [UInt8]
        package var target: [UInt8]
        package var xattrs: [[UInt8]: [UInt8]]
        package var content: [UInt8]
    }

    package var files: [[UInt8]: File] = [:]
    private var first: [UInt: [UInt8]] = [:]

    /// - Throws: `SystemError`.
    package init(_ directory: String) throws { try add(Array(directory.utf8), as: []) }

    /// The paths that are not the same in both, as text.
    package func differences(from other: TreeListing) -> [String] {
        Set(files.keys).union(other.files.keys).filter { files[$0] != other.files[$0] }
            .map { String(decoding: $0, as: UTF8.self) }.sorted()
    }

    private mutating func add(_ path: [UInt8], as relative: [UInt8]) throws {
        let text = path.map { CChar(bitPattern: $0) } + [0]
        var status = stat()
        guard lstat(text, &status) == 0 else { throw failure(path) }
        let type = status.st_mode & S_IFMT
        var same = relative
        if type != S_IFDIR {
            same = first[status.st_ino] ?? relative
            first[status.st_ino] = same
        }
        var file = File(
            mode: status.st_mode, uid: status.st_uid, gid: status.st_gid, mtime: status.st_mtim.tv_sec,
            device: status.st_rdev, links: status.st_nlink,
            size: type == S_IFREG ? Int64(status.st_size) : 0, same: same, target: [], xattrs: try xattrs(text, path),
            content: [])
        switch type {
        case S_IFLNK:
            var buffer = [CChar](repeating: 0, count: 4097)
            file.target = buffer[..<readlink(text, &buffer, 4097)].map { UInt8(bitPattern: $0) }
        case S_IFREG: file.content = try read(text, path)
        default: break
        }
        files[relative] = file
        guard type == S_IFDIR else { return }
        guard let stream = opendir(text) else { throw failure(path) }
        defer { closedir(stream) }
        var names: [[UInt8]] = []
        while let entry = readdir(stream) {
            names.append(withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) })
        }
        for name in names.sorted(by: { $0.lexicographicallyPrecedes($1) }) where name != [0x2E] && name != [0x2E, 0x2E]
        {
            try add(path + [0x2F] + name, as: relative + [0x2F] + name)
        }
    }

    private func failure(_ path: [UInt8]) -> SystemError {
        SystemError("read", String(decoding: path, as: UTF8.self), code: errno)
    }

    private func xattrs(_ text: [CChar], _ path: [UInt8]) throws -> [[UInt8]: [UInt8]] {
        var names = [CChar](repeating: 0, count: 65536)
        let length = llistxattr(text, &names, names.count)
        // A squashfs without any says so.
        if length < 0, errno == ENOTSUP { return [:] }
        guard length >= 0 else { throw failure(path) }
        var result: [[UInt8]: [UInt8]] = [:]
        for name in names[..<length].split(separator: 0) {
            var value = [UInt8](repeating: 0, count: 65536)
            let count = lgetxattr(text, Array(name) + [0], &value, value.count)
            guard count >= 0 else { throw failure(path) }
            result[name.map { UInt8(bitPattern: $0) }] = Array(value[..<count])
        }
        return result
    }

    private func read(_ text: [CChar], _ path: [UInt8]) throws -> [UInt8] {
        let descriptor = open(text, O_RDONLY)
        guard descriptor >= 0 else { throw failure(path) }
        defer { close(descriptor) }
        var content: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            guard count >= 0 else { throw failure(path) }
            if count == 0 { return content }
            content += chunk[..<count]
        }
    }
}
