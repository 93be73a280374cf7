import Glibc
public import NetrootConfig
public import NetrootEntry
import NetrootImage
import NetrootServe
import NetrootSite
import NetrootStore
public import NetrootSystem

/// What a boot check found.
public struct BootReport: Codable, Sendable, Equatable {
    public let label: String
    /// The generation that was booted.
    public let generation: Int
    /// How the root came to the client.
    public let transport: String
    /// In which form the root was served: `tree`, `squashfs` or `rescue`.
    public let form: String
    /// The firmware of the machine.
    public let firmware: String
    /// The boot loader.
    public let loader: String
    /// Whether every check passed.
    public let passed: Bool
    /// The checks, in the order in which they were decided.
    public let checks: [BootCheck]
    /// Seconds from power-on of the first boot: `kernel` started, `root` mounted, `multiUser` reached, `ssh` login;
    /// and `server`, the CPU seconds of netroot's own NFS server until then.
    public let seconds: [String: Double]
    /// Bytes of the first boot: `tftp`, what the client loads over TFTP, and `http`, what its boot loader loads over
    /// HTTP; `root`, what it read of its root until the reboot; `network`, what its network card received since the
    /// kernel started; `ram`, the memory in use when it reported, and `free`, what was available then.
    public let bytes: [String: Int64]
    /// The console's log where the check failed.
    public let console: String?
}

/// A boot check: boots a label, lets the guest decide, reboots it, and lets it decide again.
public struct BootCheckRun: Sendable {
    public let label: Label
    /// Transport, firmware and boot loader.
    public let way: BootWay
    /// The generation; nil: the one that the boot entry of the transport names, and where there is none the current one.
    public let generation: Int?
    /// The data that netroot ships.
    public let shipped: ShippedFiles
    /// The port on 127.0.0.1 that leads to the guest's ssh.
    public let sshPort: Int
    /// The most seconds that the whole check may take.
    public let timeout: Int
    /// A server that runs already; nil: netroot's own.
    public let running: RunningServer?
    /// Archives appended to the initramfs.
    public let sideloads: Sideloads
    /// All transports.
    let transports: Transports

    /// Nothing is looked at yet; `run` checks and boots.
    public init(
        label: Label, way: BootWay, generation: Int? = nil, shipped: ShippedFiles, sshPort: Int,
        timeout: Int, running: RunningServer? = nil, sideloads: Sideloads = .none, transports: Transports = .shipped
    ) {
        self.label = label
        self.way = way
        self.generation = generation
        self.shipped = shipped
        self.sshPort = sshPort
        self.timeout = timeout
        self.running = running
        self.sideloads = sideloads
        self.transports = transports
    }

    /// The account that the check makes in the guest's overlay.
    static let user = "netroot-check"

    /// Boots and reports; a boot that fails is a report, not an error.
    /// - Throws: `RunError`, `MissingError`, `StoreError`, `LockedError`, `ServeError`, `CommandError`, `SystemError`,
    ///   `CancellationError`.
    public func run(note: @escaping @Sendable (String) -> Void) async throws -> BootReport {
        if label.rw { throw RunError.nothingToCheck(label: label.name) }
        try Tool.require(GuestLogin.tools)
        let boot = NetworkBoot(
            label: label, way: way, shipped: shipped, sshPort: sshPort, server: way.transport.servers[0],
            running: running, transports: transports)
        let subject = try boot.check(try number())
        let hold = try subject.generation.hold()
        defer { withExtendedLifetime(hold) {} }
        let session = try await BootSession.begin(label, verb: "test", exports: [], note: note)
        do {
            let report = try await run(boot, subject, session, note: note)
            try await uncancelled { try await session.end() }
            return report
        } catch {
            await session.end(after: error, note: note)
            throw error
        }
    }

    /// The generation that is tested: what clients boot, and before the first install what they would.
    private func number() throws -> Int? {
        if let generation { return generation }
        if try Installed(label).generation(way.transport) != nil { return nil }
        return try LabelStore(label: label).current().number
    }

    private func run(
        _ boot: NetworkBoot, _ subject: NetworkBoot.Subject, _ session: BootSession,
        note: @escaping @Sendable (String) -> Void
    ) async throws -> BootReport {
        let login = GuestLogin(key: session.directory + "/key", port: sshPort)
        let archive = session.directory + "/check.cpio"
        let generation = subject.generation
        let given = try await Sideloads.hostname(
            in: try boot.siteArchives(generation) + sideloads.paths, for: boot.way.transport)
        let size = try sideLoad(
            publicKey: try await login.makeKey(), hostname: given ?? boot.hostname,
            // Without ip= nobody tells a root in RAM its name.
            bringsHostname: given == nil && way.transport.loads == .rescue, generation: generation
        ).write(toFile: archive)
        note(
            "\(label.name): generation \(generation.number), \(way.transport.name) \(subject.artifact.rawValue), "
                + "\(way.firmware.rawValue) \(way.actualLoader.rawValue), side-load \(size) bytes")
        try noteInstalled(generation, note: note)
        boot.noteArguments(note)
        let served = try await boot.serve(subject, in: session, note: note)
        do {
            let files = try await boot.makeBootFiles(
                in: session, generation, served: served, appending: sideloads.paths + [archive])
            let machine = try boot.machine(
                files, in: session, terminal: false, checkSocket: session.directory + "/check.sock",
                endsAtReboot: true)
            let watch = BootWatch(
                machine: machine, login: login, user: Self.user, timeout: timeout,
                demanded: try boot.demanded, served: served, runningPort: running?.port, note: note)
            let outcome = try await watch.run()
            try await served.stop()
            return report(outcome, subject, tftpBytes: files.bytes, console: machine.consoleLog)
        } catch {
            await served.stop(after: error, note: note)
            throw error
        }
    }

