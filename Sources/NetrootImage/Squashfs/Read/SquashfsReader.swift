import NetrootSystem

/// A squashfs image, open for reading, by any number of threads at a time.
///
/// Nothing in the image is believed: every place, count and size is checked against what the file can hold before memory
/// is taken for it. libsquashfs decompresses; its readers of inodes, directories and tables allocate by the sizes that
/// the image gives, so those structures are read here, as `sqfs/inode.h`, `sqfs/dir.h` and `sqfs/xattr.h` lay them out.
public final class SquashfsReader: Sendable {
    /// The file, as it was named.
    public let path: String
    /// What the image says of itself.
    public let superblock: SquashfsSuperblock
    let owners: [UInt32]
    let inodes: MetadataTable
    let directories: MetadataTable
    let xattrs: SquashfsXattrTable?
    private let file: SquashfsImageFile
    private let cache: SquashfsCache
    private let image: UInt32
    private let pool: DecompressorPool

    /// Opens an image and checks its superblock and the frame of its tables.
    /// - Parameters:
    ///   - part: the bytes of the file that are the image; nil for all of them.
    ///   - cache: where decompressed blocks are kept; one cache may serve many images.
    /// - Throws: `SquashfsReadError`.
    public init(
        _ path: String, part: Range<UInt64>? = nil, cache: SquashfsCache = SquashfsCache()
    ) throws(SquashfsReadError) {
        self.path = path
        let file = try SquashfsImageFile(path, part: part)
        let superblock = try SquashfsSuperblock(file)
        guard let pool = DecompressorPool(codec: superblock.codecNumber, blockSize: superblock.blockSize) else {
            throw .unsupported(path: path, problem: "its compression \(superblock.codec) is not read here")
        }
        self.file = file
        self.superblock = superblock
        self.pool = pool
        self.cache = cache
        inodes = try MetadataTable("inode table", from: superblock.inodeTable, to: superblock.directoryTable, of: file)
        // The smallest inode has 20 bytes.
        guard UInt64(superblock.inodeCount) <= inodes.capacity / 20 else {
            throw .corrupt(
                path: path, place: "superblock", problem: "\(superblock.inodeCount) inodes, more than its table holds")
        }
        var end = superblock.bytesUsed
        // The tables of fragments, of inodes by number, and of owners follow the directories, each behind its blocks,
        // and begin with the place of the first of those.
        let indexes = [
            superblock.fragmentCount > 0 ? superblock.fragmentTable : SquashfsFormat.none64, superblock.exportTable,
            superblock.idTable,
        ]
        for index in indexes where index != SquashfsFormat.none64 {
            var bytes = LittleEndianBytes(try file.bytes(at: index, count: 8))
            let first = bytes.uint64()
            guard first >= superblock.directoryTable, first < index else {
                throw .corrupt(path: path, place: "superblock", problem: "the table at byte \(index) is out of place")
            }
            end = min(end, first)
        }
        directories = try MetadataTable("directory table", from: superblock.directoryTable, to: end, of: file)
        owners = try Self.readOwners(file, superblock, pool)
        xattrs = try SquashfsXattrTable(file, superblock)
        image = cache.addImage()
    }

    deinit { cache.removeImage(image) }

    /// Reads an inode by its reference.
    /// - Throws: `SquashfsReadError`.
    public func inode(_ reference: UInt64) throws(SquashfsReadError) -> SquashfsInode {
        var cursor = try MetadataCursor(self, inodes, reference: reference)
        return try SquashfsInode(self, reference: reference, from: &cursor)
    }

    /// The root directory.
    /// - Throws: `SquashfsReadError`.
    public func root() throws(SquashfsReadError) -> SquashfsInode {
        let root = try inode(superblock.rootReference)
        guard root.type == .directory else { throw corrupt("superblock", "the root is not a directory") }
        return root
    }

    /// The target of a symlink, by the inode's reference.
    /// - Throws: `SquashfsReadError`; `.corrupt` for what is not a symlink.
    public func symlinkTarget(_ reference: UInt64) throws(SquashfsReadError) -> [UInt8] {
        let inode = try inode(reference)
        guard inode.type == .symlink else { throw corrupt("inode \(inode.number)", "it is not a symlink") }
        return inode.target
    }

