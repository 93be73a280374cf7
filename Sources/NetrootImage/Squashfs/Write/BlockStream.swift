import CSquashFS
import Glibc
import NetrootConfig

/// Where the content of a file is in the image.
struct PackedFile {
    /// Where its first block is; 0 while it has none.
    var start: UInt64 = 0
    /// Its blocks among `BlockStream.sizes`.
    var blocks = 0..<0
    /// The fragment block with its tail end, and where in it; `UInt32.max` without.
    var fragment = UInt32.max
    var offset = UInt32.max
    /// Bytes in blocks of zeros, which are not stored.
    var zeros: Int64 = 0
}

/// The data blocks of an image, in the order in which they are submitted: from the cache or compressed by the pool, then
/// written. The number of blocks on their way is bounded.
final class BlockStream {
    let output: SquashfsOutput
    let cache: BlockCache?
    /// The files' places; blocks on their way fill them in.
    var files: [PackedFile] = []
    /// The size of each block as an inode has it: bytes on disk, bit 24 for one that is stored as it is, 0 for zeros.
    var sizes: [UInt32] = []
    let fragments: OpaquePointer
    /// Fragment blocks submitted.
    private(set) var fragmentCount: UInt32 = 0
    /// Blocks written, and of those how many were in the cache.
    private(set) var written = 0
    private(set) var cached = 0

    private let pool: BlockPool<BlockSlot>
    private var free: [BlockSlot]
    private var queue: [BlockSlot] = []

    /// - Parameter workers: threads that compress.
    init(
        output: SquashfsOutput, cache: BlockCache?, compression: BlockCompression, blockSize: Int, workers: Int
    ) throws {
        self.output = output
        self.cache = cache
        fragments = try output.check(sqfs_frag_table_create(0))
        let image = output.path
        pool = BlockPool(workers: workers, blocksForThread: 16) {
            let compressor = try BlockCompressor(compression, blockSize: blockSize, image: image)
            return { $0.compressed = try compressor.compress($0.rawBytes, into: $0.output) }
        }
        // One is being filled with fragments, one with a file's block; small blocks need more, to be worth the handing over.
        let slots = max(workers + 1, 3, min(64, 2 << 20 / blockSize))
        free = (0..<slots).map { _ in BlockSlot(blockSize: blockSize) }
    }

    deinit {
        pool.stop()
        sqfs_destroy(UnsafeMutableRawPointer(fragments))
    }

    /// An empty slot; waits for the oldest block on its way where there is none.
    func take() throws -> BlockSlot {
        if free.isEmpty { try writeOldest() }
        let slot = free.removeLast()
        slot.count = 0
        return slot
    }

    /// Takes back a slot that was not needed.
    func giveBack(_ slot: BlockSlot) { free.append(slot) }

    /// Sends a slot on its way; its key, count and target are set.
    /// - Parameter fill: completes the raw bytes; called only where they are needed.
    func submit(_ slot: BlockSlot, fill: () throws -> Void) throws {
        if case .fragment = slot.target { fragmentCount += 1 }
        switch cache?.find(slot.key, into: slot.output) {
        case .compressed(let count):
            slot.compressed = count
            cached += 1
        case .incompressible:
            slot.compressed = nil
            cached += 1
            try fill()
        case .nothing, nil:
            try fill()
            pool.submit(slot)
        }
        queue.append(slot)
    }

    /// Waits for all, and writes them.
    func finish() throws { while !queue.isEmpty { try writeOldest() } }

    private func writeOldest() throws {
        let slot = queue.removeFirst()
        let isNew = slot.isSubmitted
        try slot.wait()
        let payload = slot.compressed.map { UnsafeRawBufferPointer(rebasing: slot.output[..<$0]) }
        if isNew { cache?.add(slot.key, payload) }
        let place = output.size
        let bytes = payload ?? slot.rawBytes
        try output.append(bytes)
        written += 1
        let size = UInt32(bytes.count) | (payload == nil ? 1 << 24 : 0)
        switch slot.target {
        case .file(let file, let block):
            if files[file].start == 0 { files[file].start = place }
            sizes[block] = size
        case .fragment:
            try output.check("write", sqfs_frag_table_append(fragments, place, size, nil))
        }
        free.append(slot)
    }
}
