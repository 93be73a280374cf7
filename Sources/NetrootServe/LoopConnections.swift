import NIOCore

/// The open connections of one event loop, and which of them to close when there are too many, or nothing comes.
final class LoopConnections {
    private var handlers: [ConnectionHandler] = []
    private var turn: UInt64 = 0
    private var isSweepScheduled = false
    private var isReliefScheduled = false
    private let tight: TimeAmount
    private let idle: TimeAmount
    private var closed = 0
    private let memory: MemoryReturn

    init(_ limits: NFSLimits, memory: MemoryReturn) {
        tight = .seconds(Int64(limits.tightSeconds))
        idle = .seconds(Int64(limits.idleSeconds))
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
        watch(on: loop)
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

    /// Makes room for another connection. One that does nothing now, and has done nothing for a while, goes first: its client
    /// loses nothing. Then goes one whose client does not take its replies, and last one that goes on.
    /// - Returns: false if this loop has none of those that `isOne` tells.
    func closeLongestIdle(where isOne: (ConnectionHandler) -> Bool) -> Bool {
        let since = NIODeadline.now() - idle
        func order(_ handler: ConnectionHandler) -> (kind: Int, since: UInt64) {
            if !handler.isBusy, handler.lastTaken <= since { return (0, handler.lastUse) }
            if handler.isPaused { return (1, handler.heldSince.uptimeNanoseconds) }
            return (2, handler.lastUse)
        }
        guard let handler = handlers.lazy.filter(isOne).min(by: { order($0) < order($1) }) else { return false }
        handler.refuse()
        return true
    }

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

    /// A connection of this loop has got a deadline.
    func watch(on loop: any EventLoop) {
        guard !isSweepScheduled else { return }
        isSweepScheduled = true
        let bound = NIOLoopBound(self, eventLoop: loop)
        loop.assumeIsolated().scheduleTask(in: .seconds(1)) { bound.value.sweep(on: loop) }
    }

    /// Closes the connections whose deadline is over. One check for all, once a second: a task for each would stay in
    /// memory until its time, and tens of thousands of connections may be gone before that.
    private func sweep(on loop: any EventLoop) {
        isSweepScheduled = false
        let now = NIODeadline.now()
        var isAnyLeft = false
        for (handler, deadline) in handlers.compactMap({ handler in handler.deadline.map { (handler, $0) } }) {
            if deadline <= now { handler.refuse() } else { isAnyLeft = true }
        }
        if isAnyLeft { watch(on: loop) }
    }
}
