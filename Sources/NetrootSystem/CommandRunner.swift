import Glibc
public import Subprocess
import SystemPackage

/// The one place where processes are started: fixed locale, output kept in a log, and on failure the argv, the
/// termination and the last lines.
public struct CommandRunner: Sendable {
    /// Where the output of commands goes, appended; nil: it is kept only for the error message.
    public let log: String?
    /// Whether each command is shown on standard error before it runs.
    public let echo: Bool
    /// The environment of every command: the caller's with a fixed locale and a complete PATH.
    private let environment: Environment
    private let mask = LogMask.ofCaller()

    /// The environment is the caller's but for locale, PATH, `DEBIAN_FRONTEND` and what `CallerState` drops; the log is made by
    /// the first `run`.
    public init(log: String? = nil, echo: Bool = false) {
        self.log = log
        self.echo = echo
        environment = Self.programEnvironment.updating([
            "PATH": Self.searchPath, "DEBIAN_FRONTEND": "noninteractive",
        ])
    }

    /// The caller's environment with a fixed locale, and without what changes the work of the programs that are run.
    public static var programEnvironment: Environment {
        let dropped = CallerState.droppedVariables.map { (Environment.Key(stringLiteral: $0), String?.none) }
        return Environment.inherit.updating(Dictionary(uniqueKeysWithValues: dropped)).updating(["LC_ALL": "C.UTF-8"])
    }

    /// The caller's PATH with the system directories that an unprivileged login often lacks. A directory by a relative path is
    /// left out: it would be another one in each working directory.
    static var searchPath: String {
        let own = getenv("PATH").map { String(cString: $0) } ?? ""
        let directories = own.split(separator: ":").filter { $0.hasPrefix("/") }.map(String.init)
        let system = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        return (directories + system.filter { !directories.contains($0) }).joined(separator: ":")
    }

    /// Runs to the end, with nothing on standard input. Cancelling the task kills the command.
    /// - Throws: `CommandError`, `CancellationError`, `SystemError` where the log cannot be written.
    public func run(_ command: Command) async throws {
        guard let log else {
            _ = try await capture(command)
            return
        }
        let sink = try openLog(log)
        defer { close(sink.rawValue) }
        let line = "+ " + command.argv.joined(separator: " ")
        if echo { FileWriter.standardError.write(line + "\n") }
        let before = Int64(lseek(sink.rawValue, 0, SEEK_END))
        try write(line: line, to: sink)
        let start = lseek(sink.rawValue, 0, SEEK_END)
        let status: TerminationStatus
        do {
            status = try await started(command) {
                try await Subprocess.run(
                    try configuration(command), input: .none,
                    output: .fileDescriptor(sink, closeAfterSpawningProcess: false), error: .combinedWithOutput
                ).terminationStatus
            }
        } catch {
            try mask.cover(log, from: before)
            throw error
        }
        // Others may read the log when the build has ended.
        try mask.cover(log, from: before)
        try Task.checkCancellation()
        guard status.isSuccess else {
            throw CommandError.failed(
                argv: command.argv, termination: Termination(status),
                lastLines: try Self.lastLines(of: log, from: Int64(start)), log: log)
        }
    }

    /// Writes a line of netroot's own into the log, where there is one.
    /// - Throws: `SystemError` where the log cannot be written.
    public func note(_ line: String) throws {
        guard let log else { return }
        let sink = try openLog(log)
        defer { close(sink.rawValue) }
        try write(line: line, to: sink)
    }

    /// Runs to the end and returns standard output.
    /// - Parameters:
    ///   - input: what it reads from standard input.
    ///   - limit: the most bytes that are kept; more is an error.
    /// - Throws: `CommandError`, `CancellationError`.
    public func capture(_ command: Command, input: [UInt8] = [], limit: Int = 16 << 20) async throws -> String {
        String(decoding: try await captureBytes(command, input: input, limit: limit), as: UTF8.self)
    }

    /// Runs to the end and returns standard output as it came.
    /// - Parameters:
    ///   - input: what it reads from standard input.
    ///   - statuses: the exit statuses of a command that did its work: 1 of diff(1) and grep(1) is an answer.
    ///   - limit: the most bytes that are kept; more is an error.
    /// - Throws: `CommandError`, `CancellationError`.
    public func captureBytes(
        _ command: Command, input: [UInt8] = [], accepting statuses: Set<Int32> = [0], limit: Int = 16 << 20
    ) async throws -> [UInt8] {
        let result = try await started(command) {
            try await Subprocess.run(
                try configuration(command), input: .array(input), output: .bytes(limit: limit),
                error: .string(limit: 1 << 20))
        }
        try Task.checkCancellation()
        let termination = Termination(result.terminationStatus)
        guard case .exited(let status) = termination, statuses.contains(status) else {
            let output =
                result.standardError.isEmpty
                ? String(decoding: result.standardOutput, as: UTF8.self) : result.standardError
            throw CommandError.failed(
                argv: command.argv, termination: termination, lastLines: Self.tail(output), log: nil)
        }
        return result.standardOutput
    }

