import Glibc

/// What the server knows of one inode: 64 bytes. There is no access time in it; the modification time is given
/// instead, for serving a tree is no use of it that anybody wants to see.
struct FileNode: BitwiseCopyable, Sendable {
    var inode: UInt64
    /// Size in bytes; of a device node `st_rdev`.
    var size: UInt64
    /// Nanoseconds since 1970.
    var modified: Int64
    /// Nanoseconds since 1970.
    var changed: Int64
    /// Blocks of 512 bytes.
    var blocks: UInt32
    /// Index of the directory that holds it under `name`; of the root, the root.
    var parent: UInt32
    /// One of its names, in the arena.
    var name: UInt32
    /// Index of its directory record; `FileTable.none` for all but directories.
    var directory: UInt32
    /// Second of the monotonic clock at which the tree was last asked.
    var checked: UInt32
    /// Index of the owner and group.
    var owner: UInt16
    /// `st_mode`, type and permissions.
    var mode: UInt16
    /// `st_nlink`, cut at 65535; 0: gone from the tree.
    var links: UInt16
}

/// The entries of one directory, in the order of `DirectoryEntry.hash`.
struct DirectoryRecord: BitwiseCopyable, Sendable {
    /// Index of the first.
    var first: UInt32
    var count: UInt32
    /// Entries that fit at `first`, for a directory that was read again.
    var capacity: UInt32
    var state: State

    enum State: UInt8, BitwiseCopyable, Sendable {
        case listed
        /// Not read yet.
        case unread
        /// The server may not read it.
        case unreadable
        /// Another filesystem is mounted on it: it is shown empty.
        case mountPoint
    }
}

/// A name in a directory.
struct DirectoryEntry: BitwiseCopyable, Sendable {
    /// FNV-1a of the name. Entries are sorted by it, and READDIR cookies are made of it, so that a cookie stays good
    /// while entries come and go, and across a restart.
    var hash: UInt32
    var name: UInt32
    var node: UInt32
}

/// Who owns a file.
struct Owner: Hashable, Sendable {
    var user: UInt32
    var group: UInt32
}

/// All names and attributes of a tree, in flat arrays: about 90 bytes a file, names included.
struct FileTable: ~Copyable {
    static let none = UInt32.max
    static let root: UInt32 = 0

    var nodes = ChunkedArray<FileNode>()
    var entries = ChunkedArray<DirectoryEntry>()
    var directories = ChunkedArray<DirectoryRecord>()
    var names = NameArena()
    /// Few in any tree, so that an index of two bytes does.
    private(set) var owners: [Owner] = []
    private var ownerIndexes: [Owner: UInt16] = [:]
    /// Open addressing by inode number; `none` is a free slot, and nothing is ever removed.
    private var slots: [UInt32]
    /// Another one in each table: whoever made an image chose its inode numbers, and must not know which of them meet in
    /// one slot.
    private let multiplier = UInt64.random(in: 0...UInt64.max) | 1

    init() {
        slots = Array(repeating: Self.none, count: 1 << 10)
    }

