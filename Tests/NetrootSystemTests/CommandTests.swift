import Foundation
import TestSupport
import Testing

@testable import NetrootSystem

@Suite struct CommandTests {
    @Test func failureCarriesArgvTerminationAndLastLines() async throws {
        let scratch = try ScratchDirectory()
        let log = scratch.path + "/log"
        let runner = CommandRunner(log: log)
        let error = await #expect(throws: CommandError.self) {
            try await runner.run(Command(["sh", "-c", "echo first; echo the reason >&2; exit 3"]))
        }
        guard case .failed(let argv, let termination, let lines, let path) = error else {
            Issue.record("not a failure: \(String(describing: error))")
            return
        }
        #expect(argv.first == "sh")
        #expect(termination == .exited(3))
        #expect(lines == ["first", "the reason"])
        #expect(path == log)
        #expect(try Files.text(log).contains("the reason"))
    }

    @Test func lastLinesAreThoseOfTheFailedCommandOnly() async throws {
        let scratch = try ScratchDirectory()
        let runner = CommandRunner(log: scratch.path + "/log")
        try await runner.run(Command(["echo", "from the command before"]))
        let error = await #expect(throws: CommandError.self) {
            try await runner.run(Command(["sh", "-c", "echo mine; exit 1"]))
        }
        #expect(error?.lastLines == ["mine"])
    }

    @Test func aMissingProgramIsUnavailable() async throws {
        let error = await #expect(throws: CommandError.self) {
            _ = try await CommandRunner().capture(Command(["no-such-program-here"]))
        }
        #expect(error?.exitStatus == .unavailable)
    }

    @Test func theLocaleIsFixed() async throws {
        let text = try await CommandRunner().capture(Command(["sh", "-c", "echo $LC_ALL"]))
        #expect(text == "C.UTF-8\n")
    }

    @Test func cancellationKillsTheCommand() async throws {
        let scratch = try ScratchDirectory()
        let pidFile = scratch.path + "/pid"
        let task = Task {
            try await CommandRunner(log: scratch.path + "/log")
                .run(Command(["sh", "-c", "echo $$ > \(pidFile); exec sleep 600"]))
        }
        while try !Files.exists(pidFile) || Files.text(pidFile).isEmpty {
            try await Task.sleep(for: .milliseconds(10))
        }
        let pid = try #require(Int32(try Files.text(pidFile).filter(\.isNumber)))
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(kill(pid, 0) == -1)
    }

    @Test func aContainedCommandTakesItsChildrenWithIt() async throws {
        try #require(geteuid() == 0, "needs root for the namespaces")
        let scratch = try ScratchDirectory()
        let marker = "netroot-contained-\(getpid())"
        let started = scratch.path + "/started"
        let task = Task {
            try await CommandRunner().capture(
                Command(["bash", "-c", "(exec -a \(marker) sleep 600) & touch \(started); wait"]).contained)
        }
        while !Files.exists(started) { try await Task.sleep(for: .milliseconds(10)) }
        task.cancel()
        _ = await task.result
        let processes = try await CommandRunner().capture(Command(["ps", "-eo", "args"]))
        #expect(!processes.split(separator: "\n").contains { $0.hasPrefix(marker) })
    }

    @Test func wrappersAreLeftOutOfMessages() {
        let command = Command(["mmdebstrap", "bookworm"]).contained
        #expect(CommandError.short(command.argv) == "mmdebstrap bookworm")
    }
}
