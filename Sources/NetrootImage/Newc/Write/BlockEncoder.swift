import CCodecs
import Glibc

/// A format whose blocks can be compressed apart from each other.
protocol EncoderBlocks: Sendable {
    associatedtype Codec

    /// The bytes of every block but the last.
    var blockSize: Int { get }
    /// The most bytes of a compressed block.
    var longest: Int { get }
    /// How many bytes before a block help to compress it.
    var history: Int { get }
    /// A further thread is worth its memory after as many blocks.
    var blocksForThread: Int { get }
    /// What stands before the first block.
    var head: [UInt8] { get }

    /// What one thread compresses with.
    func makeCodec() throws(CodecError) -> Codec
    /// Compresses the block of a slot.
    func compress(_ slot: EncoderSlot, with codec: Codec) throws(CodecError)
    /// What stands behind the last block.
    func tail(size: UInt64, sum: UInt) -> [UInt8]
}

/// A block on its way, with what was before it.
///
/// Unchecked: it has one owner at a time, as `WorkSlot` says.
final class EncoderSlot: WorkSlot, @unchecked Sendable {
    /// Bytes before the block at the beginning of `raw`.
    var before = 0
    var isLast = false
    /// Bytes in `output`.
    var made = 0
    /// CRC-32 of the block, where the format has one.
    var sum: UInt = 0

    var history: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: raw[..<before]) }
    var unfilled: UnsafeMutableRawBufferPointer { .init(rebasing: raw[(before + count)...]) }
    var block: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: raw[before..<before + count]) }
}

/// Compresses blocks on several threads and puts them out in their order.
final class BlockEncoder<Blocks: EncoderBlocks>: StreamEncoder {
    private let blocks: Blocks
    private let pool: BlockPool<EncoderSlot>
    private let sink: EncoderSink
    private var free: [EncoderSlot]
    private var queue: [EncoderSlot] = []
    private var current: EncoderSlot
    private var size: UInt64 = 0
    private var sum: UInt = 0
    private var hasHead = false

    init(_ blocks: Blocks, workers: Int, sink: @escaping EncoderSink) {
        self.blocks = blocks
        self.sink = sink
        let workers = max(1, workers)
        pool = BlockPool(workers: workers, blocksForThread: blocks.blocksForThread) {
            let codec = try blocks.makeCodec()
            return { try blocks.compress($0, with: codec) }
        }
        // One is being filled.
        free = (0...workers).map { _ in
            EncoderSlot(rawSize: blocks.history + blocks.blockSize, outputSize: blocks.longest)
        }
        current = EncoderSlot(rawSize: blocks.history + blocks.blockSize, outputSize: blocks.longest)
    }

    deinit { pool.stop() }

    func write(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes
        while !rest.isEmpty {
            if current.count == blocks.blockSize { try submit() }
            let part = min(rest.count, blocks.blockSize - current.count)
            current.unfilled.copyMemory(from: .init(rebasing: rest[..<part]))
            current.count += part
            rest = .init(rebasing: rest[part...])
        }
    }

    func finish() throws {
        current.isLast = true
        try submit()
        while !queue.isEmpty { try putOldest() }
        try blocks.tail(size: size, sum: sum).withUnsafeBytes { try sink($0) }
    }

    private func submit() throws {
        if free.isEmpty { try putOldest() }
        let next = free.removeLast()
        // The worker only reads `raw`, so that what the next block needs could be taken later, too.
        let known = UnsafeRawBufferPointer(rebasing: current.raw[..<(current.before + current.count)])
        let history = known.suffix(blocks.history)
        next.raw.copyMemory(from: .init(rebasing: history))
        next.before = history.count
        next.count = 0
        next.isLast = false
        pool.submit(current)
        queue.append(current)
        current = next
    }

    private func putOldest() throws {
        let slot = queue.removeFirst()
        try slot.wait()
        if !hasHead {
            hasHead = true
            try blocks.head.withUnsafeBytes { try sink($0) }
        }
        try sink(UnsafeRawBufferPointer(rebasing: slot.output[..<slot.made]))
        sum = crc32_combine(sum, slot.sum, slot.count)
        size += UInt64(slot.count)
        free.append(slot)
    }
}