    /// Where a regular file's bytes are, by the inode's reference.
    /// - Throws: `SquashfsReadError`; `.corrupt` for what is not a regular file.
    public func file(_ reference: UInt64) throws(SquashfsReadError) -> SquashfsFile {
        try cache.files.value(key(reference)) { () throws(SquashfsReadError) in
            var cursor = try MetadataCursor(self, inodes, reference: reference)
            let inode = try SquashfsInode(self, reference: reference, from: &cursor)
            guard inode.type == .regular else { throw corrupt("inode \(inode.number)", "it is not a regular file") }
            return try SquashfsFile(self, inode, &cursor)
        }
    }

    /// The error that says what in the image does not fit together, and where.
    public func corrupt(_ place: String, _ problem: String) -> SquashfsReadError {
        .corrupt(path: path, place: place, problem: problem)
    }

    // MARK: - File contents

    /// Reads a file's bytes from `offset` on, as many as the buffer holds or the file has.
    /// - Returns: how many; 0 at the file's end and behind it.
    /// - Throws: `SquashfsReadError`; what the buffer then holds is undefined.
    public func read(
        _ contents: SquashfsFile, at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
    ) throws(SquashfsReadError) -> Int {
        guard offset < contents.size else { return 0 }
        let wanted = Int(min(UInt64(buffer.count), contents.size - offset))
        var done = 0
        while done < wanted {
            let piece = piece(contents, at: offset + UInt64(done), limit: wanted - done)
            let target = UnsafeMutableRawBufferPointer(rebasing: buffer[done..<(done + piece.count)])
            if piece.packed == 0 {
                target.initializeMemory(as: UInt8.self, repeating: 0)
            } else if piece.isRaw {
                try check(piece)
                try file.read(at: piece.start + UInt64(piece.offset), into: target)
            } else {
                try check(piece).withUnsafeBytes {
                    target.copyMemory(from: .init(rebasing: $0[piece.offset..<(piece.offset + piece.count)]))
                }
            }
            done += piece.count
        }
        return wanted
    }

    /// `st_dev` of the open file: with the inode number it tells whether another file has its place.
    public var fileDevice: UInt64 { file.device }
    /// `st_ino` of the open file.
    public var fileInode: UInt64 { file.inode }

    /// The file as it was when it was opened.
    public var fileStamp: SquashfsFileStamp { file.stamp }

    /// A number that a copy of the image has too, and another image hardly.
    public var mark: UInt64 { Self.mark(of: superblock) }

    /// The mark of what lies at a path now.
    /// - Throws: `SquashfsReadError` where there is no image, or only a part of one.
    public static func mark(ofImageAt path: String) throws(SquashfsReadError) -> UInt64 {
        mark(of: try SquashfsSuperblock(try SquashfsImageFile(path)))
    }

    private static func mark(of superblock: SquashfsSuperblock) -> UInt64 {
        [
            superblock.bytesUsed, UInt64(superblock.inodeCount), superblock.rootReference, superblock.directoryTable,
            UInt64(superblock.modified),
        ].reduce(0) { ($0 ^ $1) &* 0x9E37_79B9_7F4A_7C15 }
    }

    /// Whether `file` and then `read` need nothing from the disk, and nothing decompressed.
    /// - Parameter reference: the reference of a regular file's inode.
    public func isCached(_ reference: UInt64, at offset: UInt64, count: Int) -> Bool {
        guard cache.files.contains(key(reference)) else { return false }
        do throws(SquashfsReadError) {
            return isCached(try file(reference), at: offset, count: count)
        } catch {
            return false
        }
    }

    /// Whether `read` needs nothing from the disk, and nothing decompressed.
    func isCached(_ contents: SquashfsFile, at offset: UInt64, count: Int) -> Bool {
        guard offset < contents.size else { return true }
        let wanted = Int(min(UInt64(max(0, count)), contents.size - offset))
        var done = 0
        while done < wanted {
            let piece = piece(contents, at: offset + UInt64(done), limit: wanted - done)
            if piece.packed > 0, piece.isRaw || !cache.blocks.contains(key(piece.start)) { return false }
            done += piece.count
        }
        return true
    }

