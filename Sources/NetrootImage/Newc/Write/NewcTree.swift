import Glibc
import NetrootSystem

/// A whole root tree as one newc archive: owners, modes, devices and hard links as on disk. Extended attributes are lost:
/// newc has no room for them. The same tree gives the same bytes.
public struct NewcTree: Sendable {
    /// The root of the tree; the directory itself is not an entry.
    public let path: String
    /// Times are clamped to this, in seconds since 1970 (`SOURCE_DATE_EPOCH`); nil for no bound.
    public var latest: UInt32?
    /// Whether a file is left out, with all that is below it; by its path in the tree, without a leading slash.
    public var isLeftOut: (@Sendable (_ path: [UInt8]) -> Bool)?

    /// Nothing is looked at yet.
    public init(
        _ path: String, latest: UInt32? = nil, isLeftOut: (@Sendable (_ path: [UInt8]) -> Bool)? = nil
    ) {
        self.path = path
        self.latest = latest
        self.isLeftOut = isLeftOut
    }

    /// - Throws: `PackError`, `NewcError.badEntry`, `SystemError`, `CancellationError`.
    func scan(cancelled: CancelFlag) throws -> NewcTreeScan {
        var scan = try PackScan(path: path, cancelled: cancelled, isLeftOut: isLeftOut)
        try scan.run()
        return try NewcTreeScan(tree: scan.tree, latest: latest)
    }
}

/// A root tree as it was listed, on its way into an archive. Directories come before what is in them, and the files of one
/// directory one after the other, sorted by the bytes of their names.
struct NewcTreeScan {
    private let tree: PackTree
    private let latest: UInt32?
    /// The bytes of the archive.
    let unpackedBytes: UInt64
    private let sockets: Int

    init(tree: PackTree, latest: UInt32?) throws {
        self.tree = tree
        self.latest = latest
        var count = NewcSize()
        var sockets = 0
        for index in tree.nodes.indices.dropFirst() {
            let node = tree.nodes[index]
            if node.type == FileType.socket.rawValue {
                sockets += 1
                continue
            }
            if node.parent == 0, tree.name(node).elementsEqual(NewcArchive.trailer) {
                throw NewcError.badEntry(path: tree.display(index), problem: "this name ends an archive")
            }
            let length = tree.relativePathLength(index)
            guard length <= NewcArchive.longestPath else {
                throw NewcError.badEntry(path: tree.display(index), problem: "the name has more than 4095 bytes")
            }
            if node.type == FileType.symlink.rawValue, node.content.count > NewcArchive.longestPath {
                throw NewcError.badEntry(path: tree.display(index), problem: "its target has more than 4095 bytes")
            }
            guard node.size <= UInt32.max || !node.isRegular else { throw NewcError.fourGiB(tree.display(index)) }
            count.add(name: length, content: Self.contentSize(node, at: index))
        }
        unpackedBytes = count.ofArchive
        self.sockets = sockets
    }

    /// What a user should read.
    var notes: [String] {
        guard sockets > 0 else { return [] }
        return ["\(sockets) socket\(sockets == 1 ? "" : "s") left out: no program could answer there"]
    }

    /// The first name of a file has its content. The kernel and cpio(1) take it with any of them; bsdtar(1) links the later
    /// names to the first.
    private static func contentSize(_ node: PackNode, at index: Int) -> UInt64 {
        switch node.type {
        case FileType.regular.rawValue: node.first == index ? UInt64(node.size) : 0
        case FileType.symlink.rawValue: UInt64(node.content.count)
        default: 0
        }
    }

    /// - Throws: `PackError`, `SystemError`, `CancellationError`, and what the output's sink throws.
    func write(to output: NewcOutput, cancelled: CancelFlag) throws {
        let opener = PackOpener(tree)
        var directory: (index: Int, path: [UInt8]) = (0, [])
        for index in tree.nodes.indices.dropFirst() {
            let node = tree.nodes[index]
            if node.type == FileType.socket.rawValue { continue }
            try cancelled.check()
            if node.parent != directory.index {
                directory = (node.parent, tree.relativePath(node.parent) + [UInt8(ascii: "/")])
            }
            try write(index, name: directory.path + tree.name(node), to: output, opener)
        }
        try output.endArchive()
    }

    private func write(_ index: Int, name: [UInt8], to output: NewcOutput, _ opener: PackOpener) throws {
        let node = tree.nodes[index]
        try output.begin(name: name, fields: fields(node, at: index))
        switch node.type {
        case FileType.symlink.rawValue: try output.put(tree.bytes[node.content])
        case FileType.regular.rawValue where node.first == index && node.size > 0:
            try opener.with(index) { source in
                try output.put(count: Int(node.size)) { try source.read(into: $0, at: Int64($1)) }
                try source.checkUnchanged()
            }
        default: return
        }
        try output.endContent()
    }

    private func fields(_ node: PackNode, at index: Int) -> NewcFields {
        // `init/initramfs.c`, `maybe_link`: the kernel joins names of one inode number with more than one link, but not of
        // a symlink.
        let isLink = node.type == FileType.symlink.rawValue
        let first = isLink ? index : node.first
        var fields = NewcFields(
            inode: UInt32(clamping: first), mode: node.mode, uid: node.uid, gid: node.gid,
            links: node.isDirectory ? 2 : isLink ? 1 : tree.nodes[first].links,
            mtime: min(latest ?? .max, UInt32(clamping: node.mtime.tv_sec)),
            size: UInt32(clamping: Self.contentSize(node, at: index)))
        if [FileType.characterDevice.rawValue, FileType.blockDevice.rawValue].contains(node.type) {
            fields.deviceMajor = DeviceNumber.major(dev_t(node.device))
            fields.deviceMinor = DeviceNumber.minor(dev_t(node.device))
        }
        return fields
    }
}

extension PackTree {
    /// The name of a node in its directory.
    func name(_ node: PackNode) -> ArraySlice<UInt8> { bytes[node.name..<node.name + node.nameLength] }

    /// The bytes of a node's path below the root.
    func relativePathLength(_ index: Int) -> Int {
        var length = 0
        var at = index
        while nodes[at].parent >= 0 {
            length += nodes[at].nameLength + 1
            at = nodes[at].parent
        }
        return max(0, length - 1)
    }
}
