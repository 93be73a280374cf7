/// Where a client gets its root from.
public enum BootRoot: Sendable, Equatable {
    /// Files by NFS.
    case nfs(NFSRoot)
    /// The blocks of an image by NBD.
    case nbd(NBDRoot)
    /// A whole image over HTTP into RAM.
    case http(HTTPRoot)
    /// The blocks of an image by iSCSI.
    case iscsi(ISCSIRoot)
}

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

/// A squashfs image as a network block device.
public struct NBDRoot: Sendable, Equatable {
    /// The port that IANA gave NBD.
    public static let standardPort = 10809

    /// The server's IPv4 address or host name, as the client reaches it.
    public let server: String
    /// The export's name.
    public let export: String
    /// The TCP port. dracut's `root=nbd:` has room for a port or an export's name, not for both: another port than the
    /// standard one goes into an argument of netroot's dracut module.
    public let port: Int

    /// The values as they are named; nothing is checked yet.
    public init(server: String, export: String, port: Int = standardPort) {
        self.server = server
        self.export = export
        self.port = port
    }
}

/// A squashfs image as a SCSI disk.
public struct ISCSIRoot: Sendable, Equatable {
    /// The port that IANA gave iSCSI.
    public static let standardPort = 3260
    /// The logical unit that holds the image; tgt keeps 0 for itself.
    public static let unit = 1

    /// The server's IPv4 address, as the client reaches it.
    public let server: String
    /// The target's name (RFC 7143, 4.2.7).
    public let target: String
    /// The TCP port.
    public let port: Int

    /// The values as they are named; nothing is checked yet.
    public init(server: String, target: String, port: Int = standardPort) {
        self.server = server
        self.target = target
        self.port = port
    }
}

/// A squashfs image that a client fetches as a whole.
public struct HTTPRoot: Sendable, Equatable {
    /// Its URL: `http://…`, without blanks.
    public let url: String
    /// Its size in bytes, so that a client can tell before it fetches whether its RAM will do.
    public let bytes: Int64

    /// The values as they are named; nothing is checked yet.
    public init(url: String, bytes: Int64) {
        self.url = url
        self.bytes = bytes
    }
}

/// How a client gets its own address.
public enum ClientAddress: Sendable, Equatable {
    /// From DHCP. The lease is never renewed (FACTS.md), so the server must give long ones.
    case dhcp
    /// From the kernel command line; all are IPv4 addresses but the host name and the interface.
    case fixed(address: String, gateway: String, netmask: String, hostname: String, interface: String)
}
