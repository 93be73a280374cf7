import CLinux
import CSquashFS
import Glibc
import NetrootSystem

/// Lists a tree: every file with its attributes, sorted by the bytes of the names.
struct PackScan {
    let tree: PackTree
    private let xattrs: PackXattrs?
    private let isLeftOut: (@Sendable (_ path: [UInt8]) -> Bool)?
    private let cancelled: CancelFlag
    /// The root's filesystem.
    private(set) var device: UInt = 0
    private var linked: [FileIdentity: Int] = [:]
    private var owners = PackOwners()

    private struct FileIdentity: Hashable {
        let device: UInt
        let inode: UInt
    }

    /// - Parameters:
    ///   - xattrs: takes the extended attributes of an image, whose tables also bound the number of owners; nil where nobody
    ///     wants them.
    ///   - isLeftOut: whether a file, with all below it, is passed over, by its path in the tree.
    init(
        path: String, xattrs: PackXattrs? = nil, cancelled: CancelFlag,
        isLeftOut: (@Sendable (_ path: [UInt8]) -> Bool)? = nil
    ) throws {
        tree = try PackTree(path: path)
        self.xattrs = xattrs
        self.isLeftOut = isLeftOut
        self.cancelled = cancelled
    }

    /// - Throws: `PackError`, `SystemError`, `CancellationError`.
    mutating func run() throws {
        try root()
        var waiting = [0]
        while let directory = waiting.popLast() {
            try cancelled.check()
            try list(directory)
            for child in tree.nodes[directory].content.reversed() where tree.nodes[child].isDirectory {
                waiting.append(child)
            }
        }
    }

    private mutating func root() throws {
        let path = String(decoding: tree.path, as: UTF8.self)
        var status = stat()
        let found = (tree.place + [0]).withUnsafeBufferPointer {
            $0.withMemoryRebound(to: CChar.self) { place in place.baseAddress.map { lstat($0, &status) } ?? -1 }
        }
        guard found == 0, status.st_mode & S_IFMT == S_IFDIR else { throw PackError.noTree(path: path) }
        device = status.st_dev
        tree.bytes = [0]
        tree.nodes = [Self.node(status, parent: -1, name: 0, nameLength: 0, index: 0, hash: 0)]
        let descriptor = try tree.open(directory: 0)
        defer { close(descriptor) }
        guard let xattrs else { return }
        try owners.add(tree.nodes[0], path: path)
        tree.nodes[0].xattrs = try xattrs.read(path: tree.place + [0], name: { tree.display(0) })
    }

    private mutating func list(_ directory: Int) throws {
        let descriptor = try tree.open(directory: directory)
        let names = try names(in: descriptor, of: directory)
        defer { closedir(names.stream) }
        let first = tree.nodes.count
        var path = tree.place
        path.append(UInt8(ascii: "/"))
        let relative = tree.relativePath(directory)
        if !relative.isEmpty { path += relative + [UInt8(ascii: "/")] }
        // llistxattr(2) takes no descriptor to begin at; a path may be too long for it.
        if path.count + 256 > 4096 { path = Array("/proc/self/fd/\(descriptor)/".utf8) }
        let prefix = path.count
        for name in names.names {
            if let isLeftOut, isLeftOut(relative + (relative.isEmpty ? [] : [UInt8(ascii: "/")]) + tree.bytes[name]) {
                continue
            }
            let index = tree.nodes.count
            var status = stat()
            let found = tree.withCString(at: name.lowerBound) {
                fstatat(descriptor, $0, &status, AT_SYMLINK_NOFOLLOW)
            }
            let hash = Self.hash(tree.bytes[name], from: tree.nodes[directory].pathHash)
            tree.nodes.append(
                Self.node(
                    status, parent: directory, name: name.lowerBound, nameLength: name.count, index: index, hash: hash))
            guard found == 0 else { throw tree.failure("read", index) }
            tree.nodes[index].isElsewhere = status.st_dev != device
            try complete(index, status, in: descriptor)
            guard let xattrs else { continue }
            try owners.add(tree.nodes[index], path: tree.display(index))
            guard tree.nodes[index].first == index else { continue }
            path.removeSubrange(prefix...)
            path.append(contentsOf: tree.bytes[name.lowerBound...name.upperBound])
            tree.nodes[index].xattrs = try xattrs.read(path: path, name: { tree.display(index) })
        }
        tree.nodes[directory].content = first..<tree.nodes.count
    }

