import NIOCore

/// The open connections of one event loop, and which of them to close when there are too many, or nothing comes.
final class LoopConnections {
    private var handlers: [ConnectionHandler] = []
    private var turn: UInt64 = 0
    private var isSweepScheduled = false
    private var isReliefScheduled = false
    private let firstRecord: TimeAmount
    private let tight: TimeAmount
    private var closed = 0
    private let memory: MemoryReturn

    init(_ limits: NFSLimits, memory: MemoryReturn) {
        firstRecord = .seconds(Int64(limits.firstRecordSeconds))
        tight = .seconds(Int64(limits.tightSeconds))
        self.memory = memory
    }

    /// A number that is larger at each use. It tells who was idle longest, and costs a call less than a clock.
    func nextTurn() -> UInt64 {
        turn &+= 1
        return turn
    }

    func add(_ handler: ConnectionHandler, on loop: any EventLoop) {
        handler.place = handlers.count
        handlers.append(handler)
        if !isSweepScheduled { scheduleSweep(at: handler.opened + firstRecord, on: loop) }
    }

    func remove(_ handler: ConnectionHandler) {
        guard let place = handler.place else { return }
        handler.place = nil
        handlers.swapAt(place, handlers.count - 1)
        handlers.removeLast()
        if place < handlers.count { handlers[place].place = place }
        closed += 1
        if handlers.isEmpty || closed % 64 == 0 { memory.request() }
    }

    /// Makes room for another connection. One that does nothing now, and has done nothing for a while, goes before those
    /// that wait for a reply, or take one: its client loses nothing.
    /// - Returns: false if this loop has none of those that `isOne` tells.
    func closeLongestIdle(where isOne: (ConnectionHandler) -> Bool) -> Bool {
        let since = NIODeadline.now() - Self.idle
        var found: (handler: ConnectionHandler, isIdle: Bool)?
        for handler in handlers where isOne(handler) {
            let isIdle = !handler.isBusy && handler.lastTaken <= since
            if let found, found.isIdle == isIdle ? found.handler.lastUse <= handler.lastUse : found.isIdle { continue }
            found = (handler, isIdle)
        }
        guard let found else { return false }
        found.handler.refuse()
        return true
    }

    private static let idle = TimeAmount.seconds(1)

    /// Closes connections that hold what they do not take: at once where the budget is exceeded, those of the client that
    /// holds the most, and soon while it is tight.
    func relieve(_ budget: ReplyBudget, on loop: any EventLoop) {
        while budget.isExceeded, let client = budget.heaviest {
            let candidates = handlers.lazy.filter { $0.client == client && $0.charged > 0 }
            guard let handler = candidates.min(by: { $0.heldSince < $1.heldSince }) else { break }
            handler.refuse()
        }
        guard budget.isTight, !isReliefScheduled else { return }
        isReliefScheduled = true
        let bound = NIOLoopBound((self, budget), eventLoop: loop)
        loop.assumeIsolated().scheduleTask(in: .seconds(1)) {
            let (connections, budget) = bound.value
            connections.isReliefScheduled = false
            guard budget.isTight else { return }
            let limit = NIODeadline.now() - connections.tight
            for handler in connections.handlers where handler.mustTake && handler.heldSince <= limit {
                handler.refuse()
            }
            connections.memory.request()
            connections.relieve(budget, on: loop)
        }
    }

    /// Closes the connections that should have sent something. One check for all, at most one a second: a deadline of
    /// its own would keep each connection in memory until then.
    private func sweep(on loop: any EventLoop) {
        isSweepScheduled = false
        let now = NIODeadline.now()
        let silent = handlers.filter { !$0.hasCalled }
        for handler in silent where handler.opened + firstRecord <= now { handler.refuse() }
        if let next = silent.lazy.filter({ $0.place != nil }).map(\.opened).min() {
            scheduleSweep(at: max(next + firstRecord, now + .seconds(1)), on: loop)
        }
    }

    private func scheduleSweep(at time: NIODeadline, on loop: any EventLoop) {
        isSweepScheduled = true
        let bound = NIOLoopBound(self, eventLoop: loop)
        loop.assumeIsolated().scheduleTask(deadline: time) { bound.value.sweep(on: loop) }
    }
}