    private func noteInstalled(_ generation: Generation, note: (String) -> Void) throws {
        let installed = try Installed(label).generation(way.transport)
        if installed == nil { note("not installed yet; netroot install \(label.name) \(way.transport.name)") }
        if let current = try LabelStore(label: label).currentNumber(), current != generation.number {
            note(
                "generation \(current) is current, \(generation.number) is tested; "
                    + "netroot install \(label.name) \(way.transport.name)")
        }
    }

    /// Whether this host names a name server, which QEMU's own asks.
    private static func hasNameServer() throws -> Bool {
        let path = "/etc/resolv.conf"
        guard Files.exists(path) else { return false }
        return try Files.text(path).split(separator: "\n").contains { $0.hasPrefix("nameserver") }
    }

    /// The archive that brings the guest's part of the check.
    /// - Parameter bringsHostname: whether it gives the machine its name too.
    func sideLoad(
        publicKey: String, hostname: String, bringsHostname: Bool, generation: Generation
    ) throws -> NewcArchive {
        let overlay = "netroot/overlay/"
        let expected = """
            hostname=\(hostname)
            nameserver=\(Machine.nameserver)
            gateway=\(Machine.hostAddress)
            user=\(Self.user)
            transport=\(way.transport.name)
            built=\(generation.manifest.finished)
            \(try Self.hasNameServer() ? "" : "resolver=none\n")
            """
        let unit = "etc/systemd/system/netroot-check.service"
        return try NewcArchive(
            entries: [
                NewcEntry(
                    overlay + "usr/local/sbin/netroot-check", .bytes(try Files.read(shipped.guest + "/netroot-check")),
                    mode: 0o755),
                NewcEntry(
                    overlay + "usr/local/lib/netroot-check-ram",
                    .bytes(try Files.read(shipped.guest + "/netroot-check-ram"))),
                NewcEntry(overlay + unit, .bytes(try Files.read(shipped.guest + "/netroot-check.service"))),
                NewcEntry(
                    overlay + "etc/systemd/system/multi-user.target.wants/netroot-check.service",
                    .symlink(Array("/\(unit)".utf8))),
                NewcEntry(overlay + "etc/netroot-check.conf", .bytes(Array(expected.utf8))),
                NewcEntry(overlay + "etc/netroot-check.keys", .bytes(Array(publicKey.utf8)), mode: 0o600),
                NewcEntry(overlay + "root/.ssh", .directory, mode: 0o700),
                NewcEntry(overlay + "root/.ssh/authorized_keys", .bytes(Array(publicKey.utf8)), mode: 0o600),
            ] + (bringsHostname ? [NewcEntry(overlay + "etc/hostname", .bytes(Array((hostname + "\n").utf8)))] : []))
    }

    private func report(
        _ outcome: BootWatch.Outcome, _ subject: NetworkBoot.Subject, tftpBytes: Int64, console: String
    ) -> BootReport {
        let generation = subject.generation
        var checks = outcome.state.checks
        if outcome.state.firstBootDone, let tree = generation.path(of: .tree) {
            let marker = tree + "/var/lib/netroot-check.marker"
            let clean = !Files.exists(marker)
            checks.append(
                BootCheck(
                    name: "servedTree", passed: clean, detail: clean ? "the write is not in it" : "\(marker) exists"))
        }
        let passed = outcome.state.passed && checks.allSatisfy(\.passed)
        var bytes = outcome.state.bytes
        bytes["tftp"] = tftpBytes
        if let root = outcome.rootBytes { bytes["root"] = root }
        if let http = outcome.httpBytes {
            if way.actualLoader == .ipxe { bytes["http"] = http.boot }
            if way.transport.overHTTP != nil { bytes["root"] = http.image }
        }
        var seconds = outcome.state.seconds.filter { Self.timed.contains($0.key) }
        if let server = outcome.serverSeconds { seconds["server"] = server }
        return BootReport(
            label: label.name, generation: generation.number, transport: way.transport.name.rawValue,
            form: subject.artifact.rawValue, firmware: way.firmware.rawValue,
            loader: way.actualLoader.rawValue, passed: passed, checks: checks,
            seconds: seconds, bytes: bytes,
            console: passed ? nil : console)
    }

    private static let timed: Set<String> = ["kernel", "root", "multiUser", "ssh"]
}
