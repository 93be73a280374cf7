import Glibc

/// The tree on disk that an export is compared with. No symlink in it is followed.
struct LocalTree {
    private let root: OpenFile

    /// Opens the tree.
    /// - Throws: `.unreadableExport`.
    init(_ directory: String, export: String) throws(ServeError) {
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw .unreadableExport(path: export, directory: directory, reason: "\(Errno.current)")
        }
        root = OpenFile(owning: descriptor)
    }

    /// What differs between the file here and the one on the server; nil if nothing does.
    func difference(of path: [UInt8], in context: NFSClientContext) throws(ServeError) -> String? {
        let names = path.split(separator: UInt8(ascii: "/")).map { Array($0) }
        guard let last = names.last, let parent = directory(names.dropLast()) else { return "not in the local tree" }
        var local = stat()
        guard Self.withCString(last, { fstatat(parent.descriptor, $0, &local, AT_SYMLINK_NOFOLLOW) }) == 0 else {
            return "not in the local tree"
        }
        let remote = try context.status(path)
        let type = NFSFileType(mode: UInt32(local.st_mode))
        guard remote.type == type else { return "type \(remote.type), locally \(type)" }
        guard remote.mode & 0o7777 == UInt32(local.st_mode) & 0o7777 else {
            return "mode \(String(remote.mode & 0o7777, radix: 8)), "
                + "locally \(String(UInt32(local.st_mode) & 0o7777, radix: 8))"
        }
        guard remote.user == local.st_uid, remote.group == local.st_gid else {
            return "owner \(remote.user):\(remote.group), locally \(local.st_uid):\(local.st_gid)"
        }
        switch type {
        case .regular:
            guard remote.size == UInt64(local.st_size) else { return "size \(remote.size), locally \(local.st_size)" }
            return try contents(of: path, name: last, in: parent, context)
        case .symlink:
            return try target(of: path, name: last, in: parent, context)
        default: return nil
        }
    }

    private func directory(_ names: ArraySlice<[UInt8]>) -> OpenFile? {
        var directory = root
        for name in names {
            let next = Self.withCString(name) {
                openat(directory.descriptor, $0, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            }
            guard next >= 0 else { return nil }
            directory = OpenFile(owning: next)
        }
        return directory
    }

    private func contents(
        of path: [UInt8], name: [UInt8], in parent: OpenFile, _ context: NFSClientContext
    ) throws(ServeError) -> String? {
        let descriptor = Self.withCString(name) {
            openat(parent.descriptor, $0, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
        }
        guard descriptor >= 0 else { return "cannot be read locally: \(Errno.current)" }
        let file = OpenFile(owning: descriptor)
        var difference: String?
        var offset = 0
        var buffer = [UInt8](repeating: 0, count: 256 << 10)
        try context.read(path) { bytes in
            guard difference == nil else { return }
            let count = pread(file.descriptor, &buffer, bytes.count, off_t(offset))
            if count != bytes.count || !bytes.elementsEqual(buffer.prefix(max(0, count))) {
                difference = "contents differ within 256 KiB from byte \(offset)"
            }
            offset += bytes.count
        }
        var status = stat()
        if difference == nil, fstat(file.descriptor, &status) == 0, status.st_size != off_t(offset) {
            difference = "\(offset) bytes, locally \(status.st_size)"
        }
        return difference
    }

    private func target(
        of path: [UInt8], name: [UInt8], in parent: OpenFile, _ context: NFSClientContext
    ) throws(ServeError) -> String? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        let count = Self.withCString(name) { readlinkat(parent.descriptor, $0, &buffer, buffer.count) }
        let local = buffer.prefix(max(0, count)).map(UInt8.init(bitPattern:))
        return try context.readLink(path) == local ? nil : "another target"
    }

    private static func withCString<R>(_ bytes: [UInt8], _ body: (UnsafePointer<CChar>) -> R) -> R {
        body(bytes.map(CChar.init(bitPattern:)) + [0])
    }
}
