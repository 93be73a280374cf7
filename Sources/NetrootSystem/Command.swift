/// A program and its arguments, run without a shell.
public struct Command: Sendable, Equatable {
    /// The program's name or path, then its arguments.
    public var argv: [String]
    /// Variables added to, or set over, the inherited environment.
    public var environment: [String: String]
    /// The folder to run in; nil: the caller's.
    public var workingDirectory: String?
    /// Whether the caller's environment is inherited; else there is nothing in it but `environment`, which has to say PATH.
    public var inheritsEnvironment = true

    /// Nothing is started yet; `CommandRunner` does that.
    public init(_ argv: [String], environment: [String: String] = [:], workingDirectory: String? = nil) {
        self.argv = argv
        self.environment = environment
        self.workingDirectory = workingDirectory
    }

    /// The same command, killed by the kernel when this process ends, however it ends (`prctl(2)`,
    /// PR_SET_PDEATHSIG, by setpriv(1)).
    ///
    /// The signal follows the end of the thread that spawned the child: swift-subprocess spawns from one worker
    /// thread that lives as long as the process.
    var dyingWithParent: Command {
        wrapped(in: ["setpriv", "--pdeathsig", "KILL", "--"])
    }

    /// The same command as the first process of new PID and mount namespaces: when it ends, or this process does,
    /// the kernel ends everything that it started and drops what it mounted (unshare(1)). The host's name is a copy, which it
    /// may change (`libexec/neutral-name`).
    public var contained: Command {
        wrapped(in: [
            "unshare", "--mount", "--propagation", "private", "--uts", "--pid", "--fork", "--kill-child=KILL", "--",
        ])
    }

    private func wrapped(in wrapper: [String]) -> Command {
        var command = self
        command.argv = wrapper + argv
        return command
    }
}

/// How a command ended.
public enum Termination: Sendable, Equatable, CustomStringConvertible {
    /// It exited with this status.
    case exited(Int32)
    /// This signal ended it.
    case signaled(Int32)

    /// `exit status 1` or `signal 9`.
    public var description: String {
        switch self {
        case .exited(let status): "exit status \(status)"
        case .signaled(let signal): "signal \(signal)"
        }
    }
}

/// A command that could not be run, or did not end with status 0.
public enum CommandError: ReportableError, Equatable {
    /// The program is not there, or not executable.
    case cannotStart(argv: [String], reason: String)
    /// It ended otherwise than with status 0; `lastLines` is the end of what it printed.
    case failed(argv: [String], termination: Termination, lastLines: [String], log: String?)

    /// `.unavailable` for a program that is not there, else `.failed`.
    public var exitStatus: ExitStatus {
        switch self {
        case .cannotStart: .unavailable
        case .failed: .failed
        }
    }

    /// The command, how it ended and the last line that it printed; the log's path on a line of its own.
    public var description: String {
        switch self {
        case .cannotStart(let argv, let reason):
            return "cannot run \(argv.first ?? "nothing"): \(reason)"
        case .failed(let argv, let termination, let lastLines, let log):
            var text = "\(TerminalText.line(Self.short(argv))): \(termination)"
            if let last = lastLines.last { text += ": \(TerminalText.line(last))" }
            if let log { text += "\nlog: \(log)" }
            return text
        }
    }

    /// The end of what the command printed; empty where it did not start.
    public var lastLines: [String] {
        switch self {
        case .cannotStart: []
        case .failed(_, _, let lines, _): lines
        }
    }

    /// The same error with its log where that is kept after the command's own folder is gone.
    public func loggedIn(_ path: String?) -> CommandError {
        guard case .failed(let argv, let termination, let lines, _) = self else { return self }
        return .failed(argv: argv, termination: termination, lastLines: lines, log: path)
    }

    /// The command without the wrappers that only tie it to this process, and without its long tail.
    static func short(_ argv: [String]) -> String {
        var inner = argv[...]
        let wrappers = ["setpriv", "unshare", "neutral-name"]
        while let first = inner.first, wrappers.contains(Files.name(first)), let end = inner.firstIndex(of: "--") {
            inner = inner[(end + 1)...]
        }
        let line = (inner.isEmpty ? argv[...] : inner).joined(separator: " ")
        return line.count > 100 ? line.prefix(99) + "…" : line
    }
}
