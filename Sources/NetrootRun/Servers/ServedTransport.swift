import NetrootConfig
import NetrootEntry
import NetrootStore
import NetrootSystem

/// A transport whose root can be served for one run, on loopback.
protocol ServedTransport: Transport {
    /// The host's programs that the server needs.
    func tools(for server: TransportServer) -> [Tool]
    /// What can be said before anything is changed: a service that is not there.
    func check(_ server: TransportServer) throws
    /// What `serve` changes in the host's own services, for the record that it is undone from.
    func hostExports(_ run: ServerRun) -> [KernelExport]
    /// What a boot check demands.
    var demanded: DemandedChecks { get }
    /// Starts the server.
    /// - Returns: where the client finds the root, and what has to be stopped.
    func serve(_ run: ServerRun) async throws -> ServedRoot
}

extension ServedTransport {
    var demanded: DemandedChecks { .overNetwork }
    func check(_ server: TransportServer) throws {}
    func hostExports(_ run: ServerRun) -> [KernelExport] { [] }
}

/// One run of a transport's server.
struct ServerRun: Sendable {
    let label: Label
    let generation: Generation
    /// The kind of artifact that is served.
    let artifact: ArtifactKind
    /// The kind of server.
    let server: TransportServer
    /// A server that listens already and serves the root; nil: one is started.
    let running: RunningServer?
    /// Who starts programs, and where their files are.
    let servers: RootServers
    /// The URL of the boot files as the client reaches them; nil without an HTTP server.
    let httpBase: String?

    /// The server's address as QEMU's user network has it.
    var address: String { Machine.hostAddress }

    /// What the transport makes its kernel arguments of.
    func offer(port: Int?) throws -> RootOffer {
        RootOffer(
            label: label.name, generation: generation.number, path: generation.exportPath,
            imageBytes: generation.artifact(.squashfs)?.bytes ?? 0, address: address, server: server, port: port,
            imageURL: "\(httpBase ?? "")/\(RootServers.imageName)")
    }
}

/// An NFS server that listens on 127.0.0.1 already and serves the label's root.
public struct RunningServer: Sendable, Equatable {
    public var port: Int
    /// The port of its MOUNT service; nil: the same.
    public var mountPort: Int?
    /// The path by which it exports the root; nil: the generation's own.
    public var path: String?

    /// Nothing is asked yet whether it answers.
    public init(port: Int, mountPort: Int? = nil, path: String? = nil) {
        self.port = port
        self.mountPort = mountPort
        self.path = path
    }
}
