public import NetrootConfig

/// How a client gets its root: one type a transport.
///
/// What is text and data is here. What an installed server is told is in NetrootSite (`ExportedTransport`), and the server
/// of a run in NetrootRun (`ServedTransport`); a type conforms to those in a file of its own in each room. `Transports`
/// lists the types.
public protocol Transport: Sendable {
    /// As `TRANSPORTS` and the command line name it.
    var name: TransportName { get }
    /// What follows the label in the name of its boot entry.
    var entrySuffix: String { get }
    /// What it needs in the root and in the initramfs.
    var needs: TransportNeeds { get }
    /// The servers that its root can come from, the usual one first; at least one.
    var servers: [TransportServer] { get }
    /// The artifact that the boot loader brings beside the kernel.
    var loads: ArtifactKind { get }
    /// The TCP port of its server where none is given; nil where it has no port of its own.
    var standardPort: Int? { get }
    /// The artifact that clients fetch from the HTTP server of the boot files; nil where they fetch none.
    var overHTTP: ArtifactKind? { get }
    /// Whether a client asks its server for files as long as it runs; one that holds the root in RAM does not.
    var needsServerWhileRunning: Bool { get }
    /// Whether file capabilities (capabilities(7)) reach the client; where they do not, the initramfs restores them.
    var keepsFileCapabilities: Bool { get }

    /// What a client cannot do where the server has an IPv6 address; nil where it can do all.
    var missingOverIPv6: String? { get }

    /// What a server calls a generation of a label where it gives it a name: no two labels may get the same. Nil where the
    /// root goes by its path.
    func exportName(_ label: String, _ generation: Int) -> String?
    /// Whether the path of a root stands on the kernel command line, and `objection` is about that.
    var putsPathOnCommandLine: Bool { get }
    /// Why the roots of a NETROOT cannot be offered: what follows "NETROOT" in a sentence; nil where they can.
    func objection(to netroot: String) -> String?

    /// Where a client finds the root.
    func root(of offer: RootOffer) -> any BootRoot
}

extension Transport {
    /// No label has an `@`, so no two entries share a name.
    public var entrySuffix: String { "@\(name)" }
    public var loads: ArtifactKind { .initramfs }
    public var standardPort: Int? { nil }
    public var overHTTP: ArtifactKind? { nil }
    public var needsServerWhileRunning: Bool { true }
    public var keepsFileCapabilities: Bool { true }
    public var missingOverIPv6: String? { nil }
    public func exportName(_ label: String, _ generation: Int) -> String? { nil }
    public var putsPathOnCommandLine: Bool { false }
    public func objection(to netroot: String) -> String? { nil }

    /// The artifact with the whole root in it that the HTTP server of the boot files gives out; nil where it has none.
    public var rootOverHTTP: ArtifactKind? { overHTTP ?? (loads == .rescue ? .rescue : nil) }

    /// The kinds of artifacts that any of its servers serves, the preferred one first.
    public var serves: [ArtifactKind] {
        servers.flatMap(\.serves).reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }

    /// The name of a label's boot entry.
    public func entryName(_ label: String) -> String { label + entrySuffix }

    /// What the names of site archives begin with: each entry keeps the archives of its own install.
    public var sitePrefix: String { entrySuffix.isEmpty ? "site-" : "\(name)-site-" }
}

/// A kind of server that can serve a transport's root.
public struct TransportServer: Sendable, Hashable {
    /// As `--server` names it.
    public let name: String
    /// The kinds of artifacts that it serves, the preferred one first.
    public let serves: [ArtifactKind]
    /// Whether clients can write to the root (`RW=Y`).
    public let canWrite: Bool
    /// Whether it keeps a record of its clients, so that `gc` knows what they run.
    public let recordsClients: Bool

    /// One kind of server; nothing is looked for on this machine.
    public init(_ name: String, serves: [ArtifactKind], canWrite: Bool = false, recordsClients: Bool = false) {
        self.name = name
        self.serves = serves
        self.canWrite = canWrite
        self.recordsClients = recordsClients
    }
}

/// A generation on a server: what a transport makes its kernel arguments of.
public struct RootOffer: Sendable, Equatable {
    public var label: String
    /// The number of the generation.
    public var generation: Int
    /// The absolute path of the root tree, which is also what NFS clients mount.
    public var path: String
    /// The size of the image in bytes; 0 where there is none.
    public var imageBytes: Int64
    /// The server's address or host name, as clients reach it; IPv6 without brackets.
    public var address: String
    /// The kind of server.
    public var server: TransportServer
    /// The TCP port of the transport's server; nil where it has none of its own.
    public var port: Int?
    /// The URL of the image on the HTTP server of the boot files.
    public var imageURL: String

    /// The values as they are named; nothing is checked yet.
    public init(
        label: String, generation: Int, path: String, imageBytes: Int64, address: String, server: TransportServer,
        port: Int?, imageURL: String
    ) {
        self.label = label
        self.generation = generation
        self.path = path
        self.imageBytes = imageBytes
        self.address = address
        self.server = server
        self.port = port
        self.imageURL = imageURL
    }
}

/// Where a client gets its root from.
public protocol BootRoot: Sendable {
    /// Whether the initramfs has to bring the network up for it.
    var needsNetwork: Bool { get }
    /// The kernel arguments that name it.
    /// - Throws: `KernelCommandLineError` for what the syntax cannot hold.
    func arguments(for client: RootClient) throws(KernelCommandLineError) -> [String]
}

extension BootRoot {
    public var needsNetwork: Bool { true }
}

/// What of a client decides on the arguments for its root.
public struct RootClient: Sendable, Equatable {
    /// How it gets its address.
    public let address: ClientAddress
    /// Whether it writes to the root.
    public let rw: Bool

    /// The values as they are named.
    public init(address: ClientAddress, rw: Bool) {
        self.address = address
        self.rw = rw
    }
}