    /// The index of the node with that inode number.
    func find(inode: UInt64) -> UInt32? {
        var slot = slot(inode) & (slots.count - 1)
        while slots[slot] != Self.none {
            if nodes[Int(slots[slot])].inode == inode { return slots[slot] }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }

    /// Adds a node whose inode number is not in the table.
    /// - Returns: its index.
    mutating func add(_ node: FileNode) -> UInt32 {
        let index = UInt32(nodes.count)
        nodes.append(node)
        if (nodes.count + 1) * 4 > slots.count * 3 { grow() } else { occupy(index, inode: node.inode) }
        return index
    }

    /// The node for a `struct stat`; not yet in the table.
    mutating func makeNode(_ status: stat, parent: UInt32, name: UInt32, now: UInt32) -> FileNode {
        var node = FileNode(
            inode: UInt64(status.st_ino), size: 0, modified: 0, changed: 0, blocks: 0, parent: parent, name: name,
            directory: Self.none, checked: now, owner: 0, mode: 0, links: 0)
        setAttributes(of: &node, from: status, now: now)
        return node
    }

    /// Takes over what `stat` says.
    mutating func setAttributes(of node: inout FileNode, from status: stat, now: UInt32) {
        let type = status.st_mode & S_IFMT
        let isDevice = type == S_IFCHR || type == S_IFBLK
        node.size = isDevice ? UInt64(status.st_rdev) : UInt64(max(0, status.st_size))
        node.modified = Self.nanoseconds(status.st_mtim)
        node.changed = Self.nanoseconds(status.st_ctim)
        node.blocks = UInt32(clamping: status.st_blocks)
        node.checked = now
        node.owner = owner(Owner(user: status.st_uid, group: status.st_gid))
        node.mode = UInt16(truncatingIfNeeded: status.st_mode)
        node.links = UInt16(clamping: status.st_nlink)
    }

    /// Looks a name up in a directory. Entries are sorted by hash and name, so that names made to have one hash cost no
    /// more than others.
    func lookup(_ name: UnsafeRawBufferPointer, in directory: DirectoryRecord) -> DirectoryEntry? {
        let hash = fnv1a(name)
        var low: UInt32 = 0
        var high = directory.count
        while low < high {
            let middle = (low + high) / 2
            let entry = entries[Int(directory.first + middle)]
            if entry.hash < hash || entry.hash == hash && names.bytes(entry.name).lexicographicallyPrecedes(name) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        guard low < directory.count else { return nil }
        let entry = entries[Int(directory.first + low)]
        guard entry.hash == hash, names.bytes(entry.name).elementsEqual(name) else { return nil }
        return entry
    }

    /// The position of the first entry whose hash is not below `hash`; `count` if there is none.
    func firstPosition(_ hash: UInt32, in directory: DirectoryRecord) -> UInt32 {
        var low: UInt32 = 0
        var high = directory.count
        while low < high {
            let middle = (low + high) / 2
            if entries[Int(directory.first + middle)].hash < hash { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Replaces a directory's entries, which it sorts, in the old place where they fit.
    mutating func setEntries(_ list: [DirectoryEntry], of directory: Int) {
        let sorted = list.sorted { a, b in
            a.hash != b.hash ? a.hash < b.hash : precedes(a.name, b.name)
        }
        var record = directories[directory]
        record.state = .listed
        if sorted.count > Int(record.capacity) {
            record.first = UInt32(entries.count)
            record.capacity = UInt32(sorted.count)
            for entry in sorted { entries.append(entry) }
        } else {
            for (offset, entry) in sorted.enumerated() { entries[Int(record.first) + offset] = entry }
        }
        record.count = UInt32(sorted.count)
        directories[directory] = record
    }

    private func precedes(_ a: UInt32, _ b: UInt32) -> Bool {
        names.bytes(a).lexicographicallyPrecedes(names.bytes(b))
    }

    private mutating func owner(_ owner: Owner) -> UInt16 {
        if let index = ownerIndexes[owner] { return index }
        // 65536 different owners in one tree: the last one stands for the rest rather than that the server ends.
        guard owners.count <= Int(UInt16.max) else { return UInt16.max }
        owners.append(owner)
        ownerIndexes[owner] = UInt16(owners.count - 1)
        return UInt16(owners.count - 1)
    }

    private mutating func grow() {
        slots = Array(repeating: Self.none, count: slots.count * 2)
        for index in 0..<nodes.count { occupy(UInt32(index), inode: nodes[index].inode) }
    }

    private mutating func occupy(_ index: UInt32, inode: UInt64) {
        var slot = slot(inode) & (slots.count - 1)
        while slots[slot] != Self.none { slot = (slot + 1) & (slots.count - 1) }
        slots[slot] = index
    }

    private func slot(_ inode: UInt64) -> Int {
        Int(truncatingIfNeeded: (inode &* multiplier) >> 32)
    }

    static func nanoseconds(_ time: timespec) -> Int64 {
        let (whole, overflow) = Int64(time.tv_sec).multipliedReportingOverflow(by: 1_000_000_000)
        // Beyond 1677 to 2262; a file from there is shown at the end of that range.
        guard !overflow else { return time.tv_sec < 0 ? .min : .max }
        return whole &+ Int64(time.tv_nsec)
    }
}
