import NIOCore

/// The open connections of one event loop, and which of them to close when there are too many, or nothing comes.
final class LoopConnections {
    private var handlers: [ConnectionHandler] = []
    private var turn: UInt64 = 0
    private var isSweepScheduled = false
    private let firstRecord: TimeAmount

    init(_ limits: NFSLimits) {
        firstRecord = .seconds(Int64(limits.firstRecordSeconds))
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
    }

    /// Makes room for another connection.
    /// - Returns: false if this loop has none.
    func closeLongestIdle() -> Bool {
        guard let handler = handlers.min(by: { $0.lastUse < $1.lastUse }) else { return false }
        handler.refuse()
        return true
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
