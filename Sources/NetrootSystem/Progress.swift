import Glibc
import Synchronization

/// The steps of long work, on standard error: a running line on a terminal, one plain line a step otherwise.
public final class Progress: Sendable {
    private let terminal: Bool
    private let steps = Mutex<[Step]>([])
    private let failure = Mutex<String?>(nil)

    /// A step that ended, and the seconds it took.
    public struct Step: Sendable, Equatable {
        /// What was done.
        public let name: String
        /// How long it took, in seconds.
        public let seconds: Double
    }

    /// - Parameter terminal: whether to redraw one line a second; by default, whether standard error is a terminal.
    public init(terminal: Bool? = nil) {
        self.terminal = terminal ?? (isatty(STDERR_FILENO) == 1)
    }

    /// The steps that have ended.
    public var finished: [Step] { steps.withLock { $0 } }

    /// The name of the step that threw; nil while none has.
    public var failed: String? { failure.withLock { $0 } }

    /// Runs one step, shows its name, what it waits for, and the time it takes.
    /// - Throws: what `body` throws, after a line that names the step.
    public func step<R: Sendable>(_ name: String, _ body: () async throws -> R) async throws -> R {
        let start = ContinuousClock.now
        let ticker = terminal ? Task { await tick(name, from: start) } : nil
        do {
            let result = try await body()
            await stop(ticker)
            let seconds = Self.seconds(since: start)
            steps.withLock { $0.append(Step(name: name, seconds: seconds)) }
            line("\(Self.decimal(seconds).leftPadded(to: 6)) s  \(name)")
            return result
        } catch {
            await stop(ticker)
            failure.withLock { $0 = name }
            line("\(Self.decimal(Self.seconds(since: start)).leftPadded(to: 6)) s  \(name): \(word(for: error))")
            throw error
        }
    }

    /// Prints one line that is not a step.
    public func note(_ text: String) { line(text) }

    private func word(for error: any Error) -> String { error is CancellationError ? "interrupted" : "failed" }

    private func tick(_ name: String, from start: ContinuousClock.Instant) async {
        while !Task.isCancelled {
            let text = "\(Self.decimal(Self.seconds(since: start)).leftPadded(to: 6)) s  \(name) …"
            FileWriter.standardError.write(text, after: Self.clearLine)
            do { try await Task.sleep(for: .seconds(1)) } catch { return }
        }
    }

    private func stop(_ ticker: Task<Void, Never>?) async {
        ticker?.cancel()
        await ticker?.value
    }

    private func line(_ text: String) {
        FileWriter.standardError.write(text + "\n", after: terminal ? Self.clearLine : "")
    }

    /// Back to the line's first column, and everything in it gone (ECMA-48, `EL`).
    private static let clearLine = "\r\u{1B}[K"

    static func seconds(since start: ContinuousClock.Instant) -> Double {
        (ContinuousClock.now - start) / .seconds(1)
    }

    /// One decimal place, without locale.
    public static func decimal(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(abs(tenths % 10))"
    }
}

/// Text to a file descriptor, whole, and safe for a terminal (`TerminalText`): whatever netroot prints comes through here.
public struct FileWriter: Sendable {
    private let descriptor: Int32

    public static let standardOutput = FileWriter(descriptor: STDOUT_FILENO)
    public static let standardError = FileWriter(descriptor: STDERR_FILENO)

    /// Writes all of it; a reader that went away is not an error for a report.
    public func write(_ text: String) { write(text, after: "") }

    /// - Parameter control: what a terminal is to obey before.
    func write(_ text: String, after control: String) {
        var bytes = Array((control + TerminalText.lines(text)).utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return }
            bytes = bytes.dropFirst(count)
        }
    }
}

extension String {
    /// Spaces before it, up to a width.
    public func leftPadded(to width: Int) -> String {
        count >= width ? self : String(repeating: " ", count: width - count) + self
    }

    /// Spaces behind it, up to a width.
    public func rightPadded(to width: Int) -> String {
        count >= width ? self : self + String(repeating: " ", count: width - count)
    }
}
