public import NetrootConfig
public import NetrootEntry
import NetrootServe
import NetrootSite
import NetrootStore
public import NetrootSystem

/// A machine that boots a label over the network, until it ends.
public struct Start: Sendable {
    public let label: Label
    /// Transport, firmware and boot loader.
    public let way: BootWay
    /// The data that netroot ships.
    public let shipped: ShippedFiles
    /// The port on 127.0.0.1 that leads to the guest's ssh.
    public let sshPort: Int
    /// Which of the transport's servers serves the root.
    public let server: TransportServer
    /// Archives appended to the initramfs.
    public let sideloads: Sideloads
    /// Whether the console stays off the terminal.
    public let headless: Bool

    /// Nothing is looked at yet; `run` checks and boots.
    public init(
        label: Label, way: BootWay, shipped: ShippedFiles, sshPort: Int, server: TransportServer? = nil,
        sideloads: Sideloads = .none, headless: Bool
    ) {
        self.label = label
        self.shipped = shipped
        self.way = way
        self.sshPort = sshPort
        self.server = server ?? way.transport.servers[0]
        self.sideloads = sideloads
        self.headless = headless
    }

    /// Checks, locks, records, serves, boots, watches, undoes.
    /// - Throws: `RunError`, `MissingError`, `StoreError`, `LockedError`, `ServeError`, `CommandError`, `SystemError`,
    ///   `CancellationError`.
    public func run(note: @escaping @Sendable (String) -> Void) async throws {
        let boot = NetworkBoot(
            label: label, way: way, shipped: shipped, sshPort: sshPort, server: server)
        let subject = try boot.check()
        let hold = try subject.generation.hold()
        let session = try await BootSession.begin(
            label, verb: "start", exports: try boot.hostExports(of: subject), note: note)
        defer { withExtendedLifetime(hold) {} }
        let termination: Termination
        do {
            termination = try await machine(boot, subject, session, note: note)
        } catch {
            await session.end(after: error, note: note)
            throw error
        }
        try await session.end()
        guard termination == .exited(0) else {
            throw RunError.machineFailed(termination: termination, reason: "it printed the reason above")
        }
    }

    private func machine(
        _ boot: NetworkBoot, _ subject: NetworkBoot.Subject, _ session: BootSession,
        note: @escaping @Sendable (String) -> Void
    ) async throws -> Termination {
        let served = try await boot.serve(subject, in: session, note: note)
        do {
            let files = try await boot.makeBootFiles(
                in: session, subject.generation, served: served, appending: sideloads.paths)
            let machine = try boot.machine(
                files, in: session, terminal: !headless, checkSocket: nil, endsAtReboot: false)
            try announce(boot, subject, machine, note: note)
            let watch = Task { try await Self.tellEnds(of: served.daemons, note: note) }
            defer { watch.cancel() }
            let termination = try await CommandRunner().interact(Command(machine.argv))
            try await served.stop()
            return termination
        } catch {
            await served.stop(after: error, note: note)
            throw error
        }
    }

    /// A machine whose server has gone hangs without a word of its own.
    private static func tellEnds(of daemons: [Daemon], note: @Sendable (String) -> Void) async throws {
        var left = daemons
        while !left.isEmpty {
            try await Task.sleep(for: .seconds(1))
            for daemon in left {
                guard let ending = try daemon.ending() else { continue }
                left.removeAll { $0.name == daemon.name }
                note("\(RunError.serverEnded(daemon, ending, "while the machine runs"))")
            }
        }
    }

    private func announce(
        _ boot: NetworkBoot, _ subject: NetworkBoot.Subject, _ machine: Machine, note: (String) -> Void
    ) throws {
        let generation = subject.generation
        let ways = [way.transport.name.rawValue, subject.artifact.rawValue, way.firmware.rawValue]
        note(
            "\(label.name): generation \(generation.number), \(ways.joined(separator: ", ")), \(way.actualLoader.rawValue)"
        )
        boot.noteArguments(note)
        note("console log \(machine.consoleLog)")
        if let current = try LabelStore(label: label).currentNumber(), current != generation.number {
            note(
                "generation \(current) is current but not installed; netroot install \(label.name) \(way.transport.name)"
            )
        }
        // A machine makes its host key anew at each boot.
        note("ssh -p \(sshPort) -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no root@localhost")
        note("Ctrl-C ends the machine")
    }
}
