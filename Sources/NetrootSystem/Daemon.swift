import Synchronization

/// A program that runs in the foreground beside netroot until it is stopped: a server of one run.
public final class Daemon: Sendable {
    /// What it is called in messages.
    public let name: String
    /// Where its output goes.
    public let log: String
    private let state = Mutex<State>(State())

    private struct State {
        var task: Task<Void, Never>?
        var ending: Result<Ending, any Error>?
    }

    /// How a daemon came to its end.
    public struct Ending: Sendable, Equatable {
        /// How it ended; nil: it was stopped.
        public let termination: Termination?
        /// The end of what it printed.
        public let lastLines: [String]
    }

    /// Starts a program, which dies with this process.
    /// - Parameter log: a file; what an earlier run left in it stays.
    public init(_ command: Command, name: String, log: String) {
        self.name = name
        self.log = log
        let task = Task { await self.run(command) }
        state.withLock { $0.task = task }
    }

    private func run(_ command: Command) async {
        let ending: Result<Ending, any Error>
        do {
            try await CommandRunner(log: log).run(command)
            ending = .success(Ending(termination: .exited(0), lastLines: []))
        } catch CommandError.failed(_, let termination, let lines, _) {
            ending = .success(Ending(termination: termination, lastLines: lines))
        } catch is CancellationError {
            ending = .success(Ending(termination: nil, lastLines: []))
        } catch {
            ending = .failure(error)
        }
        state.withLock { $0.ending = ending }
    }

    /// How it ended; nil while it runs.
    /// - Throws: `CommandError.cannotStart`, `SystemError` where the log cannot be written.
    public func ending() throws -> Ending? { try state.withLock { $0.ending }?.get() }

    /// Ends it and waits until it is gone.
    public func stop() async {
        let task = state.withLock { $0.task }
        task?.cancel()
        await task?.value
    }
}
