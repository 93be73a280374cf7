import Foundation
import Glibc
import NetrootSystem
import TestSupport
import Testing

/// How a program that a test ran has ended.
struct Outcome: Sendable {
    /// The exit status; 128 and the signal's number where a signal ended it, as a shell has it.
    let status: Int32
    let output: String
    let errors: String

    /// The error message: what standard error holds from `netroot:` on.
    var message: String {
        guard let start = errors.range(of: "netroot: ", options: .backwards) else { return "" }
        let before = errors[..<start.lowerBound].last
        return before == nil || before == "\n" ? String(errors[start.lowerBound...]) : ""
    }

    /// The lines of the message.
    var messageLines: [String] { message.split(separator: "\n").map(String.init) }
}

/// A program that runs beside the test.
final class RunningProgram: Sendable {
    let pid: pid_t
    private let scratch: ScratchDirectory
    private let ended: Task<Int32, Never>

    /// - Parameter limit: after so many seconds it is killed: no test hangs.
    init(_ argv: [String], environment: [String: String] = [:], folder working: String? = nil, limit: Int = 240) throws
    {
        let scratch = try ScratchDirectory()
        self.scratch = scratch
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["--"] + argv
        var all = ProcessInfo.processInfo.environment
        for name in ["NETROOT_HOSTS", "TERM"] { all[name] = nil }
        all["NETROOT_CACHE"] = Place.cache
        process.environment = all.merging(environment) { $1 }
        if let working { process.currentDirectoryURL = URL(fileURLWithPath: working) }
        let streams = try ["out", "err"].map {
            try FileHandle(forWritingTo: URL(fileURLWithPath: try scratch.write($0, [])))
        }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = streams[0]
        process.standardError = streams[1]
        let (stream, continuation) = AsyncStream.makeStream(of: Int32.self)
        process.terminationHandler = { ended in
            let signaled = ended.terminationReason == .uncaughtSignal
            continuation.yield(signaled ? 128 + ended.terminationStatus : ended.terminationStatus)
            continuation.finish()
        }
        try process.run()
        let pid = process.processIdentifier
        self.pid = pid
        for handle in streams { try handle.close() }
        let guardian = Task {
            try await Task.sleep(for: .seconds(limit))
            kill(pid, SIGKILL)
        }
        ended = Task {
            var status: Int32 = -1
            for await value in stream { status = value }
            guardian.cancel()
            return status
        }
    }

    /// What it has written to standard error so far.
    var errorsSoFar: String { (try? Files.text(scratch.path + "/err")) ?? "" }

    /// What it has written to standard output so far.
    var outputSoFar: String { (try? Files.text(scratch.path + "/out")) ?? "" }

    /// Sends a signal to this process alone.
    func signal(_ number: Int32) { kill(pid, number) }

    /// Waits for its end.
    func outcome() async throws -> Outcome {
        let status = await ended.value
        return Outcome(
            status: status, output: try Files.text(scratch.path + "/out"),
            errors: try Files.text(scratch.path + "/err"))
    }
}

/// Runs a program to its end.
func run(
    _ argv: [String], environment: [String: String] = [:], folder: String? = nil, limit: Int = 240
) async throws -> Outcome {
    try await RunningProgram(argv, environment: environment, folder: folder, limit: limit).outcome()
}

/// Waits until something holds.
/// - Returns: whether it held before the deadline.
func eventually(within seconds: Double = 60, _ condition: () throws -> Bool) async throws -> Bool {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while ContinuousClock.now < deadline {
        if try condition() { return true }
        try await Task.sleep(for: .milliseconds(20))
    }
    return try condition()
}
