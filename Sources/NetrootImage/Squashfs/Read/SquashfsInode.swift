public import NetrootSystem

/// An inode of a squashfs image.
public struct SquashfsInode: Sendable, Equatable {
    /// Its number, from 1 to the image's count of inodes; it is the same for as long as the image.
    public let number: UInt32
    /// Where it is in the inode table: what `SquashfsReader.inode` takes.
    public let reference: UInt64
    /// The file type in `st_mode`.
    public let type: FileType
    /// The lower twelve bits of `st_mode`.
    public let mode: UInt32
    /// The owner's number.
    public let uid: UInt32
    /// The group's number.
    public let gid: UInt32
    /// Seconds since 1970.
    public let modified: UInt32
    /// Names that it has; of a directory as in `st_nlink`.
    public private(set) var links: UInt32 = 1
    /// A file's or a link target's bytes; of a directory what its listing takes.
    public private(set) var size: UInt64 = 0
    /// Bytes of a file that are holes, as the image records it; 0 where it does not.
    public private(set) var sparseBytes: UInt64 = 0
    /// A device node's numbers, as Linux packs them into 32 bits (`new_encode_dev`).
    public private(set) var device: UInt32 = 0
    /// Its set of extended attributes; nil for none.
    public private(set) var xattrIndex: UInt32?

    /// A regular file's first block, and the fragment block with its end.
    private(set) var blocksStart: UInt64 = 0
    private(set) var fragment = SquashfsFormat.none32
    private(set) var fragmentOffset: UInt32 = 0
    /// A directory's listing.
    private(set) var listing: UInt64 = 0
    /// A symlink's target.
    public private(set) var target: [UInt8] = []

    /// Major number of a device node.
    public var deviceMajor: UInt32 { device >> 8 & 0xFFF }
    /// Minor number of a device node.
    public var deviceMinor: UInt32 { device & 0xFF | device >> 12 & 0xFFF00 }

    /// Basic types 1 to 7 in the order of `SQFS_INODE_TYPE`; extended ones are 7 above.
    private static let types: [FileType] = [
        .directory, .regular, .symlink, .blockDevice, .characterDevice, .fifo, .socket,
    ]

    /// The type of a directory entry or, with extended ones, of an inode.
    static func type(_ number: UInt16, extended: Bool) -> FileType? {
        guard number >= 1, number <= (extended ? 14 : 7) else { return nil }
        return types[Int(number - 1) % 7]
    }

    /// Reads an inode (`sqfs/inode.h`); behind a regular file's the cursor is at the sizes of its blocks.
    init(
        _ image: SquashfsReader, reference: UInt64, from cursor: inout MetadataCursor
    ) throws(SquashfsReadError) {
        let place = "inode at \(reference >> 16):\(reference & 0xFFFF)"
        let number = try cursor.uint16()
        guard let type = Self.type(number, extended: true) else {
            throw image.corrupt(place, "unknown type \(number)")
        }
        self.type = type
        self.reference = reference
        mode = UInt32(try cursor.uint16()) & 0o7777
        let user = Int(try cursor.uint16())
        let group = Int(try cursor.uint16())
        guard user < image.owners.count, group < image.owners.count else {
            throw image.corrupt(place, "an owner that is not in the table")
        }
        uid = image.owners[user]
        gid = image.owners[group]
        modified = try cursor.uint32()
        self.number = try cursor.uint32()
        guard self.number >= 1, self.number <= image.superblock.inodeCount else {
            throw image.corrupt(place, "inode number \(self.number) of \(image.superblock.inodeCount)")
        }
        let isExtended = number > 7
        switch type {
        case .directory: try readDirectory(isExtended, &cursor)
        case .regular: try readFile(isExtended, &cursor)
        case .symlink:
            links = try cursor.uint32()
            let count = try cursor.uint32()
            // PATH_MAX with its zero byte.
            guard (1...4095).contains(count) else { throw image.corrupt(place, "a link target of \(count) bytes") }
            target = try cursor.bytes(Int(count))
            guard !target.contains(0) else { throw image.corrupt(place, "a zero byte in a link target") }
            size = UInt64(count)
            if isExtended { try readXattrIndex(&cursor) }
        case .blockDevice, .characterDevice:
            links = try cursor.uint32()
            device = try cursor.uint32()
            if isExtended { try readXattrIndex(&cursor) }
        case .fifo, .socket:
            links = try cursor.uint32()
            if isExtended { try readXattrIndex(&cursor) }
        }
        guard size <= UInt64(Int64.max), sparseBytes <= size else { throw image.corrupt(place, "size \(size)") }
    }

    private mutating func readDirectory(_ isExtended: Bool, _ cursor: inout MetadataCursor) throws(SquashfsReadError) {
        let block: UInt32
        let offset: UInt16
        if isExtended {
            links = try cursor.uint32()
            size = UInt64(try cursor.uint32())
            block = try cursor.uint32()
            _ = try cursor.uint32()
            _ = try cursor.uint16()
            offset = try cursor.uint16()
            try readXattrIndex(&cursor)
        } else {
            block = try cursor.uint32()
            links = try cursor.uint32()
            size = UInt64(try cursor.uint16())
            offset = try cursor.uint16()
        }
        listing = UInt64(block) << 16 | UInt64(offset)
    }

    private mutating func readFile(_ isExtended: Bool, _ cursor: inout MetadataCursor) throws(SquashfsReadError) {
        if isExtended {
            blocksStart = try cursor.uint64()
            size = try cursor.uint64()
            sparseBytes = try cursor.uint64()
            links = try cursor.uint32()
        } else {
            blocksStart = UInt64(try cursor.uint32())
        }
        fragment = try cursor.uint32()
        fragmentOffset = try cursor.uint32()
        if isExtended { try readXattrIndex(&cursor) } else { size = UInt64(try cursor.uint32()) }
    }

    private mutating func readXattrIndex(_ cursor: inout MetadataCursor) throws(SquashfsReadError) {
        let index = try cursor.uint32()
        xattrIndex = index == SquashfsFormat.none32 ? nil : index
    }
}
