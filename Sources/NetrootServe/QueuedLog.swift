import Logging
import NIOPosix
import Synchronization

/// A log that nobody waits for: its messages are written by a thread of its own, for standard error may be a pipe that is
/// full.
final class QueuedLog: Sendable {
    private let pool = NIOThreadPool(numberOfThreads: 1)
    private let waiting = Atomic<Int>(0)
    /// Messages that wait; further ones are lost.
    private static let limit = 256

    init() {
        pool.start()
    }

    /// A logger that hands its messages to `log` here.
    func logger(to log: Logger) -> Logger {
        Logger(label: log.label) { _ in Handler(queue: self, log: log) }
    }

    private func write(_ event: LogEvent, to log: Logger) {
        guard waiting.wrappingAdd(1, ordering: .relaxed).newValue <= Self.limit else {
            waiting.wrappingSubtract(1, ordering: .relaxed)
            return
        }
        let (level, message, metadata) = (event.level, event.message, event.metadata)
        pool.submit { [self] _ in
            log.log(level: level, message, metadata: metadata)
            waiting.wrappingSubtract(1, ordering: .relaxed)
        }
    }

    /// Ends the thread when all is written.
    func stop() async throws {
        try await pool.shutdownGracefully()
    }

    private struct Handler: LogHandler {
        let queue: QueuedLog
        var log: Logger
        var metadata: Logger.Metadata = [:]

        init(queue: QueuedLog, log: Logger) {
            self.queue = queue
            self.log = log
        }

        var logLevel: Logger.Level {
            get { log.logLevel }
            set { log.logLevel = newValue }
        }

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) { queue.write(event, to: log) }
    }
}
