import CLinux
import NIOCore
import NetrootImage
import Synchronization

/// Gives memory back to the system when a rush is over: glibc keeps what is freed between things that stay.
final class MemoryReturn: Sendable {
    private let isScheduled = Atomic(false)
    private let loop: any EventLoop
    private let work: WorkQueue
    private let cache: SquashfsCache
    private let counters: NFSCounters
    private static let delay = TimeAmount.seconds(3)
    /// Decompressed blocks that are kept while nobody reads.
    private static let idleBytes = 4 << 20

    init(loop: any EventLoop, work: WorkQueue, cache: SquashfsCache, counters: NFSCounters) {
        self.loop = loop
        self.work = work
        self.cache = cache
        self.counters = counters
    }

    /// Soon, and once for all who ask meanwhile.
    func request() {
        guard !isScheduled.exchange(true, ordering: .relaxed) else { return }
        schedule(after: counters.snapshot.bytesRead)
    }

    private func schedule(after read: UInt64) {
        loop.scheduleTask(in: Self.delay) { [self] in
            work.submit(ClientKey(nil)) { [self] in run(after: read) }
        }
    }

    private func run(after read: UInt64) {
        let now = counters.snapshot.bytesRead
        let isIdle = now == read
        if isIdle { cache.shrink(to: Self.idleBytes) }
        isScheduled.store(false, ordering: .relaxed)
        malloc_trim(0)
        // Blocks that are read now are let go when nobody reads them any more.
        if !isIdle, cache.blockBytes > Self.idleBytes { request() }
    }
}