    /// Runs on the caller's terminal: its standard input, output and error, its process group.
    /// - Returns: how it ended.
    /// - Throws: `CommandError.cannotStart`, `CancellationError`.
    public func interact(_ command: Command) async throws -> Termination {
        var configuration = try self.configuration(command)
        configuration.platformOptions.processGroupID = nil
        // A program that has changed the terminal's modes gets the time to set them back.
        configuration.platformOptions.teardownSequence = [
            .gracefulShutDown(allowedDurationToNextStep: .seconds(3))
        ]
        let terminal = TerminalModes()
        defer { terminal?.restore() }
        let ready = configuration
        let result = try await started(command) {
            try await Subprocess.run(
                ready, input: .fileDescriptor(.standardInput, closeAfterSpawningProcess: false),
                output: .currentStandardOutput, error: .currentStandardError)
        }
        try Task.checkCancellation()
        return Termination(result.terminationStatus)
    }

    /// The size of the log in bytes; 0 where there is none yet.
    /// - Throws: `SystemError`.
    public func logSize() throws -> Int64 {
        guard let log, Files.exists(log) else { return 0 }
        return try Files.size(log)
    }

    /// What was added to the log from a byte offset on, for a program whose exit status does not tell all.
    /// - Throws: `SystemError`.
    public func logText(from offset: Int64) throws -> String {
        guard let log, Files.exists(log) else { return "" }
        return String(decoding: try Files.read(log).dropFirst(Int(offset)), as: UTF8.self)
    }

    private func configuration(_ given: Command) throws -> Configuration {
        let program = given.argv.first ?? ""
        guard program.contains("/") || Tool(program, package: program).path != nil else {
            throw CommandError.cannotStart(argv: given.argv, reason: "\(program) is not in \(Self.searchPath)")
        }
        let command = given.dyingWithParent
        var options = PlatformOptions()
        // An own process group keeps a terminal's Ctrl-C for netroot, which then undoes things in order.
        options.processGroupID = 0
        options.teardownSequence = []
        var environment = command.inheritsEnvironment ? self.environment : .custom([Environment.Key: String]())
        for (name, value) in command.environment {
            guard let key = Environment.Key(rawValue: name) else { continue }
            environment = environment.updating([key: value])
        }
        return Configuration(
            executable: .name(command.argv[0]),
            arguments: Arguments(Array(command.argv.dropFirst())), environment: environment,
            workingDirectory: command.workingDirectory.map { FilePath($0) }, platformOptions: options)
    }

    private func started<R>(_ command: Command, _ body: () async throws -> R) async throws -> R {
        do {
            return try await body()
        } catch let error as SubprocessError {
            try Task.checkCancellation()
            throw CommandError.cannotStart(argv: command.argv, reason: "\(error)")
        }
    }

    private func openLog(_ path: String) throws -> FileDescriptor {
        try SystemError.wrap("write", path) {
            try FileDescriptor.open(
                FilePath(path), .writeOnly, options: [.create, .append, .closeOnExec], permissions: [.ownerReadWrite])
        }
    }

    private func write(line: String, to sink: FileDescriptor) throws {
        try SystemError.wrap("write", log ?? "log") { _ = try sink.writeAll((line + "\n").utf8) }
    }

    /// The last lines of a log from a byte offset on.
    static func lastLines(of log: String, from offset: Int64) throws -> [String] {
        try SystemError.wrap("read", log) {
            let file = try FileDescriptor.open(FilePath(log), .readOnly, options: [.closeOnExec])
            return try file.closeAfter {
                let end = try file.seek(offset: 0, from: .end)
                let window: Int64 = 16 << 10
                try file.seek(offset: max(offset, end - window), from: .start)
                let bytes = try [UInt8](unsafeUninitializedCapacity: Int(window)) { buffer, count in
                    count = try file.read(into: UnsafeMutableRawBufferPointer(buffer))
                }
                return tail(String(decoding: bytes, as: UTF8.self))
            }
        }
    }

    /// The last ten lines that are not blank.
    static func tail(_ text: String) -> [String] {
        text.split(whereSeparator: \.isNewline).map(String.init)
            .filter { !$0.allSatisfy(\.isWhitespace) }.suffix(10)
    }
}

/// The modes of the terminal on standard input (termios(3)), to be set back after a program that was killed.
private struct TerminalModes {
    private var modes = termios()

    /// Nil where standard input is not a terminal.
    init?() {
        guard tcgetattr(STDIN_FILENO, &modes) == 0 else { return nil }
    }

    func restore() {
        var modes = modes
        tcsetattr(STDIN_FILENO, TCSADRAIN, &modes)
    }
}

extension Termination {
    init(_ status: TerminationStatus) {
        switch status {
        case .exited(let code): self = .exited(code)
        case .signaled(let signal): self = .signaled(signal)
        }
    }
}
