import CLinux
import CSquashFS
import Glibc
import NetrootSystem

/// The extended attributes of a tree on their way into an image, by libsquashfs' writer.
final class PackXattrs {
    let writer: OpaquePointer
    /// Attributes that squashfs cannot hold, in all files together: POSIX ACLs, and other namespaces than
    /// `user.`, `trusted.` and `security.`.
    private(set) var droppedACLs = 0
    private(set) var droppedOthers = 0
    /// Whether any was kept.
    private(set) var isEmpty = true
    private let image: String
    private var list = [CChar](repeating: 0, count: 1 << 10)
    private var value = [UInt8](repeating: 0, count: 1 << 10)

    init(image: String) throws {
        guard let writer = sqfs_xattr_writer_create(0) else {
            throw PackError.library(operation: "write", image: image, code: SQFS_ERROR_ALLOC.rawValue)
        }
        self.writer = writer
        self.image = image
    }

    deinit { sqfs_destroy(UnsafeMutableRawPointer(writer)) }

    /// Reads those of a file, without following a symlink.
    /// - Parameters:
    ///   - path: with its NUL.
    ///   - name: for messages.
    /// - Returns: the index in the image's table; `UInt32.max` for none.
    func read(path: [UInt8], name: () -> String) throws -> UInt32 {
        let length = try sized(&list, name) { list, size in
            path.withUnsafeBufferPointer {
                $0.withMemoryRebound(to: CChar.self) { path in
                    path.baseAddress.map { llistxattr($0, list, size) } ?? -1
                }
            }
        }
        guard length > 0 else { return .max }
        let keys = list[..<length].split(separator: 0).map { $0.map { UInt8(bitPattern: $0) } }
            .filter { keeps($0) }.sorted { $0.lexicographicallyPrecedes($1) }
        guard !keys.isEmpty else { return .max }
        try check(sqfs_xattr_writer_begin(writer, 0))
        for key in keys {
            let terminated = key.map { CChar(bitPattern: $0) } + [0]
            let size = try sized(&value, name) { value, size in
                path.withUnsafeBufferPointer {
                    $0.withMemoryRebound(to: CChar.self) { path in
                        path.baseAddress.map { lgetxattr($0, terminated, value, size) } ?? -1
                    }
                }
            }
            try check(sqfs_xattr_writer_add(writer, terminated, value, size))
        }
        isEmpty = false
        var index: UInt32 = 0
        try check(sqfs_xattr_writer_end(writer, &index))
        return index
    }

    private func keeps(_ key: [UInt8]) -> Bool {
        if SquashfsWriter.keeps(xattr: key) { return true }
        if key.starts(with: "system.posix_acl_".utf8) { droppedACLs += 1 } else { droppedOthers += 1 }
        return false
    }

    /// Calls until the buffer is large enough (listxattr(2): ERANGE).
    private func sized<T>(
        _ buffer: inout [T], _ name: () -> String, _ call: (UnsafeMutablePointer<T>?, Int) -> Int
    ) throws -> Int {
        while true {
            let count = buffer.withUnsafeMutableBufferPointer { call($0.baseAddress, $0.count) }
            if count >= 0 { return count }
            switch errno {
            case ERANGE where buffer.count < 1 << 20: buffer += buffer
            // A filesystem without them.
            case ENOTSUP: return 0
            case ENOENT: throw PackError.vanished(path: name())
            default: throw SystemError("read the attributes of", name(), code: errno)
            }
        }
    }

    private func check(_ code: Int32) throws {
        guard code == 0 else { throw PackError.library(operation: "write the attributes of", image: image, code: code) }
    }
}
