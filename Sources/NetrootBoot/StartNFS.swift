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
        let result = await Self.caught { try await machine(boot, generation, session, note: note) }
        // Not cancelled with the run: what was changed is undone after Ctrl-C too.
        try await Task { try await session.end() }.value
        withExtendedLifetime(hold) {}
        let termination = try result.get()
        guard termination == .exited(0) else {
            throw BootError.machineFailed(termination: termination, reason: "it printed the reason above")
        }
    }

    private func machine(
        _ boot: NFSBoot, _ generation: Generation, _ session: BootSession, note: @Sendable (String) -> Void
    ) async throws -> Termination {
        let served = try await boot.serve(generation)
        let result = await Self.caught {
            let tftp = try boot.makeTFTPRoot(in: session, generation, served: served, appending: [])
            let machine = Machine(
                memory: label.vmMemory, tftp: tftp.directory, sshPort: sshPort,
                consoleLog: BootSession.consoleLog(label), terminal: !headless, checkSocket: nil,
                extra: label.extraQEMU, kvm: try Machine.canUseKVM())
            note("\(label.name): generation \(generation.number), console log \(machine.consoleLog)")
            if let current = try LabelStore(label: label).currentNumber(), current != generation.number {
                note("generation \(current) is current but not installed; netroot installnfs \(label.name)")
            }
            // A machine makes its host key anew at each boot.
            note("ssh -p \(sshPort) -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no root@localhost")
            note("Ctrl-C ends the machine")
            return try await CommandRunner().interact(Command(machine.argv).dyingWithParent)
        }
        try await served.server?.stop()
        return try result.get()
    }

    private static func caught<R>(_ body: () async throws -> R) async -> Result<R, any Error> {
        do { return .success(try await body()) } catch { return .failure(error) }
    }
}