    /// Makes sure that `read` can read the bytes, which are in the cache then if it has the room.
    /// - Throws: `SquashfsReadError`.
    public func check(_ contents: SquashfsFile, at offset: UInt64, count: Int) throws(SquashfsReadError) {
        guard offset < contents.size else { return }
        let wanted = Int(min(UInt64(max(0, count)), contents.size - offset))
        var done = 0
        while done < wanted {
            let piece = piece(contents, at: offset + UInt64(done), limit: wanted - done)
            if piece.packed > 0 { try check(piece) }
            done += piece.count
        }
    }

    /// A part of a file within one block.
    private struct Piece {
        /// The block: its place, its bytes on disk, and those that it has, or has at least, unpacked.
        var start: UInt64
        var packed: Int
        var isRaw: Bool
        var length: Int
        var isShared: Bool
        /// The part of it.
        var offset: Int
        var count: Int
    }

    private func piece(_ contents: SquashfsFile, at offset: UInt64, limit: Int) -> Piece {
        let blockSize = superblock.blockSize
        let index = Int(offset / UInt64(blockSize))
        let inside = Int(offset % UInt64(blockSize))
        let length = contents.length(index, blockSize: blockSize)
        let count = min(limit, length - inside)
        if index < contents.blockCount {
            let block = contents.block(index)
            return Piece(
                start: block.start, packed: block.packed, isRaw: block.isRaw, length: length, isShared: false,
                offset: inside, count: count)
        }
        // `SquashfsFile` has either a block or a fragment for every byte.
        guard let fragment = contents.fragment else {
            return Piece(start: 0, packed: 0, isRaw: false, length: length, isShared: false, offset: 0, count: count)
        }
        return Piece(
            start: fragment.start, packed: Int(fragment.packed), isRaw: fragment.isRaw,
            length: fragment.offset + length, isShared: true, offset: fragment.offset + inside, count: count)
    }

    /// A block that has as many bytes as the file's inode says; of one that is not compressed nothing is read.
    @discardableResult
    private func check(_ piece: Piece) throws(SquashfsReadError) -> [UInt8] {
        if piece.isRaw {
            guard piece.packed >= piece.length else {
                throw corrupt("block at byte \(piece.start)", "\(piece.packed) bytes of \(piece.length)")
            }
            return []
        }
        let block = try block(piece)
        guard piece.isShared ? block.count >= piece.length : block.count == piece.length else {
            throw corrupt("block at byte \(piece.start)", "\(block.count) bytes unpacked, not \(piece.length)")
        }
        return block
    }

    // MARK: - Blocks

    private func key<Value>(_ place: UInt64) -> BoundedCache<Value>.Key { .init(image: image, place: place) }

    private func block(_ piece: Piece) throws(SquashfsReadError) -> [UInt8] {
        // What an array has room for counts nowhere: a small file's only block must not take a whole one.
        let limit = piece.isShared ? superblock.blockSize : piece.length
        return try cache.blocks.value(key(piece.start)) { () throws(SquashfsReadError) in
            try Self.unpack(file, pool, at: piece.start, packed: piece.packed, limit: limit)
        }
    }

    /// A metadata block by its place.
    func metadata(at start: UInt64, _ table: String) throws(SquashfsReadError) -> [UInt8] {
        try cache.metadata.value(key(start)) { () throws(SquashfsReadError) in
            try Self.metadata(file, pool, at: start, below: superblock.bytesUsed, table)
        }
    }

    /// Entry `index` of a table that begins with the places of its blocks, of which errors say `table`.
    func entry(
        _ index: UInt64, size: UInt64, of start: UInt64, _ table: String
    ) throws(SquashfsReadError) -> LittleEndianBytes {
        let perBlock = UInt64(SquashfsFormat.metadataBlock) / size
        let slot = start + index / perBlock * 8
        guard slot + 8 <= superblock.bytesUsed else { throw corrupt(table, "it ends too early") }
        var bytes = LittleEndianBytes(try file.bytes(at: slot, count: 8))
        let block = try metadata(at: bytes.uint64(), table)
        let offset = index % perBlock * size
        guard offset + size <= UInt64(block.count) else { throw corrupt(table, "it ends too early") }
        return LittleEndianBytes(block, at: Int(offset))
    }

