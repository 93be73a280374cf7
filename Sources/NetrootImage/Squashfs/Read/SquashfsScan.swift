import NetrootSystem

/// A name in a directory of a squashfs image.
public struct SquashfsEntry: Sendable, Equatable {
    /// Any bytes but `/` and NUL.
    public let name: [UInt8]
    /// What has that name.
    public let inode: SquashfsInode
    /// Whether the scan meets the inode for the first time: of several hard links the first one in its order.
    public let isFirst: Bool
}

/// A directory of a squashfs image, with what is in it.
public struct SquashfsDirectory: Sendable {
    /// The directory; the first one of a scan is the root.
    public let inode: SquashfsInode
    /// From the root, with a slash before each name; empty for the root.
    public let path: [UInt8]
    /// Sorted by name.
    public let entries: [SquashfsEntry]
}

extension SquashfsReader {
    /// Reads every inode and directory, breadth first, and checks that they are a tree: no directory has two names or is
    /// within itself, and no inode number belongs to two inodes.
    /// - Throws: `SquashfsReadError`, and what `visit` throws.
    public func scan(_ visit: (SquashfsDirectory) throws -> Void) throws {
        let root = try root()
        var known: [UInt32: UInt64] = [root.number: root.reference]
        // Directories that are still to be read, and those before them for the sake of their names.
        var pending: [(inode: SquashfsInode, parent: Int, name: [UInt8])] = [(root, 0, [])]
        var next = 0
        var listed: UInt64 = 0
        while next < pending.count {
            let directory = pending[next].inode
            let path = Self.path(next, pending)
            // Each byte of the table belongs to one directory; listings that overlap could go on for ever.
            listed += directory.size
            guard listed <= directories.capacity + UInt64(pending.count) * 3 else {
                throw corrupt("directory table", "listings of more bytes than it has")
            }
            let entries = try entries(of: directory, path) { (number, reference) throws(SquashfsReadError) in
                guard let earlier = known[number] else {
                    known[number] = reference
                    return true
                }
                guard earlier == reference else {
                    throw corrupt(Self.text(path), "inode number \(number) is used twice")
                }
                return false
            }
            for entry in entries where entry.inode.type == .directory {
                guard entry.isFirst else {
                    throw corrupt(Self.text(path + [0x2F] + entry.name), "a directory with two names, or within itself")
                }
                pending.append((entry.inode, next, entry.name))
            }
            try visit(SquashfsDirectory(inode: directory, path: path, entries: entries))
            next += 1
        }
    }

    private static func path(_ index: Int, _ list: [(inode: SquashfsInode, parent: Int, name: [UInt8])]) -> [UInt8] {
        var names: [[UInt8]] = []
        var index = index
        while index != 0 {
            names.append(list[index].name)
            index = list[index].parent
        }
        return names.reversed().reduce(into: []) { $0 += [0x2F] + $1 }
    }

    private static func text(_ path: [UInt8]) -> String {
        path.isEmpty ? "/" : TerminalText.line(path)
    }

    /// A directory's listing (`sqfs/dir.h`): runs of up to 256 names, each run with what they have in common before it.
    private func entries(
        of directory: SquashfsInode, _ path: [UInt8], isFirst: (UInt32, UInt64) throws(SquashfsReadError) -> Bool
    ) throws(SquashfsReadError) -> [SquashfsEntry] {
        // The size counts three bytes for `.` and `..`, which are not there.
        guard directory.size > 3 else { return [] }
        let place = Self.text(path)
        var left = Int(directory.size - 3)
        var cursor = try MetadataCursor(self, directories, reference: directory.listing)
        guard UInt64(left) <= cursor.remaining else { throw corrupt(place, "a listing longer than the table") }
        var list: [SquashfsEntry] = []
        while left > 0 {
            let count = try cursor.uint32()
            let block = UInt64(try cursor.uint32())
            let base = try cursor.uint32()
            left -= 12
            guard count < 256, left > 0 else { throw corrupt(place, "a run of \(count) names") }
            for _ in 0...count {
                let offset = UInt64(try cursor.uint16())
                let difference = Int16(bitPattern: try cursor.uint16())
                let type = try cursor.uint16()
                let length = Int(try cursor.uint16()) + 1
                left -= 8 + length
                guard left >= 0, length <= 255 else { throw corrupt(place, "a name of \(length) bytes") }
                let name = try cursor.bytes(length)
                guard Self.isName(name), list.last.map({ Self.precedes($0.name, name) }) ?? true else {
                    throw corrupt(place, "a name that is none, or out of order")
                }
                let child = Self.text(path + [0x2F] + name)
                let inode = try inode(block << 16 | offset)
                guard inode.number == base &+ UInt32(truncatingIfNeeded: Int32(difference)),
                    inode.type == SquashfsInode.type(type, extended: false)
                else { throw corrupt(child, "its inode is another one's") }
                guard inode.type != .regular || inode.isPlausible(in: self) else {
                    throw corrupt(child, "its blocks are not within the image")
                }
                list.append(
                    SquashfsEntry(name: name, inode: inode, isFirst: try isFirst(inode.number, inode.reference)))
            }
        }
        return list
    }

    private static func isName(_ name: [UInt8]) -> Bool {
        name != [0x2E] && name != [0x2E, 0x2E] && !name.contains(0) && !name.contains(0x2F)
    }

    private static func precedes(_ a: [UInt8], _ b: [UInt8]) -> Bool { a.lexicographicallyPrecedes(b) }
}

extension SquashfsInode {
    /// Whether a regular file's blocks can be there, by what the inode alone says.
    fileprivate func isPlausible(in image: SquashfsReader) -> Bool {
        let blocks = size / UInt64(image.superblock.blockSize)
        return blocks <= image.inodes.capacity / 4 && blocksStart <= image.superblock.inodeTable
    }
}
