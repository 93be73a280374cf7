import Glibc
import NetrootSystem

/// A file of the tree that is packed.
struct PackNode {
    /// The directory that holds it; -1 of the root.
    var parent: Int
    /// Where its name begins in the tree's bytes; a NUL ends it.
    var name: Int
    /// The bytes of its name.
    var nameLength: Int
    var mode: UInt32
    var uid: UInt32
    var gid: UInt32
    var device: UInt32
    var size: Int64
    var mtime: timespec
    var ctime: timespec
    /// `st_ino`, to notice another file in its place.
    var inode: UInt
    /// On another filesystem than the root.
    var isElsewhere = false
    /// Fewer blocks on disk than its size needs.
    var hasHoles = false
    /// The first of the names of the same file: itself, unless it is a hard link.
    var first: Int
    /// How many names of the file the tree has.
    var links: UInt32 = 1
    /// Of a directory: its entries, sorted by the bytes of their names. Of a symlink: its target in the tree's bytes.
    var content = 0..<0
    /// Index in the table of extended attributes.
    var xattrs = UInt32.max
    /// Of the path, evenly spread.
    var pathHash: UInt64

    var type: UInt32 { mode & UInt32(S_IFMT) }
    var isDirectory: Bool { type == UInt32(S_IFDIR) }
    var isRegular: Bool { type == UInt32(S_IFREG) }
}

/// The tree that is packed, as it was listed. Names and paths are bytes.
final class PackTree {
    /// The root as it was named, for messages.
    let path: [UInt8]
    /// Where it is, without symlinks: a call that follows none and one that does must see the same directory.
    let place: [UInt8]
    var nodes: [PackNode] = []
    /// Names and symlink targets, each with a NUL behind it.
    var bytes: [UInt8] = []

    /// - Throws: `PackError.noTree` where there is nothing.
    init(path: String) throws(PackError) {
        self.path = Array(path.utf8)
        guard let found = realpath(path, nil) else { throw .noTree(path: path) }
        defer { free(found) }
        place = Array(UnsafeRawBufferPointer(start: found, count: strlen(found)))
    }

    /// The path of a node below the root, without a leading slash.
    func relativePath(_ index: Int) -> [UInt8] {
        var parts: [Int] = []
        var at = index
        while nodes[at].parent >= 0 {
            parts.append(at)
            at = nodes[at].parent
        }
        var path: [UInt8] = []
        for part in parts.reversed() {
            if !path.isEmpty { path.append(UInt8(ascii: "/")) }
            path.append(contentsOf: bytes[nodes[part].name..<nodes[part].name + nodes[part].nameLength])
        }
        return path
    }

    /// For messages.
    func display(_ index: Int) -> String {
        let relative = relativePath(index)
        return String(decoding: relative.isEmpty ? path : path + [UInt8(ascii: "/")] + relative, as: UTF8.self)
    }

    func withName<R>(_ index: Int, _ body: (UnsafePointer<CChar>) throws -> R) rethrows -> R {
        try withCString(at: nodes[index].name, body)
    }

    /// The bytes at an offset, up to their NUL.
    func withCString<R>(at offset: Int, _ body: (UnsafePointer<CChar>) throws -> R) rethrows -> R {
        try bytes.withUnsafeBufferPointer { buffer in
            try buffer.withMemoryRebound(to: CChar.self) { characters in
                guard let base = characters.baseAddress else { preconditionFailure("no names were listed") }
                return try body(base + offset)
            }
        }
    }

    /// The nodes in the order of their paths: a directory, then all below it, then the next.
    func forEachInPathOrder(_ body: (Int) throws -> Void) rethrows {
        var stack = [0]
        while let index = stack.popLast() {
            try body(index)
            if nodes[index].isDirectory { stack.append(contentsOf: nodes[index].content.reversed()) }
        }
    }

    /// Opens a directory of the tree, however long its path is.
    /// - Throws: `PackError.vanished`, `SystemError`.
    func open(directory index: Int) throws -> Int32 {
        var relative = relativePath(index)[...]
        var descriptor = try open(place[...], at: AT_FDCWD, flags: O_DIRECTORY, for: index)
        while !relative.isEmpty {
            // PATH_MAX holds for one call.
            var end = relative.endIndex
            if relative.count > 4000 {
                end = relative[..<(relative.startIndex + 4000)].lastIndex(of: UInt8(ascii: "/")) ?? end
            }
            let above = descriptor
            defer { close(above) }
            descriptor = try open(relative[..<end], at: above, flags: O_DIRECTORY | O_NOFOLLOW, for: index)
            relative = relative[end...].drop { $0 == UInt8(ascii: "/") }
        }
        return descriptor
    }

    private func open(_ path: ArraySlice<UInt8>, at place: Int32, flags: Int32, for index: Int) throws -> Int32 {
        let terminated = path.map { CChar(bitPattern: $0) } + [0]
        return try opened(terminated.withUnsafeBufferPointer { Self.open(place, $0.baseAddress, flags) }, index)
    }

    /// Opens a file in its directory.
    /// - Throws: `PackError.vanished`, `SystemError`.
    func open(file index: Int, in directory: Int32) throws -> Int32 {
        // A fifo in the file's place must not make us wait.
        try opened(withName(index) { Self.open(directory, $0, O_NOFOLLOW | O_NONBLOCK) }, index)
    }

    /// Reading must not change the tree's access times where we may say so: only owner and root may.
    private static func open(_ place: Int32, _ path: UnsafePointer<CChar>?, _ flags: Int32) -> Int32 {
        guard let path else { return -1 }
        let flags = O_RDONLY | O_CLOEXEC | flags
        let descriptor = openat(place, path, flags | noAccessTime)
        return descriptor < 0 && errno == EPERM ? openat(place, path, flags) : descriptor
    }

    private func opened(_ descriptor: Int32, _ index: Int) throws -> Int32 {
        guard descriptor < 0 else { return descriptor }
        throw failure("read", index)
    }

    /// `errno` in words: a file that is gone was there when the tree was listed.
    func failure(_ operation: String, _ index: Int) -> any Error {
        let code = errno
        // ELOOP: a symlink in its place.
        if code == ENOENT || code == ENOTDIR || code == ELOOP { return PackError.vanished(path: display(index)) }
        return SystemError(operation, display(index), code: code)
    }
}
