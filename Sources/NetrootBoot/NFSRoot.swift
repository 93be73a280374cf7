/// Where a client mounts its root from.
public struct NFSRoot: Sendable, Equatable {
    /// The server's IPv4 address or host name, as the client reaches it.
    public let server: String
    /// The exported directory: absolute, without comma, colon or blank, which `root=` cannot hold.
    public let path: String
    /// One TCP port for NFS and MOUNT, as netroot's own server has it; nil: the kernel nfsd's, through rpcbind.
    public let port: Int?
    /// The TCP port of MOUNT where it is another one, as nfs-ganesha has it; nil: the same as `port`.
    public let mountPort: Int?

    /// The values as they are named; nothing is checked yet.
    public init(server: String, path: String, port: Int? = nil, mountPort: Int? = nil) {
        self.server = server
        self.path = path
        self.port = port
        self.mountPort = mountPort
    }
}

/// How a client gets its own address.
public enum ClientAddress: Sendable, Equatable {
    /// From DHCP. The lease is never renewed (FACTS.md), so the server must give long ones.
    case dhcp
    /// From the kernel command line; all are IPv4 addresses but the host name and the interface.
    case fixed(address: String, gateway: String, netmask: String, hostname: String, interface: String)
}
