import NIOPosix
import Synchronization

/// Work that may wait for a disk, or takes milliseconds, on threads that serve no clients. Clients take turns: whoever
/// has much to do waits for himself.
final class WorkQueue: Sendable {
    typealias Work = @Sendable () -> Void

    /// Work that was handed in, and may be taken back until it begins.
    final class Ticket: Sendable {
        fileprivate let client: ClientKey
        fileprivate let work: Work

        fileprivate init(client: ClientKey, work: @escaping Work) {
            self.client = client
            self.work = work
        }
    }

    private struct Line {
        private var items: [Ticket?] = []
        private var first = 0

        var isEmpty: Bool { first == items.count }
        var count: Int { items.count - first }

        mutating func append(_ ticket: Ticket) { items.append(ticket) }

        mutating func remove(_ ticket: Ticket) -> Bool {
            guard let index = items[first...].firstIndex(where: { $0 === ticket }) else { return false }
            items.remove(at: index)
            return true
        }

        mutating func removeFirst() -> Ticket? {
            guard first < items.count else { return nil }
            defer {
                items[first] = nil
                first += 1
                // Seldom, so that each item is moved once or twice.
                if first > 32, first * 2 > items.count {
                    items.removeFirst(first)
                    first = 0
                }
            }
            return items[first]
        }
    }

    private struct State {
        var lines: [ClientKey: Line] = [:]
        /// Those with work, in the order of their turns, from `turn` on.
        var turns: [ClientKey] = []
        var turn = 0
        var running = 0
        var begun = 0

        mutating func next() -> Ticket? {
            while turn < turns.count {
                let client = turns[turn]
                turn += 1
                // One of which all was taken back has a line that is empty.
                var line = lines.removeValue(forKey: client)
                let ticket = line?.removeFirst()
                if let line, !line.isEmpty {
                    lines[client] = line
                    turns.append(client)
                }
                if turn > 32, turn * 2 > turns.count {
                    turns.removeFirst(turn)
                    turn = 0
                }
                guard let ticket else { continue }
                begun += 1
                return ticket
            }
            return nil
        }
    }

    private let state = Mutex(State())
    private let pool: NIOThreadPool
    private let threads: Int
    private let mostWaiting: Int

    /// - Parameter mostWaiting: how much of one client's work may wait.
    init(threads: Int, mostWaiting: Int = .max) {
        self.threads = threads
        self.mostWaiting = mostWaiting
        pool = NIOThreadPool(numberOfThreads: threads)
        pool.start()
    }

    /// Does the work when the client has its turn. At the server's end what waits is dropped.
    /// - Returns: nil where too much of the client's work waits already; then it is not done.
    @discardableResult
    func submit(_ client: ClientKey, _ work: @escaping Work) -> Ticket? {
        let ticket = Ticket(client: client, work: work)
        let starts = state.withLock { state -> Bool? in
            guard state.lines[client]?.count ?? 0 < mostWaiting else { return nil }
            if state.lines[client] == nil { state.turns.append(client) }
            state.lines[client, default: Line()].append(ticket)
            guard state.running < threads else { return false }
            state.running += 1
            return true
        }
        guard let starts else { return nil }
        if starts { runNext() }
        return ticket
    }

    /// Takes back what has not begun, and lets go of what it holds.
    /// - Returns: false where it has begun.
    func drop(_ ticket: Ticket) -> Bool {
        state.withLock { $0.lines[ticket.client]?.remove(ticket) ?? false }
    }

    /// How much work waits for its turn.
    var waiting: Int { state.withLock { state in state.lines.values.reduce(0) { $0 + $1.count } } }

    /// How much work has been begun since the start.
    var begun: Int { state.withLock { $0.begun } }

    private func runNext() {
        pool.submit { [self] status in
            let ticket = state.withLock { state -> Ticket? in
                let ticket = status == .active ? state.next() : nil
                if ticket == nil { state.running -= 1 }
                return ticket
            }
            guard let ticket else { return }
            ticket.work()
            runNext()
        }
    }

    /// Ends the threads when they have done what they do.
    func stop() async throws {
        try await pool.shutdownGracefully()
    }
}
