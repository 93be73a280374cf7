import Dispatch
import Glibc
import NetrootSystem
import Synchronization

/// Raw bytes for a worker, with room for what it makes of them.
///
/// Unchecked: it has one owner at a time. The packing thread owns it, but for the time between `BlockPool.submit` and
/// `wait`, when the worker that took it does; the pool's lock and `done` order the two.
class WorkSlot: @unchecked Sendable {
    let raw: UnsafeMutableRawBufferPointer
    let output: UnsafeMutableRawBufferPointer
    /// Bytes in `raw` to work on.
    final var count = 0
    fileprivate final var failure: (any Error)?
    /// Whether a worker has it.
    fileprivate(set) final var isSubmitted = false
    fileprivate let done = DispatchSemaphore(value: 0)

    init(rawSize: Int, outputSize: Int) {
        raw = .allocate(byteCount: rawSize, alignment: 4096)
        output = .allocate(byteCount: outputSize, alignment: 4096)
    }

    deinit {
        raw.deallocate()
        output.deallocate()
    }

    /// Waits for the worker that has it.
    /// - Throws: what the worker threw.
    final func wait() throws {
        guard isSubmitted else { return }
        done.wait()
        isSubmitted = false
        if let failure { throw failure }
    }
}

/// A block of an image in the making.
///
/// Unchecked: it has one owner at a time, as `WorkSlot` says.
final class BlockSlot: WorkSlot, @unchecked Sendable {
    /// Bytes in `output`; nil for a block that does not compress.
    var compressed: Int?
    /// Of what it holds, with the settings.
    var key = Digest.zeros
    var target = Target.fragment

    /// What the block is for.
    enum Target {
        /// A block of a file: its index, and the index of the block among all.
        case file(Int, block: Int)
        case fragment
    }

    init(blockSize: Int) { super.init(rawSize: blockSize, outputSize: blockSize) }

    var rawBytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: raw[..<count]) }
}

/// Threads that compress blocks, each with a compressor of its own: zstd's takes 12 MiB with blocks of 1 MiB, so that one
/// is made where it is needed, and a pack of a few new blocks makes one.
final class BlockPool<Slot: WorkSlot>: Sendable {
    /// Works on one slot after the other, on one thread.
    typealias Worker = (Slot) throws -> Void

    private struct State {
        var waiting: [Slot?] = []
        var threads = 0
        var idle = 0
        var submitted = 0
    }

    private let state = Mutex(State())
    private let available = DispatchSemaphore(value: 0)
    private let queue = DispatchQueue(label: "netroot.pack", attributes: .concurrent)
    private let workers: Int
    private let blocksForThread: Int
    private let makeWorker: @Sendable () throws -> Worker

    /// - Parameters:
    ///   - workers: the most threads.
    ///   - blocksForThread: a further thread is worth its memory after as many blocks.
    ///   - makeWorker: called on each thread, before its first block.
    init(workers: Int, blocksForThread: Int, makeWorker: @escaping @Sendable () throws -> Worker) {
        self.workers = workers
        self.blocksForThread = blocksForThread
        self.makeWorker = makeWorker
    }

    /// Gives a slot away until its `wait` returns.
    func submit(_ slot: Slot) {
        slot.isSubmitted = true
        let isNeeded = state.withLock { state in
            state.waiting.append(slot)
            state.submitted += 1
            let isNeeded =
                state.waiting.count > state.idle && state.threads < workers
                && state.submitted > state.threads * blocksForThread
            if isNeeded { state.threads += 1 }
            return isNeeded
        }
        if isNeeded { queue.async { [self] in work() } }
        available.signal()
    }

    /// Ends the threads; what was submitted before is still compressed.
    func stop() {
        let threads = state.withLock { state in
            state.waiting += [Slot?](repeating: nil, count: state.threads)
            return state.threads
        }
        for _ in 0..<threads { available.signal() }
    }

    private func work() {
        var worker: Worker?
        while let slot = next() {
            do {
                let ready = try worker ?? makeWorker()
                worker = ready
                try ready(slot)
            } catch {
                slot.failure = error
            }
            slot.done.signal()
        }
    }

    private func next() -> Slot? {
        state.withLock { $0.idle += 1 }
        available.wait()
        return state.withLock { state in
            state.idle -= 1
            return state.waiting.removeFirst()
        }
    }
}
