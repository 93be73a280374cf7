import Dispatch
import Glibc

/// Ctrl-C and its kin, turned into the cancellation of one task, so that what it started is undone in order.
public enum Interruption {
    /// Runs `body`; SIGINT, SIGTERM or SIGHUP cancels it, and the call returns when it has undone what it started.
    /// - Throws: what `body` throws; `CancellationError` after a signal.
    public static func cancelling<R: Sendable>(_ body: @escaping @Sendable () async throws -> R) async throws -> R {
        let task = Task { try await body() }
        let sources = [SIGINT, SIGTERM, SIGHUP].map { number in
            // A dispatch source does not replace the default action; spawned commands get it back.
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { task.cancel() }
            source.resume()
            return source
        }
        defer {
            for source in sources { source.cancel() }
            for number in [SIGINT, SIGTERM, SIGHUP] { signal(number, SIG_DFL) }
        }
        let result = await task.result
        if task.isCancelled, case .failure = result { throw CancellationError() }
        return try result.get()
    }
}