    /// What the type asks for: hard links joined, the target of a symlink.
    private mutating func complete(_ index: Int, _ status: stat, in descriptor: Int32) throws {
        switch status.st_mode & S_IFMT {
        case S_IFDIR: return
        case S_IFLNK: tree.nodes[index].content = try target(of: index, in: descriptor)
        case S_IFREG, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK: break
        default: throw PackError.unfit(path: tree.display(index), problem: "its file type is unknown")
        }
        guard status.st_nlink > 1 else { return }
        let identity = FileIdentity(device: status.st_dev, inode: status.st_ino)
        if let first = linked[identity] {
            tree.nodes[index].first = first
            tree.nodes[first].links += 1
        } else {
            linked[identity] = index
        }
    }

    private func names(in descriptor: Int32, of directory: Int) throws -> (stream: OpaquePointer, names: [Range<Int>]) {
        guard let stream = fdopendir(descriptor) else {
            let code = errno
            close(descriptor)
            throw SystemError("read", tree.display(directory), code: code)
        }
        var names: [Range<Int>] = []
        while true {
            // readdir(3) tells an error from the end by errno alone.
            errno = 0
            guard let entry = readdir(stream) else {
                guard errno == 0 else {
                    let code = errno
                    closedir(stream)
                    throw SystemError("read", tree.display(directory), code: code)
                }
                break
            }
            let start = tree.bytes.count
            withUnsafeBytes(of: &entry.pointee.d_name) { tree.bytes.append(contentsOf: $0.prefix { $0 != 0 }) }
            let name = start..<tree.bytes.count
            if tree.bytes[name].elementsEqual([0x2E]) || tree.bytes[name].elementsEqual([0x2E, 0x2E]) {
                tree.bytes.removeSubrange(name)
            } else {
                tree.bytes.append(0)
                names.append(name)
            }
        }
        tree.bytes.withUnsafeBufferPointer { bytes in
            guard let base = bytes.baseAddress else { return }
            names.sort { strcmp(base + $0.lowerBound, base + $1.lowerBound) < 0 }
        }
        return (stream, names)
    }

    private func target(of index: Int, in descriptor: Int32) throws -> Range<Int> {
        try withUnsafeTemporaryAllocation(of: CChar.self, capacity: 4097) { buffer in
            guard let base = buffer.baseAddress else { return 0..<0 }
            let count = tree.withName(index) { readlinkat(descriptor, $0, base, 4097) }
            guard count >= 0 else { throw tree.failure("read", index) }
            guard count <= 4096 else {
                throw PackError.unfit(path: tree.display(index), problem: "its target has more than 4096 bytes")
            }
            let start = tree.bytes.count
            tree.bytes.append(contentsOf: UnsafeRawBufferPointer(start: base, count: count))
            tree.bytes.append(0)
            return start..<start + count
        }
    }

    private static func node(
        _ status: stat, parent: Int, name: Int, nameLength: Int, index: Int, hash: UInt64
    ) -> PackNode {
        var node = PackNode(
            parent: parent, name: name, nameLength: nameLength, mode: status.st_mode, uid: status.st_uid,
            gid: status.st_gid, device: UInt32(truncatingIfNeeded: status.st_rdev), size: Int64(status.st_size),
            mtime: status.st_mtim, ctime: status.st_ctim, inode: status.st_ino, first: index, pathHash: hash)
        node.hasHoles = Int64(status.st_blocks) * 512 < node.size
        return node
    }

    /// FNV-1a over the name, begun with the directory's hash, then spread (splitmix64): the same on every machine.
    static func hash(_ name: ArraySlice<UInt8>, from parent: UInt64) -> UInt64 {
        var hash = parent ^ 0xCBF2_9CE4_8422_2325
        for byte in name { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        hash = (hash ^ hash >> 30) &* 0xBF58_476D_1CE4_E5B9
        hash = (hash ^ hash >> 27) &* 0x94D0_49BB_1331_11EB
        return hash ^ hash >> 31
    }
}

/// Counts the different users and groups of a tree: an image has one table for both, and its superblock 16 bits for their
/// number (`sqfs/super.h`, `id_count`).
struct PackOwners {
    private static let most = 65535
    private var known: Set<UInt32> = []

    /// - Parameter path: for messages.
    /// - Throws: `PackError.unfit` for one too many.
    mutating func add(_ node: PackNode, path: @autoclosure () -> String) throws(PackError) {
        known.insert(node.uid)
        known.insert(node.gid)
        guard known.count <= Self.most else {
            throw .unfit(
                path: path(), problem: "with its owner the tree has more than \(Self.most) different users and groups")
        }
    }
}
