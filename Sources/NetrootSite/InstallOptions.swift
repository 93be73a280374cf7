public import NetrootConfig
public import NetrootEntry
import NetrootStore
import NetrootSystem

/// What an install says about servers, clients and site files; kept beside the generations, so that the next install of
/// the label says the same unless it is told otherwise. One set for all of the label's transports.
public struct InstallOptions: Codable, Sendable, Equatable {
    /// The server's address as the clients reach it, as `ServerAddress` describes it; nil: nobody has said it yet, and the
    /// entries are for QEMU's user network.
    public var address: String?
    /// The port of nginx: images, and what iPXE loads.
    public var httpPort = 8080
    /// The ports of the transports' servers, by transport, where they are not the standard ones.
    public var ports: [String: Int] = [:]
    /// The transports' servers, by transport, where they are not the usual ones.
    public var servers: [String: String] = [:]
    /// Who may have the root: as exports(5) names clients; addresses and networks only, beside `*`, for other servers than
    /// nfsd. None: nobody has said it yet.
    public var clients: [String] = []
    /// newc archives, and directories that are packed into one, appended to the initramfs; absolute paths.
    public var append: [String] = []

    /// For clients of netroot's own server in QEMU's user network, without site files.
    public init() {}

    /// The host of QEMU's user network, as its machines reach it.
    static let userNetworkHost = "10.0.2.2"

    /// The address that the entries name.
    /// - Throws: `ServerAddressError` for one that an older netroot let through.
    func server() throws(ServerAddressError) -> ServerAddress {
        try ServerAddress(parsing: address ?? Self.userNetworkHost)
    }

    /// Whom the files name: everybody, `*`, as long as nobody has said who it is.
    var offeredTo: [String] { clients.isEmpty ? ["*"] : clients }

    /// Takes the clients that somebody names, where `any` is everybody.
    public mutating func setClients(_ given: [String]) { clients = given.contains("any") ? ["*"] : given }

    /// The TCP port of a transport's server; nil where it has none of its own.
    public func port(of transport: any Transport) -> Int? {
        ports[transport.name.rawValue] ?? transport.standardPort
    }

    /// The server of a transport.
    /// - Throws: `BootError.unknownServer`.
    public func server(of transport: any Transport) throws(BootError) -> TransportServer {
        guard let name = servers[transport.name.rawValue] else { return transport.servers[0] }
        return try transport.server(named: name)
    }

    static func path(_ label: Label) -> String { label.netroot + "/install.json" }

    /// The options of the last install; nil where there was none.
    /// - Throws: `SystemError`, `BootError`.
    public static func last(_ label: Label) throws -> InstallOptions? {
        let path = path(label)
        let older = label.netroot + "/installnfs.json"
        guard Files.exists(path) else {
            if Files.exists(older) { throw BootError.olderOptions(path: older) }
            return nil
        }
        do {
            return try JSON.value(InstallOptions.self, from: try Files.read(path))
        } catch is DecodingError {
            throw BootError.damagedOptions(path: path)
        }
    }

    /// The URL of the TFTP root as nginx serves it, without a slash at its end.
    /// - Throws: `ServerAddressError`.
    func httpBase() throws(ServerAddressError) -> String {
        let host = try server().beforeColon
        return httpPort == 80 ? "http://\(host)" : "http://\(host):\(httpPort)"
    }
}

extension Transport {
    /// The server of a name.
    /// - Throws: `BootError.unknownServer`.
    public func server(named name: String) throws(BootError) -> TransportServer {
        guard let server = servers.first(where: { $0.name == name }) else {
            throw .unknownServer(name: name, transport: self.name, known: servers.map(\.name))
        }
        return server
    }
}
