import Glibc
import NetrootConfig
import NetrootEntry
import NetrootSite
import NetrootStore
import NetrootSystem

/// What `start…` and `test` share: a generation served, and a QEMU machine that boots it over the network.
struct NetworkBoot: Sendable {
    let label: Label
    /// Transport, firmware and boot loader.
    let way: BootWay
    /// The data that netroot ships.
    let shipped: ShippedFiles
    /// The port on 127.0.0.1 that leads to the guest's ssh.
    let sshPort: Int
    /// Which of the transport's servers serves the root.
    let server: TransportServer
    /// A server that runs already and serves the root; nil: one is started.
    var running: RunningServer?
    /// All transports.
    var transports = Transports.shipped
    /// UEFI's files.
    var ovmf = OVMF()

    /// What is booted.
    struct Subject: Sendable {
        let generation: Generation
        /// The kind of artifact that is served of it.
        let artifact: ArtifactKind
    }

    /// Everything that can be found wrong before anything is changed.
    /// - Parameter generation: the generation; nil takes the one that the boot entry of the transport names.
    /// - Throws: `RunError`, `BootError`, `MissingError`, `StoreError`, `SystemError`.
    func check(_ generation: Int? = nil) throws -> Subject {
        guard way.firmware.loaders.contains(way.actualLoader) else {
            throw RunError.loaderMismatch(loader: way.actualLoader.rawValue, firmware: way.firmware.rawValue)
        }
        let served = try servedTransport()
        let nginx = way.usesHTTP ? [RootServers.nginx] : []
        try Tool.require(Machine.tools + nginx + (running == nil ? served.tools(for: server) : []))
        if way.firmware == .uefi { try ovmf.require() }
        if way.usesLoader { try BootLoaders().require() }
        let found = try LabelStore(label: label).generation(try generation ?? installed())
        let artifact = try transports.artifact(
            of: found, label: label, by: served, from: server, wanted: way.form)
        try served.check(server)
        try LocalPort.requireFree(sshPort, option: "--ssh-port")
        return Subject(generation: found, artifact: artifact)
    }

    private func installed() throws -> Int {
        guard let number = try Installed(label).generation(way.transport) else {
            throw BootError.notInstalled(
                label: label.name, transport: way.transport.name, tftpboot: label.tftpboot)
        }
        guard try LabelStore(label: label).numbers().contains(number) else {
            throw BootError.installedGenerationGone(label: label.name, number: number)
        }
        return number
    }

    private func servedTransport() throws(RunError) -> any ServedTransport {
        guard let served = way.transport as? any ServedTransport else { throw .noServer(transport: way.transport.name) }
        return served
    }

    /// What a boot check demands.
    /// - Throws: `RunError.noServer`.
    var demanded: DemandedChecks { get throws { try servedTransport().demanded } }

    private func run(_ subject: Subject, in directory: String, bootFiles: String, httpBase: String?) -> ServerRun {
        ServerRun(
            label: label, generation: subject.generation, artifact: subject.artifact, server: server,
            running: running,
            servers: RootServers(label: label, shipped: shipped, directory: directory, bootFiles: bootFiles),
            httpBase: httpBase)
    }

    /// The exports that `serve` will make in the host's own services, for the record.
    /// - Throws: `RunError.noServer`.
    func hostExports(of subject: Subject) throws -> [KernelExport] {
        try servedTransport().hostExports(run(subject, in: "", bootFiles: "", httpBase: nil))
    }

    /// Serves the root, and where they are wanted over HTTP the boot files.
    /// - Throws: `ServeError`, `CommandError`, `RunError`, `SystemError`, `SharedConfigError`.
    func serve(
        _ subject: Subject, in session: BootSession, note: @Sendable (String) -> Void
    ) async throws -> ServedRoot {
        let bootFiles = Self.bootFiles(session)
        try Files.makeDirectory(bootFiles)
        let servers = run(subject, in: session.directory, bootFiles: bootFiles, httpBase: nil).servers
        let nginx = way.usesHTTP ? try await servers.startNginx() : nil
        let base = nginx.map { "http://\(Machine.hostAddress):\($0.port)" }
        do {
            var served = try await servedTransport().serve(
                run(subject, in: session.directory, bootFiles: bootFiles, httpBase: base))
            if let nginx { served.daemons.append(nginx.daemon) }
            served.accessLog = nginx?.log
            served.httpBase = base
            return served
        } catch {
            await nginx?.daemon.stop()
            throw error
        }
    }

    /// The kernel command line for QEMU's user network.
    func commandLine(_ served: ServedRoot, _ generation: Generation) throws -> KernelCommandLine {
        KernelCommandLine(
            root: served.root,
            address: .fixed(
                address: Machine.guestAddress, gateway: Machine.hostAddress, netmask: Machine.netmask,
                hostname: hostname, interface: "eth0"),
            nameserver: Machine.nameserver, rw: label.rw, overlaySize: label.overlaySize,
            containerStorage: label.containerStorage, stableMachineID: label.machineID == .stable,
            debug: label.debug, virtualMachine: true,
            extra: try emulation + rootfsType(generation) + labelArguments.kept)
    }

    /// The label's kernel arguments: those that hold in QEMU's user network too, and those of the site's network.
    private var labelArguments: (kept: [String], left: [String]) {
        LabelArguments(label.extraCommandLine).forUserNetwork()
    }

    /// Says which of the label's arguments the machine boots without.
    func noteArguments(_ note: (String) -> Void) {
        let left = labelArguments.left
        guard !left.isEmpty else { return }
        note("left out of EXTRA_CMDLINE, for QEMU's user network is not the site's: \(left.joined(separator: " "))")
    }

    /// Under TCG address randomisation scatters the code that QEMU has translated, and boots stall for seconds.
    private var emulation: [String] {
        get throws { try Machine.canUseKVM() ? [] : ["norandmaps"] }
    }

    /// The guest's name: the label, with what a host name cannot have replaced (RFC 952).
    var hostname: String { String(label.name.map { $0 == "_" ? "-" : $0 }) }
}
