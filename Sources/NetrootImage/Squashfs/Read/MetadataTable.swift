/// A table in metadata blocks: a row of blocks of 8 KiB each, the last one shorter, packed one by one. Each begins with
/// its size on disk in two bytes, of which the highest bit means "stored as it is".
struct MetadataTable: Sendable {
    /// What errors call it.
    let name: String
    let start: UInt64
    /// Where its blocks begin in the image.
    let blocks: [UInt64]

    /// The most bytes that it can hold.
    var capacity: UInt64 { UInt64(blocks.count) * UInt64(SquashfsFormat.metadataBlock) }

    /// Goes from block to block, so that no later reference can lead between them.
    init(_ name: String, from start: UInt64, to end: UInt64, of file: SquashfsImageFile) throws(SquashfsReadError) {
        self.name = name
        self.start = start
        var blocks: [UInt64] = []
        var place = start
        var window: (start: UInt64, bytes: [UInt8]) = (start, [])
        while place < end {
            if place + 2 > window.start + UInt64(window.bytes.count) {
                window = (place, try file.bytes(at: place, count: Int(min(end - place, 64 << 10))))
            }
            var bytes = LittleEndianBytes(window.bytes, at: Int(place - window.start))
            let size = UInt64(bytes.uint16() & 0x7FFF)
            guard (1...UInt64(SquashfsFormat.metadataBlock)).contains(size), place + 2 + size <= end else {
                throw .corrupt(path: file.path, place: name, problem: "a block of \(size) bytes at byte \(place)")
            }
            blocks.append(place)
            place += 2 + size
        }
        self.blocks = blocks
    }

    /// The index of the block that begins at a place; nil where none does.
    func index(of place: UInt64) -> Int? {
        var low = 0
        var high = blocks.count
        while low < high {
            let middle = (low + high) / 2
            if blocks[middle] < place { low = middle + 1 } else { high = middle }
        }
        return low < blocks.count && blocks[low] == place ? low : nil
    }
}

/// Reads a table from a place on, from block to block.
struct MetadataCursor {
    private let image: SquashfsReader
    private let table: MetadataTable
    private var index: Int
    private var block: [UInt8]
    private var offset: Int

    /// - Parameter reference: the block's place behind the table's start, above 16 bits of an offset in it unpacked.
    init(_ image: SquashfsReader, _ table: MetadataTable, reference: UInt64) throws(SquashfsReadError) {
        self.image = image
        self.table = table
        let (place, overflow) = table.start.addingReportingOverflow(reference >> 16)
        offset = Int(reference & 0xFFFF)
        guard !overflow, let index = table.index(of: place) else {
            throw image.corrupt(table.name, "reference \(reference) leads to no block")
        }
        self.index = index
        block = []
        try load()
        guard offset <= block.count else {
            throw image.corrupt(table.name, "reference \(reference) leads out of its block")
        }
    }

    /// The most bytes that can follow.
    var remaining: UInt64 {
        UInt64(table.blocks.count - index) * UInt64(SquashfsFormat.metadataBlock) - UInt64(offset)
    }

    private mutating func load() throws(SquashfsReadError) {
        block = try image.metadata(at: table.blocks[index], table.name)
        guard block.count == SquashfsFormat.metadataBlock || index == table.blocks.count - 1 else {
            throw image.corrupt(table.name, "a short block at byte \(table.blocks[index])")
        }
    }

    private mutating func advance() throws(SquashfsReadError) {
        guard index + 1 < table.blocks.count else { throw image.corrupt(table.name, "it ends too early") }
        index += 1
        offset = 0
        try load()
    }

    /// The caller bounds the count.
    mutating func bytes(_ count: Int) throws(SquashfsReadError) -> [UInt8] {
        guard UInt64(count) <= remaining else { throw image.corrupt(table.name, "it ends too early") }
        var result: [UInt8] = []
        result.reserveCapacity(count)
        while result.count < count {
            if offset == block.count { try advance() }
            let part = min(count - result.count, block.count - offset)
            result += block[offset..<(offset + part)]
            offset += part
        }
        return result
    }

    mutating func uint16() throws(SquashfsReadError) -> UInt16 { try next() }
    mutating func uint32() throws(SquashfsReadError) -> UInt32 { try next() }
    mutating func uint64() throws(SquashfsReadError) -> UInt64 { try next() }

    private mutating func next<T: FixedWidthInteger>() throws(SquashfsReadError) -> T {
        let size = MemoryLayout<T>.size
        if offset + size <= block.count {
            let place = offset
            offset += size
            return block.withUnsafeBytes { T(littleEndian: $0.loadUnaligned(fromByteOffset: place, as: T.self)) }
        }
        let parts = try bytes(size)
        return parts.withUnsafeBytes { T(littleEndian: $0.loadUnaligned(as: T.self)) }
    }
}
