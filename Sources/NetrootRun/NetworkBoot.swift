import Glibc
import NetrootConfig
import NetrootEntry
import NetrootServe
import NetrootSite
import NetrootStore
import NetrootSystem

/// What `start…` and `test` share: a generation served, and a QEMU machine that boots it over the network.
struct NetworkBoot: Sendable {
    /// The label.
    let label: Label
    /// Transport, firmware and boot loader.
    let way: BootWay
    /// The data that netroot ships.
    let shipped: ShippedFiles
    /// The port on 127.0.0.1 that leads to the guest's ssh.
    let sshPort: Int
    /// Who serves an NFS root.
    var source = NFSSource.embedded
    /// UEFI's files.
    var ovmf = OVMF()

    /// Everything that can be found wrong before anything is changed.
    /// - Parameter generation: the generation; nil takes the one that the boot entry of the transport names.
    /// - Throws: `BootError`, `MissingError`, `StoreError`, `SystemError`.
    func check(_ generation: Int? = nil) throws -> Generation {
        guard way.firmware.loaders.contains(way.actualLoader) else {
            throw BootError.loaderMismatch(loader: way.actualLoader.rawValue, firmware: way.firmware.rawValue)
        }
        try Tool.require(Machine.tools + serverTools)
        if way.firmware == .uefi { try ovmf.require() }
        try BootLoaders().require()
        let store = LabelStore(label: label)
        let number: Int
        if let generation {
            number = generation
        } else {
            guard let installed = try Installed(label).generation(way.transport) else {
                throw BootError.notInstalled(
                    label: label.name, transport: way.transport.rawValue, tftpboot: label.tftpboot)
            }
            guard try store.numbers().contains(installed) else {
                throw BootError.installedGenerationGone(label: label.name, number: installed)
            }
            number = installed
        }
        let result = try store.generation(number)
        try check(result)
        try LocalPort.requireFree(sshPort, option: "--ssh-port")
        return result
    }

    private var serverTools: [Tool] {
        (usesNginx ? [RootServers.nginx] : []) + (way.transport == .nbd ? [RootServers.nbdServer] : [])
            + (way.transport == .iscsi ? RootServers.tgt : [])
    }

    private var usesNginx: Bool { way.transport == .http || way.actualLoader == .ipxe }

    private func check(_ generation: Generation) throws {
        try way.transport.require(in: generation, of: label)
        if way.transport == .nfs {
            if label.rw, source == .embedded { throw BootError.readWriteNeedsKernelServer(label: label.name) }
            if source == .kernel { try KernelExport.requireServer() }
        } else if label.rw {
            throw BootError.readWriteNeedsNFS(label: label.name, transport: way.transport.rawValue)
        }
        let form = way.actualForm(of: generation)
        guard generation.artifact(form) != nil else {
            throw form == .tree
                ? BootError.noTree(label: label.name, generation: generation.number)
                : BootError.noImage(
                    label: label.name, generation: generation.number, transport: way.transport.rawValue)
        }
        if source == .kernel, form != .tree {
            throw BootError.kernelServerNeedsTree(label: label.name, generation: generation.number)
        }
    }

    /// The exports that `serve` will make, for the record.
    func exports(of generation: Generation) -> [KernelExport] {
        source == .kernel ? [.local(generation.exportPath, readWrite: label.rw)] : []
    }

    /// Serves the root, and where the loader wants them over HTTP the boot files.
    /// - Throws: `ServeError`, `CommandError`, `BootError`, `SystemError`, `SharedConfigError`.
    func serve(
        _ generation: Generation, in session: BootSession, note: @Sendable (String) -> Void
    ) async throws -> ServedRoot {
        let servers = RootServers(
            label: label, shipped: shipped, directory: session.directory, bootFiles: Self.bootFiles(session))
        try Files.makeDirectory(servers.bootFiles)
        var served = try await serveRoot(generation, servers)
        guard usesNginx else { return served }
        do {
            let nginx = try await servers.startNginx()
            served.daemons.append(nginx.daemon)
            served.accessLog = nginx.log
            let base = "http://\(Machine.hostAddress):\(nginx.port)"
            served.httpBase = base
            guard way.transport == .http else { return served }
            let image = try generation.requirePath(of: .squashfs)
            try Files.replaceLink(servers.bootFiles + "/root.squashfs", target: image)
            let root = HTTPRoot(url: base + "/root.squashfs", bytes: try Files.size(image))
            return served.at(.http(root))
        } catch {
            await served.stop(after: error, note: note)
            throw error
        }
    }

    private func serveRoot(_ generation: Generation, _ servers: RootServers) async throws -> ServedRoot {
        switch way.transport {
        case .nfs: return try await serveNFS(generation)
        case .nbd:
            let name = NBDServerConfig.exportName(label.name, generation.number)
            let nbd = try await servers.startNBD(.init(name: name, image: try generation.requirePath(of: .squashfs)))
            return ServedRoot(
                root: .nbd(NBDRoot(server: Machine.hostAddress, export: name, port: nbd.port)), daemons: [nbd.daemon])
        case .iscsi:
            let target = TargetConfig.name(label.name, generation.number)
            let tgt = try await servers.startTGT(target: target, image: try generation.requirePath(of: .squashfs))
            return ServedRoot(
                root: .iscsi(ISCSIRoot(server: Machine.hostAddress, target: target, port: tgt.port)),
                daemons: [tgt.daemon])
        case .http:
            // Told apart once nginx has a port.
            return ServedRoot(root: .http(HTTPRoot(url: "", bytes: 0)))
        }
    }

    private func serveNFS(_ generation: Generation) async throws -> ServedRoot {
        switch source {
        case .embedded:
            let server = try await NFSServer.start(
                exports: [try Export(generation, form: way.actualForm(of: generation))], provider: nil,
                address: "127.0.0.1", port: 0)
            let root = NFSRoot(server: Machine.hostAddress, path: generation.exportPath, port: server.port)
            return ServedRoot(root: .nfs(root), server: server)
        case .kernel:
            for export in exports(of: generation) { try await export.add() }
            return ServedRoot(root: .nfs(NFSRoot(server: Machine.hostAddress, path: generation.exportPath, port: nil)))
        case .running(let running):
            let root = NFSRoot(
                server: Machine.hostAddress, path: running.path ?? generation.exportPath, port: running.port,
                mountPort: running.mountPort)
            return ServedRoot(root: .nfs(root))
        }
    }

    /// The kernel command line for QEMU's user network.
    func commandLine(_ served: ServedRoot) throws -> KernelCommandLine {
        KernelCommandLine(
            root: served.root,
            address: .fixed(
                address: Machine.guestAddress, gateway: Machine.hostAddress, netmask: Machine.netmask,
                hostname: hostname, interface: "eth0"),
            nameserver: Machine.nameserver, rw: label.rw, overlaySize: label.overlaySize,
            debug: label.debug, virtualMachine: true, extra: try emulation + label.extraCommandLine)
    }

    /// Under TCG address randomisation scatters the code that QEMU has translated, and boots stall for seconds.
    private var emulation: [String] {
        get throws { try Machine.canUseKVM() ? [] : ["norandmaps"] }
    }

    /// The guest's name: the label, with what a host name cannot have replaced (RFC 952).
    var hostname: String { String(label.name.map { $0 == "_" ? "-" : $0 }) }
}

extension ServedRoot {
    /// The same servers with the place where the client finds its root.
    fileprivate func at(_ root: BootRoot) -> ServedRoot {
        ServedRoot(root: root, server: server, daemons: daemons, accessLog: accessLog, httpBase: httpBase)
    }
}
