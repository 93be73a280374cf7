import Dispatch
import Glibc
import NetrootConfig
import Synchronization

/// A block in the making, with room for its raw and its compressed bytes.
///
/// Unchecked: it has one owner at a time. The packing thread owns it, but for the time between `BlockPool.submit` and
/// `wait`, when the worker that took it does; the pool's lock and `done` order the two.
final class BlockSlot: @unchecked Sendable {
    let raw: UnsafeMutableRawBufferPointer
    let output: UnsafeMutableRawBufferPointer
    /// Bytes in `raw`.
    var count = 0
    /// Bytes in `output`; nil for a block that does not compress.
    var compressed: Int?
    var failure: PackError?
    /// Whether a worker has it.
    var isSubmitted = false
    /// Of what it holds, with the settings.
    var key = BlockDigest.zeros
    var target = Target.fragment
    fileprivate let done = DispatchSemaphore(value: 0)

    /// What the block is for.
    enum Target {
        /// A block of a file: its index, and the index of the block among all.
        case file(Int, block: Int)
        case fragment
    }

    init(blockSize: Int) {
        raw = .allocate(byteCount: blockSize, alignment: 4096)
        output = .allocate(byteCount: blockSize, alignment: 4096)
    }

    deinit {
        raw.deallocate()
        output.deallocate()
    }

    var rawBytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: raw[..<count]) }

    /// Waits for the worker that has it.
    /// - Throws: `PackError.library`.
    func wait() throws {
        guard isSubmitted else { return }
        done.wait()
        isSubmitted = false
        if let failure { throw failure }
    }
}

/// Threads that compress blocks, each with a compressor of its own.
final class BlockPool: Sendable {
    private let waiting = Mutex<[BlockSlot?]>([])
    private let available = DispatchSemaphore(value: 0)
    private let workers: Int

    /// - Throws: `PackError.library`.
    init(workers: Int, compression: BlockCompression, blockSize: Int, image: String) throws {
        self.workers = workers
        let queue = DispatchQueue(label: "netroot.pack", attributes: .concurrent)
        for _ in 0..<workers {
            let worker = Worker(try BlockCompressor(compression, blockSize: blockSize, image: image))
            queue.async { [self] in
                while let slot = next() { worker.compress(slot) }
            }
        }
    }

    /// Unchecked: handed to one thread when it is made, and used there alone.
    private final class Worker: @unchecked Sendable {
        private let compressor: BlockCompressor

        init(_ compressor: BlockCompressor) { self.compressor = compressor }

        func compress(_ slot: BlockSlot) {
            do {
                slot.compressed = try compressor.compress(slot.rawBytes, into: slot.output)
            } catch {
                slot.failure = error
            }
            slot.done.signal()
        }
    }

    /// Gives a slot away until its `wait` returns.
    func submit(_ slot: BlockSlot) {
        slot.isSubmitted = true
        put(slot)
    }

    /// Ends the threads; what was submitted before is still compressed.
    func stop() { for _ in 0..<workers { put(nil) } }

    private func put(_ slot: BlockSlot?) {
        waiting.withLock { $0.append(slot) }
        available.signal()
    }

    private func next() -> BlockSlot? {
        available.wait()
        return waiting.withLock { $0.removeFirst() }
    }
}
