import FoundationEssentials
import Glibc
import NetrootEntry
import NetrootServe
import NetrootSite
import NetrootSystem

/// A machine under watch: its events are fed to the judgement, and what that asks for is done.
struct BootWatch: Sendable {
    let machine: Machine
    let login: GuestLogin
    let user: String
    /// Seconds for everything.
    let timeout: Int
    /// What has to be decided.
    let demanded: DemandedChecks
    /// The servers of this run.
    let served: ServedRoot
    /// The port of a server that ran before.
    let runningPort: Int?
    let note: @Sendable (String) -> Void

    /// What came of it.
    struct Outcome: Sendable {
        let state: BootCheckState
        /// Bytes read over NFS until the first boot's logins were done.
        let rootBytes: Int64?
        /// CPU seconds of this process by then: what its NFS server took, mostly; nil where it does not serve.
        let serverSeconds: Double?
        /// Bytes that nginx had sent of the boot files and of the image by then; nil without nginx.
        let httpBytes: (boot: Int64, image: Int64)?
    }

    /// Boots the machine and returns when there is a verdict; the machine is ended then.
    /// - Throws: `CommandError.cannotStart`, `CancellationError`, `SystemError`.
    func run() async throws -> Outcome {
        let (events, feed) = AsyncThrowingStream.makeStream(of: BootCheckState.Event.self)
        let (commands, order) = AsyncStream.makeStream(of: String.self)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            defer { group.cancelAll() }
            for source in sources(commands) { group.addTask { await Self.pump(source, into: feed) } }
            var state = BootCheckState(
                user: user, timeout: timeout, demanded: demanded, powerOn: Date().timeIntervalSince1970)
            var rootBytes: Int64?
            var httpBytes: (boot: Int64, image: Int64)?
            var serverSeconds: Double?
            let before = Self.cpuSeconds()
            let start = ContinuousClock.now
            for try await event in events {
                try Task.checkCancellation()
                let time = (ContinuousClock.now - start) / .seconds(1)
                for action in state.receive(event, at: time) {
                    switch action {
                    case .logIn:
                        let source: Source = { try await logIn(as: user, $0) }
                        group.addTask { await Self.pump(source, into: feed) }
                    case .tryPassword:
                        let source: Source = { $0.yield(.triedPassword(try await login.passwordCheck(user: "root"))) }
                        group.addTask { await Self.pump(source, into: feed) }
                    case .reboot:
                        rootBytes = served.server.map { Int64($0.statistics.bytesRead) }
                        if served.server != nil { serverSeconds = Self.cpuSeconds() - before }
                        if served.accessLog != nil {
                            httpBytes = (
                                try served.httpBytes { !$0.hasSuffix(".squashfs") },
                                try served.httpBytes { $0.hasSuffix(".squashfs") }
                            )
                        }
                        note("\(Progress.decimal(time)) s: first boot reported; rebooting")
                        order.yield("reboot")
                    case .finish:
                        return Outcome(
                            state: state, rootBytes: rootBytes, serverSeconds: serverSeconds, httpBytes: httpBytes)
                    }
                }
            }
            throw CancellationError()
        }
    }

    /// User and system time of this process (getrusage(2)), in seconds.
    private static func cpuSeconds() -> Double {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1_000_000 }
        return seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }

    private typealias Feed = AsyncThrowingStream<BootCheckState.Event, any Error>.Continuation
    private typealias Source = @Sendable (Feed) async throws -> Void

    /// What events come from, each in a task of its own.
    private func sources(_ commands: AsyncStream<String>) -> [Source] {
        var sources: [Source] = [
            { feed in try await runMachines(feed) },
            { feed in try await watchConsole(feed) },
            { feed in try await watchGuest(commands, feed) },
            { feed in try await logIn(as: "root", feed) },
        ]
        for daemon in served.daemons { sources.append { feed in try await watchDaemon(daemon, feed) } }
        if let runningPort { sources.append { feed in try await watchServer(runningPort, feed) } }
        return sources
    }

    /// An error of one source ends the watch with that error; a cancelled source says nothing.
    private static func pump(_ source: Source, into feed: Feed) async {
        do {
            try await source(feed)
        } catch is CancellationError {
            return
        } catch {
            if !Task.isCancelled { feed.finish(throwing: error) }
        }
    }

    private func logIn(as name: String, _ feed: Feed) async throws {
        try await login.waitUntilItAnswers(user: name)
        feed.yield(.loggedIn(user: name))
    }

    /// The machine, and after its reboot a machine that is powered on anew: QEMU's own reset under TCG leaves a guest
    /// now and then in an endless storm of timer interrupts.
    private func runMachines(_ feed: Feed) async throws {
        let first = try await runMachine()
        guard first == .exited(0) else {
            feed.yield(.machineEnded(first))
            return
        }
        feed.yield(.rebooted)
        feed.yield(.machineEnded(try await runMachine()))
    }

    private func runMachine() async throws -> Termination {
        do {
            _ = try await CommandRunner().capture(Command(machine.argv))
            return .exited(0)
        } catch CommandError.failed(_, let termination, let lines, _) {
            if let line = lines.last { note("qemu: \(line)") }
            return termination
        }
    }

    /// For how long a line that means no good may be followed by one that says more.
    private static let suspicionPatience = Duration.seconds(10)

    /// The console's signs, and at the deadline what it said last.
    private func watchConsole(_ feed: Feed) async throws {
        var console = ConsoleWatch(path: machine.consoleLog)
        let end = ContinuousClock.now + .seconds(timeout)
        var suspicion: (line: String, end: ContinuousClock.Instant)?
        while ContinuousClock.now < end {
            for sign in try console.read() {
                if case .suspicious(let line) = sign {
                    suspicion = suspicion ?? (line, .now + Self.suspicionPatience)
                } else {
                    feed.yield(.console(sign))
                }
            }
            if let suspicion, ContinuousClock.now > suspicion.end { feed.yield(.console(.fatal(suspicion.line))) }
            try await Task.sleep(for: .milliseconds(100))
        }
        feed.yield(.deadline(hint: console.hint))
    }

    private func watchGuest(_ commands: AsyncStream<String>, _ feed: Feed) async throws {
        guard let socket = machine.checkSocket else { return }
        try await CheckPort(path: socket).run(commands: commands) { feed.yield(.guest($0)) }
        // The machine after the reboot has a socket of its own, and no commands to wait for.
        // Again and again: the first QEMU may still accept a connection that ends with it.
        while true {
            try await CheckPort(path: socket).run(commands: AsyncStream { $0.finish() }) { feed.yield(.guest($0)) }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    private func watchDaemon(_ daemon: Daemon, _ feed: Feed) async throws {
        while true {
            if let ending = try daemon.ending() {
                feed.yield(.serverGone("\(RunError.serverEnded(daemon, ending, "during the boot"))"))
                return
            }
            try await Task.sleep(for: .milliseconds(500))
        }
    }

    /// A server that ends during a boot leaves a client that waits for ever; one that is restarted does not.
    private func watchServer(_ port: Int, _ feed: Feed) async throws {
        var silent = 0
        while silent < 5 {
            silent = try LocalPort.answers(port) ? 0 : silent + 1
            try await Task.sleep(for: .seconds(1))
        }
        feed.yield(.serverGone("the NFS server on port \(port) stopped during the boot"))
    }
}
