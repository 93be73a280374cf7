import NetrootConfig
import NetrootEntry
import NetrootSystem
import TestSupport
import Testing

@testable import NetrootRun
@testable import NetrootSite
@testable import NetrootStore

/// Adding a transport is a type and a word in a list: everything else finds it by asking the type.
@Suite struct PretendedTransportTests {
    let scratch: ScratchDirectory
    let transports = Transports(Transports.shipped.known + [PretendedTransport()])
    let pigeon = PretendedTransport()
    let label: Label

    init() throws {
        scratch = try ScratchDirectory()
        let hosts = """
            [a]
            RECIPE = a.def
            NETROOT = \(scratch.path)/n
            TFTPBOOT = \(scratch.path)/tftp
            FORMAT = squashfs
            TRANSPORTS = pigeon nfs

            """
        label = try HostsFile(
            text: hosts, path: scratch.path + "/hosts.conf", transports: transports.names
        ).label("a")
    }

    /// Publishes a generation of a few bytes.
    private func generation(transports: [TransportName], kinds: [ArtifactKind] = [.squashfs]) async throws -> Generation
    {
        let store = LabelStore(label: label)
        try Files.makeDirectory(store.generationsDirectory)
        let draft = try store.begin()
        var artifacts: [Manifest.Artifact] = []
        for kind in [.kernel, .initramfs] + kinds {
            try Files.replace(draft.path(of: kind), with: Array(kind.rawValue.utf8))
            artifacts.append(Manifest.Artifact(kind, bytes: 5, sha256: "00"))
        }
        return try await store.publish(
            draft,
            manifest: Manifest(
                label: label.name, generation: draft.number, formats: ["squashfs"], artifacts: artifacts,
                transports: transports, readWrite: false, origin: .init(verb: "build"),
                recipe: .init(path: "a.def", sha256: ""), bootstrap: .init(agent: "scratch"),
                privileged: .init(setuid: 0, setgid: 0, capabilities: 0), shipped: "", kernelVersion: "6.1",
                packages: [],
                netroot: "0", started: "", finished: "", steps: []))
    }

    @Test func aHostsFileNamesIt() throws {
        #expect(label.transports == ["pigeon", "nfs"])
        #expect(try transports.require(label.transports).map(\.name) == ["pigeon", "nfs"])
        let error = #expect(throws: UnknownTransportError.self) { try transports.require("pidgeon") }
        #expect(error?.description == "unknown transport 'pidgeon'; did you mean 'pigeon'?")
    }

    @Test func itIsInstalled() async throws {
        _ = try await generation(transports: ["pigeon"])
        var install = try Install(label: label, by: [pigeon], transports: transports)
        install.sysroot = scratch.path + "/system"
        install.system = true
        install.options.clients = ["10.0.0.0/24"]
        let plan = try await install.run()
        #expect(install.reloads(after: plan) == ["systemctl reload loft"])
        #expect(try Installed(label).generation(pigeon) == 1)
        let menu = try Files.text(label.tftpboot + "/pxelinux.cfg/default")
        #expect(menu.contains("LABEL a@pigeon\n") && menu.contains("root=pigeon:10.0.2.2:1149:a-1 one-way ro rootovl"))
        let export = "carry \(label.netroot)/generations/1/root.squashfs to 10.0.0.0/24\n"
        #expect(try Files.text(label.netroot + "/pigeon.conf") == export)
        #expect(try Files.text(scratch.path + "/system/etc/pigeon.d/netroot-a.conf") == export)
        #expect(try await plan.report(dryRun: false).contains("wrote \(label.netroot)/pigeon.conf\n"))
        // Another port, kept for the next install.
        install.options.ports["pigeon"] = 4711
        _ = try await install.run()
        #expect(try Install(label: label, by: [pigeon], transports: transports).options.port(of: pigeon) == 4711)
        #expect(try Installed(label).generations == [1])
    }

    @Test func itIsJudgedByItsServers() async throws {
        let older = try await generation(transports: ["nfs"])
        #expect(
            throws: BootError.initramfsLacks(transport: "pigeon", label: "a", generation: 1, known: ["nfs"])
        ) {
            try transports.artifact(of: older, label: label, by: pigeon, from: pigeon.servers[0])
        }
        let whole = try await generation(transports: ["pigeon"])
        #expect(try transports.artifact(of: whole, label: label, by: pigeon, from: pigeon.servers[0]) == .squashfs)
        let error = #expect(throws: BootError.self) {
            try transports.artifact(of: whole, label: label, by: pigeon, from: try pigeon.server(named: "aviary"))
        }
        #expect(error?.exitStatus == .usage)
        // What a server does not serve is not the generation's fault.
        #expect(
            throws: BootError.notServed(kind: .tree, transport: "pigeon", server: "loft", serves: [.squashfs])
        ) {
            try transports.artifact(of: whole, label: label, by: pigeon, from: pigeon.servers[0], wanted: .tree)
        }
        #expect(throws: BootError.unknownServer(name: "nest", transport: "pigeon", known: ["loft", "aviary"])) {
            try pigeon.server(named: "nest")
        }
    }

    @Test func itIsServed() async throws {
        let generation = try await generation(transports: ["pigeon"])
        let boot = NetworkBoot(
            label: label, way: BootWay(transport: pigeon, loader: .pxelinux),
            shipped: ShippedFiles(directory: scratch.path), sshPort: 1, server: pigeon.servers[0],
            transports: transports)
        let session = try await BootSession.begin(label, verb: "test", exports: []) { _ in }
        let served = try await boot.serve(
            .init(generation: generation, artifact: .squashfs), in: session
        ) { _ in }
        #expect(try boot.commandLine(served, generation).rendered().contains("root=pigeon:10.0.2.2:7:a-1 one-way"))
        try await served.stop()
        try await session.end()
        let ways = try BootWay.all(of: label, generation, transports: transports)
        #expect(ways.map(\.transport.name) == ["pigeon", "pigeon", "nfs", "nfs"])
    }
}
