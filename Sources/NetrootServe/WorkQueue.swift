import NIOPosix
import Synchronization

/// Work that may wait for a disk, or takes milliseconds, on threads that serve no clients. Clients take turns: whoever
/// has much to do waits for himself.
final class WorkQueue: Sendable {
    typealias Work = @Sendable () -> Void

    private struct Line {
        private var items: [Work?] = []
        private var first = 0

        var isEmpty: Bool { first == items.count }

        mutating func append(_ work: @escaping Work) { items.append(work) }

        mutating func removeFirst() -> Work? {
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

        mutating func next() -> Work? {
            guard turn < turns.count else { return nil }
            let client = turns[turn]
            turn += 1
            var line = lines.removeValue(forKey: client)
            let work = line?.removeFirst()
            if let line, !line.isEmpty {
                lines[client] = line
                turns.append(client)
            }
            if turn > 32, turn * 2 > turns.count {
                turns.removeFirst(turn)
                turn = 0
            }
            return work
        }
    }

    private let state = Mutex(State())
    private let pool: NIOThreadPool
    private let threads: Int

    init(threads: Int) {
        self.threads = threads
        pool = NIOThreadPool(numberOfThreads: threads)
        pool.start()
    }

    /// Does the work when the client has its turn. At the server's end what waits is dropped.
    func submit(_ client: ClientKey, _ work: @escaping Work) {
        let starts = state.withLock { state in
            if state.lines[client] == nil { state.turns.append(client) }
            state.lines[client, default: Line()].append(work)
            guard state.running < threads else { return false }
            state.running += 1
            return true
        }
        if starts { runNext() }
    }

    private func runNext() {
        pool.submit { [self] status in
            let work = state.withLock { state -> Work? in
                let work = status == .active ? state.next() : nil
                if work == nil { state.running -= 1 }
                return work
            }
            guard let work else { return }
            work()
            runNext()
        }
    }

    /// Ends the threads when they have done what they do.
    func stop() async throws {
        try await pool.shutdownGracefully()
    }
}
