public import NetrootConfig
import NetrootServe
import NetrootStore
import NetrootSystem

/// A machine that boots a label by PXE from its NFS root, until it ends.
public struct StartNFS: Sendable {
    /// The label.
    public let label: Label
    /// The port on 127.0.0.1 that leads to the guest's ssh.
    public let sshPort: Int
    /// Who serves the root.
    public let server: NFSServerKind
    /// Whether the console stays off the terminal.
    public let headless: Bool

    /// Nothing is looked at yet; `run` checks and boots.
    public init(label: Label, sshPort: Int, server: NFSServerKind, headless: Bool) {
        self.label = label
        self.sshPort = sshPort
        self.server = server
        self.headless = headless
    }

    /// Checks, locks, records, serves, boots, watches, undoes.
    /// - Throws: `BootError`, `MissingError`, `StoreError`, `LockedError`, `ServeError`, `CommandError`, `SystemError`,
    ///   `CancellationError`.
    public func run(note: @escaping @Sendable (String) -> Void) async throws {
        let boot = NFSBoot(label: label, sshPort: sshPort, source: server == .kernel ? .kernel : .embedded)
        let generation = try boot.check()
        let hold = try generation.hold()
        let session = try await BootSession.begin(
            label, verb: "startnfs", exports: boot.exports(of: generation), note: note)
        defer { withExtendedLifetime(hold) {} }
        let termination: Termination
        do {
            termination = try await machine(boot, generation, session, note: note)
        } catch {
            await session.end(after: error, note: note)
            throw error
        }
        try await session.end()
        guard termination == .exited(0) else {
            throw BootError.machineFailed(termination: termination, reason: "it printed the reason above")
        }
    }

    private func machine(
        _ boot: NFSBoot, _ generation: Generation, _ session: BootSession, note: @Sendable (String) -> Void
    ) async throws -> Termination {
        let served = try await boot.serve(generation)
        do {
            let tftp = try boot.makeTFTPRoot(in: session, generation, served: served, appending: [])
            let machine = Machine(
                memory: label.vmMemory, tftp: tftp.directory, sshPort: sshPort,
                consoleLog: BootSession.consoleLog(label), terminal: !headless, checkSocket: nil,
                extra: label.extraQEMU, kvm: try Machine.canUseKVM())
            try announce(generation, machine, note: note)
            let termination = try await CommandRunner().interact(Command(machine.argv))
            try await served.server?.stop()
            return termination
        } catch {
            await served.end(after: error, note: note)
            throw error
        }
    }

    private func announce(_ generation: Generation, _ machine: Machine, note: (String) -> Void) throws {
        note("\(label.name): generation \(generation.number), console log \(machine.consoleLog)")
        if let current = try LabelStore(label: label).currentNumber(), current != generation.number {
            note("generation \(current) is current but not installed; netroot installnfs \(label.name)")
        }
        // A machine makes its host key anew at each boot.
        note("ssh -p \(sshPort) -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no root@localhost")
        note("Ctrl-C ends the machine")
    }
}
