/// Where a regular file's bytes are in an image.
public final class SquashfsFile: Sendable {
    /// Bytes.
    public let size: UInt64
    /// Where each block begins, and where the last ends; the highest bit is set on one that is stored as it is. Two equal
    /// places: a hole.
    let places: [UInt64]
    /// The block with the file's end, and where in it; nil where the end has a block of its own.
    let fragment: Fragment?

    struct Fragment: Sendable {
        var start: UInt64
        var packed: UInt32
        var isRaw: Bool
        var offset: Int
    }

    static let raw: UInt64 = 1 << 63

    /// Where its blocks begin in the image, in bytes; two equal places are a hole.
    public var blockPlaces: [UInt64] { places.dropLast().map { $0 & ~Self.raw } }

    /// What it takes in memory.
    var bytes: Int { places.count * 8 + 96 }
    /// The blocks that hold all of the file but its end, where that is in a fragment.
    public var blockCount: Int { places.count - 1 }

    /// Reads the sizes of the blocks, at which the cursor is.
    init(
        _ image: SquashfsReader, _ inode: SquashfsInode, _ cursor: inout MetadataCursor
    ) throws(SquashfsReadError) {
        let place = "file with inode \(inode.number)"
        let blockSize = UInt64(image.superblock.blockSize)
        size = inode.size
        // Below 2^63 therefore, as the image's file is; the sums stay there.
        guard inode.blocksStart <= image.superblock.inodeTable else {
            throw image.corrupt(place, "its blocks begin at byte \(inode.blocksStart)")
        }
        let hasFragment = inode.fragment != SquashfsFormat.none32
        let whole = size / blockSize
        let rest = size % blockSize
        let count = hasFragment || rest == 0 ? whole : whole + 1
        guard count <= cursor.remaining / 4 else {
            throw image.corrupt(place, "size \(size), more than the inode table has blocks for")
        }
        var places: [UInt64] = []
        places.reserveCapacity(Int(count) + 1)
        var next = inode.blocksStart
        for _ in 0..<count {
            let word = try cursor.uint32()
            let packed = UInt64(word & (SquashfsFormat.rawBlock - 1))
            guard packed <= blockSize, word < SquashfsFormat.rawBlock << 1 else {
                throw image.corrupt(place, "a block of \(packed) bytes")
            }
            let isRaw = word & SquashfsFormat.rawBlock != 0
            places.append(next | (isRaw && packed > 0 ? Self.raw : 0))
            // Blocks come before the tables.
            let (end, overflow) = next.addingReportingOverflow(packed)
            guard !overflow, end <= image.superblock.inodeTable else {
                throw image.corrupt(place, "its blocks go beyond the data")
            }
            next = end
        }
        places.append(next & ~Self.raw)
        self.places = places
        guard hasFragment else {
            fragment = nil
            return
        }
        let offset = UInt64(inode.fragmentOffset)
        guard rest > 0, offset + rest <= blockSize else {
            throw image.corrupt(place, "an end of \(rest) bytes at \(offset) of a fragment block")
        }
        fragment = try image.fragment(inode.fragment, offset: Int(offset), place)
    }

    /// Bytes that a block has unpacked.
    func length(_ index: Int, blockSize: Int) -> Int {
        Int(min(UInt64(blockSize), size - UInt64(index) * UInt64(blockSize)))
    }

    /// Whether a block is a hole: nothing of it is stored.
    public func isHole(_ index: Int) -> Bool { block(index).packed == 0 }

    /// Where a block is.
    func block(_ index: Int) -> (start: UInt64, packed: Int, isRaw: Bool) {
        let start = places[index] & ~Self.raw
        return (start, Int((places[index + 1] & ~Self.raw) - start), places[index] & Self.raw != 0)
    }
}
