/// Numbers of the format (`sqfs/super.h`, `sqfs/block.h`; Linux `fs/squashfs/squashfs_fs.h`).
enum SquashfsFormat {
    static let superblock = 96
    /// The most that a metadata block holds unpacked.
    static let metadataBlock = 8192
    /// A table, a fragment or an xattr set that is not there.
    static let none64 = UInt64.max
    static let none32 = UInt32.max
    /// Set in a block's size where it is stored as it is.
    static let rawBlock: UInt32 = 1 << 24
}

/// What the first 96 bytes of a squashfs image say, and the options of its compressor behind them.
public struct SquashfsSuperblock: Sendable, Equatable {
    /// The codec, as `BlockCompression` names it, or `lzma` or `lzo`.
    public internal(set) var codec: String
    /// The level, where the image records one: mksquashfs does for other than its default, gensquashfs likewise.
    public internal(set) var level: Int?
    /// Bytes of a block, unpacked.
    public let blockSize: Int
    /// Inodes; names that are hard links of one count once.
    public let inodeCount: UInt32
    /// Fragment blocks, each of several files' ends.
    public let fragmentCount: UInt32
    /// Different users and groups.
    public let idCount: Int
    /// Bytes of the image, without padding behind it.
    public let bytesUsed: UInt64
    /// Seconds since 1970.
    public let modified: UInt32
    /// As `SQFS_SUPER_FLAGS` of `sqfs/super.h`.
    public let flags: UInt16
    /// Whether inodes can be found by their number.
    public var hasExportTable: Bool { exportTable != SquashfsFormat.none64 }
    /// Whether there are extended attributes.
    public var hasXattrs: Bool { xattrTable != SquashfsFormat.none64 }

    let codecNumber: UInt16
    let rootReference: UInt64
    let idTable: UInt64
    let xattrTable: UInt64
    let inodeTable: UInt64
    let directoryTable: UInt64
    let fragmentTable: UInt64
    let exportTable: UInt64

    private static let codecs: [UInt16: String] = [1: "gzip", 2: "lzma", 3: "lzo", 4: "xz", 5: "lz4", 6: "zstd"]

    /// Reads and checks it.
    init(_ file: SquashfsImageFile) throws(SquashfsReadError) {
        let start = try file.prefix(SquashfsFormat.superblock)
        guard start.starts(with: "hsqs".utf8) else {
            throw .foreign(path: file.path, looks: FileGuess.describe(start))
        }
        guard start.count == SquashfsFormat.superblock else {
            throw .truncated(path: file.path, bytes: UInt64(start.count), expected: UInt64(SquashfsFormat.superblock))
        }
        var bytes = LittleEndianBytes(start)
        bytes.skip(4)
        inodeCount = bytes.uint32()
        modified = bytes.uint32()
        let blockSize = bytes.uint32()
        fragmentCount = bytes.uint32()
        codecNumber = bytes.uint16()
        let blockLog = bytes.uint16()
        flags = bytes.uint16()
        idCount = Int(bytes.uint16())
        let version = (bytes.uint16(), bytes.uint16())
        rootReference = bytes.uint64()
        bytesUsed = bytes.uint64()
        idTable = bytes.uint64()
        xattrTable = bytes.uint64()
        inodeTable = bytes.uint64()
        directoryTable = bytes.uint64()
        fragmentTable = bytes.uint64()
        exportTable = bytes.uint64()
        self.blockSize = Int(blockSize)
        guard version == (4, 0) else {
            throw .unsupported(path: file.path, problem: "squashfs version \(version.0).\(version.1), not 4.0")
        }
        guard let codec = Self.codecs[codecNumber] else {
            throw .unsupported(path: file.path, problem: "unknown squashfs compression \(codecNumber)")
        }
        self.codec = codec
        func check(_ condition: Bool, _ problem: String) throws(SquashfsReadError) {
            if !condition { throw .corrupt(path: file.path, place: "superblock", problem: problem) }
        }
        try check(
            (12...20).contains(blockLog) && blockSize == 1 << UInt32(blockLog), "block size \(blockSize)")
        guard bytesUsed <= file.size else {
            throw .truncated(path: file.path, bytes: file.size, expected: bytesUsed)
        }
        try check(inodeCount > 0, "no inodes")
        try check(idCount > 0, "no owners")
        let first = UInt64(SquashfsFormat.superblock)
        try check(inodeTable >= first && inodeTable < directoryTable, "the inode table is out of place")
        try check(directoryTable < bytesUsed, "the directory table is out of place")
        try check(
            idTable > inodeTable && idTable <= bytesUsed &- 8 && bytesUsed >= 8, "the owner table is out of place")
        for (name, place) in [
            ("fragment", fragmentCount > 0 ? fragmentTable : SquashfsFormat.none64), ("export", exportTable),
            ("xattr", xattrTable),
        ] where place != SquashfsFormat.none64 {
            try check(place >= directoryTable && place <= bytesUsed &- 8, "the \(name) table is out of place")
        }
        try readOptions(file)
    }

    /// The compressor's options: an uncompressed metadata block behind the superblock.
    private mutating func readOptions(_ file: SquashfsImageFile) throws(SquashfsReadError) {
        level = nil
        guard flags & 0x0400 != 0 else { return }
        var options = LittleEndianBytes(try file.bytes(at: UInt64(SquashfsFormat.superblock), count: 10))
        let header = options.uint16()
        guard header & 0x8000 != 0, header & 0x7FFF >= 4 else {
            throw .corrupt(path: file.path, place: "compressor options", problem: "no such block")
        }
        // gzip: level, window, strategies; lzo: algorithm, level; xz: dictionary size, filters; lz4: version, flags.
        switch codec {
        case "gzip", "zstd": level = Int(options.uint32())
        case "lzo":
            options.skip(4)
            level = Int(options.uint32())
        default: break
        }
        if let level, level > 22 {
            throw .corrupt(path: file.path, place: "compressor options", problem: "level \(level)")
        }
    }
}

/// Numbers in a row of bytes, lowest byte first. Behind the end there are zeros: the caller checks the count.
struct LittleEndianBytes {
    private let bytes: [UInt8]
    private var offset: Int

    init(_ bytes: [UInt8], at offset: Int = 0) {
        self.bytes = bytes
        self.offset = offset
    }

    mutating func skip(_ count: Int) { offset += count }

    mutating func uint16() -> UInt16 { next() }
    mutating func uint32() -> UInt32 { next() }
    mutating func uint64() -> UInt64 { next() }

    private mutating func next<T: FixedWidthInteger>() -> T {
        let size = MemoryLayout<T>.size
        defer { offset += size }
        guard offset >= 0, offset + size <= bytes.count else { return 0 }
        return bytes.withUnsafeBytes { T(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: T.self)) }
    }
}
