/// An extended attribute.
public struct SquashfsXattr: Sendable, Equatable {
    /// The whole name, such as `security.capability`; any bytes but NUL.
    public let name: [UInt8]
    /// Any bytes.
    public let value: [UInt8]
}

/// The extended attributes of an image (`sqfs/xattr.h`): sets of keys and values, found by number.
struct SquashfsXattrTable: Sendable {
    /// Keys and values.
    let pairs: MetadataTable
    let count: UInt32
    /// Where the places of the blocks with the sets begin.
    let sets: UInt64

    /// - Returns: nil where the image has none.
    init?(_ file: SquashfsImageFile, _ superblock: SquashfsSuperblock) throws(SquashfsReadError) {
        guard superblock.hasXattrs else { return nil }
        let name = "xattr table"
        guard superblock.xattrTable + 16 <= superblock.bytesUsed else {
            throw .corrupt(path: file.path, place: name, problem: "it ends too early")
        }
        var header = LittleEndianBytes(try file.bytes(at: superblock.xattrTable, count: 16))
        let start = header.uint64()
        count = header.uint32()
        sets = superblock.xattrTable + 16
        guard start >= superblock.directoryTable, start <= superblock.xattrTable else {
            throw .corrupt(path: file.path, place: name, problem: "it is out of place")
        }
        // mksquashfs writes a table with nothing in it when it finds no attributes.
        guard count > 0 else { return nil }
        guard sets + 8 <= superblock.bytesUsed else {
            throw .corrupt(path: file.path, place: name, problem: "it ends too early")
        }
        var index = LittleEndianBytes(try file.bytes(at: sets, count: 8))
        let end = index.uint64()
        guard end >= start, end < superblock.xattrTable else {
            throw .corrupt(path: file.path, place: name, problem: "it is out of place")
        }
        pairs = try MetadataTable(name, from: start, to: end, of: file)
    }
}

extension SquashfsReader {
    private static let prefixes = ["user.", "trusted.", "security."].map { Array($0.utf8) }
    /// Linux: `XATTR_NAME_MAX`, `XATTR_SIZE_MAX`; and what all of an inode may take.
    private static let longestName = 255
    private static let longestValue: UInt32 = 64 << 10
    private static let mostBytes = 1 << 20

    /// The extended attributes of an inode, in the image's order.
    /// - Throws: `SquashfsReadError`.
    public func xattrs(of inode: SquashfsInode) throws(SquashfsReadError) -> [SquashfsXattr] {
        guard let index = inode.xattrIndex else { return [] }
        let place = "xattrs of inode \(inode.number)"
        guard let xattrs, index < xattrs.count else { throw corrupt(place, "set \(index) is not in the table") }
        var set = try entry(UInt64(index), size: 16, of: xattrs.sets, "xattr table")
        let reference = set.uint64()
        let count = set.uint32()
        var cursor = try MetadataCursor(self, xattrs.pairs, reference: reference)
        // A key and a value have at least eight bytes.
        guard UInt64(count) <= cursor.remaining / 8 else { throw corrupt(place, "\(count) attributes") }
        var list: [SquashfsXattr] = []
        var bytes = 0
        for _ in 0..<count {
            let type = try cursor.uint16()
            let length = Int(try cursor.uint16())
            guard Int(type & 0xFF) < Self.prefixes.count, length <= Self.longestName else {
                throw corrupt(place, "a name of type \(type) and \(length) bytes")
            }
            let name = try cursor.bytes(length)
            guard !name.contains(0) else { throw corrupt(place, "a zero byte in a name") }
            let value = try value(&cursor, isElsewhere: type & 0x100 != 0, xattrs, place)
            bytes += length + value.count
            guard bytes <= Self.mostBytes else { throw corrupt(place, "more than \(Self.mostBytes) bytes") }
            list.append(SquashfsXattr(name: Self.prefixes[Int(type & 0xFF)] + name, value: value))
        }
        return list
    }

    private func value(
        _ cursor: inout MetadataCursor, isElsewhere: Bool, _ table: SquashfsXattrTable, _ place: String
    ) throws(SquashfsReadError) -> [UInt8] {
        let size = try cursor.uint32()
        guard isElsewhere else { return try value(&cursor, size, place) }
        guard size == 8 else { throw corrupt(place, "a reference of \(size) bytes") }
        let reference = try cursor.uint64()
        var other = try MetadataCursor(self, table.pairs, reference: reference)
        let otherSize = try other.uint32()
        return try value(&other, otherSize, place)
    }

    private func value(
        _ cursor: inout MetadataCursor, _ size: UInt32, _ place: String
    ) throws(SquashfsReadError) -> [UInt8] {
        guard size <= Self.longestValue else { throw corrupt(place, "a value of \(size) bytes") }
        return try cursor.bytes(Int(size))
    }
}
