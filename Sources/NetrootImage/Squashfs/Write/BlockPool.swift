import Dispatch
import Glibc
import NetrootConfig
import NetrootSystem
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
    var key = Digest.zeros
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

/// Threads that compress blocks, each with a compressor of its own: zstd's takes 12 MiB with blocks of 1 MiB, so that one
/// is made where it is needed, and a pack of a few new blocks makes one.
final class BlockPool: Sendable {
    private struct State {
        var waiting: [BlockSlot?] = []
        var threads = 0
        var idle = 0
        var submitted = 0
    }

    /// A further thread is worth its memory after as many blocks.
    private static let blocksForThread = 16

    private let state = Mutex(State())
    private let available = DispatchSemaphore(value: 0)
    private let queue = DispatchQueue(label: "netroot.pack", attributes: .concurrent)
    private let workers: Int
    private let compression: BlockCompression
    private let blockSize: Int
    private let image: String

    init(workers: Int, compression: BlockCompression, blockSize: Int, image: String) {
        self.workers = workers
        self.compression = compression
        self.blockSize = blockSize
        self.image = image
    }

    /// Gives a slot away until its `wait` returns.
    func submit(_ slot: BlockSlot) {
        slot.isSubmitted = true
        let isNeeded = state.withLock { state in
            state.waiting.append(slot)
            state.submitted += 1
            let isNeeded =
                state.waiting.count > state.idle && state.threads < workers
                && state.submitted > state.threads * Self.blocksForThread
            if isNeeded { state.threads += 1 }
            return isNeeded
        }
        if isNeeded { queue.async { [self] in work() } }
        available.signal()
    }

    /// Ends the threads; what was submitted before is still compressed.
    func stop() {
        let threads = state.withLock { state in
            state.waiting += [BlockSlot?](repeating: nil, count: state.threads)
            return state.threads
        }
        for _ in 0..<threads { available.signal() }
    }

    private func work() {
        var compressor: BlockCompressor?
        while let slot = next() {
            do throws(PackError) {
                let ready: BlockCompressor
                if let made = compressor {
                    ready = made
                } else {
                    ready = try BlockCompressor(compression, blockSize: blockSize, image: image)
                    compressor = ready
                }
                slot.compressed = try ready.compress(slot.rawBytes, into: slot.output)
            } catch {
                slot.failure = error
            }
            slot.done.signal()
        }
    }

    private func next() -> BlockSlot? {
        state.withLock { $0.idle += 1 }
        available.wait()
        return state.withLock { state in
            state.idle -= 1
            return state.waiting.removeFirst()
        }
    }
}
