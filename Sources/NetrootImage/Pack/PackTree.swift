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
    private let root: DirectoryHandle
    var nodes: [PackNode] = []
    /// Names and symlink targets, each with a NUL behind it.
    var bytes: [UInt8] = []

    /// - Throws: `PackError.noTree` where there is no directory, `SystemError`.
    init(path: String) throws {
        self.path = Array(path.utf8)
        guard let found = realpath(path, nil) else { throw PackError.noTree(path: path) }
        defer { free(found) }
        place = Array(UnsafeRawBufferPointer(start: found, count: strlen(found)))
        do {
            root = try DirectoryHandle(path)
        } catch let error as SystemError where error.code == ENOTDIR {
            throw PackError.noTree(path: path)
        }
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
        do {
            return try root.openQuietly(relativePath(index), O_DIRECTORY)
        } catch let error as SystemError {
            throw failure("read", index, code: error.code)
        }
    }

    /// Opens a file in its directory. One name in an open directory needs no path resolved, and a hundred thousand of them
    /// are opened: openat(2) by the name as it lies in `bytes`.
    /// - Throws: `PackError.vanished`, `SystemError`.
    func open(file index: Int, in directory: Int32) throws -> Int32 {
        // A fifo in the file's place must not make us wait.
        let flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK
        return try withName(index) { name in
            var descriptor = openat(directory, name, flags | noAccessTime)
            // EPERM: only owner and root may keep access times as they are.
            if descriptor < 0, errno == EPERM { descriptor = openat(directory, name, flags) }
            guard descriptor >= 0 else { throw failure("read", index) }
            return descriptor
        }
    }

    /// An error in words: a file that is gone was there when the tree was listed.
    func failure(_ operation: String, _ index: Int, code: Int32 = errno) -> any Error {
        // ELOOP: a symlink in its place.
        if code == ENOENT || code == ENOTDIR || code == ELOOP { return PackError.vanished(path: display(index)) }
        return SystemError(operation, display(index), code: code)
    }
}