    func fragment(
        _ index: UInt32, offset: Int, _ place: String
    ) throws(SquashfsReadError) -> SquashfsFile.Fragment {
        guard index < superblock.fragmentCount else {
            throw corrupt(place, "fragment \(index) of \(superblock.fragmentCount)")
        }
        var entry = try entry(UInt64(index), size: 16, of: superblock.fragmentTable, "fragment table")
        let start = entry.uint64()
        let word = entry.uint32()
        let packed = word & (SquashfsFormat.rawBlock - 1)
        guard packed > 0, packed <= superblock.blockSize, word < SquashfsFormat.rawBlock << 1,
            start <= superblock.inodeTable, start + UInt64(packed) <= superblock.inodeTable
        else { throw corrupt("fragment table", "fragment \(index) of \(packed) bytes at byte \(start)") }
        return .init(start: start, packed: packed, isRaw: word & SquashfsFormat.rawBlock != 0, offset: offset)
    }

    private static func readOwners(
        _ file: SquashfsImageFile, _ superblock: SquashfsSuperblock, _ pool: DecompressorPool
    ) throws(SquashfsReadError) -> [UInt32] {
        let name = "owner table"
        let perBlock = SquashfsFormat.metadataBlock / 4
        let blocks = (superblock.idCount + perBlock - 1) / perBlock
        guard superblock.idTable + UInt64(blocks) * 8 <= superblock.bytesUsed else {
            throw .corrupt(path: file.path, place: name, problem: "it ends too early")
        }
        var places = LittleEndianBytes(try file.bytes(at: superblock.idTable, count: blocks * 8))
        var owners: [UInt32] = []
        for _ in 0..<blocks {
            let block = try metadata(file, pool, at: places.uint64(), below: superblock.idTable, name)
            let count = min(perBlock, superblock.idCount - owners.count)
            guard block.count >= count * 4 else {
                throw .corrupt(path: file.path, place: name, problem: "it ends too early")
            }
            var bytes = LittleEndianBytes(block)
            for _ in 0..<count { owners.append(bytes.uint32()) }
        }
        return owners
    }

    private static func metadata(
        _ file: SquashfsImageFile, _ pool: DecompressorPool, at start: UInt64, below end: UInt64, _ table: String
    ) throws(SquashfsReadError) -> [UInt8] {
        guard start >= UInt64(SquashfsFormat.superblock), start < end, end - start > 2 else {
            throw .corrupt(path: file.path, place: table, problem: "a block at byte \(start)")
        }
        var bytes = LittleEndianBytes(try file.bytes(at: start, count: 2))
        let header = bytes.uint16()
        let size = Int(header & 0x7FFF)
        guard size > 0, size <= SquashfsFormat.metadataBlock, UInt64(size) <= end - start - 2 else {
            throw .corrupt(path: file.path, place: table, problem: "a block of \(size) bytes at byte \(start)")
        }
        if header & 0x8000 != 0 { return try file.bytes(at: start + 2, count: size) }
        return try unpack(file, pool, at: start + 2, packed: size, limit: SquashfsFormat.metadataBlock)
    }

    private static func unpack(
        _ file: SquashfsImageFile, _ pool: DecompressorPool, at start: UInt64, packed: Int, limit: Int
    ) throws(SquashfsReadError) -> [UInt8] {
        var failure: SquashfsReadError?
        let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
            do throws(SquashfsReadError) {
                let unpacked = try pool.decompress(packed, into: UnsafeMutableRawBufferPointer(buffer)) {
                    (input) throws(SquashfsReadError) in
                    try file.read(at: start, into: input)
                }
                count = unpacked ?? 0
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        guard !bytes.isEmpty else {
            throw .corrupt(path: file.path, place: "block at byte \(start)", problem: "it cannot be decompressed")
        }
        return bytes
    }
}
