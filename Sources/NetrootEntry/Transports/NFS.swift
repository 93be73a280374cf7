public import NetrootConfig

/// NFSv3: files by name, from a tree or out of an image.
public struct NFS: Transport {
    /// netroot's own server: NFS and MOUNT on one port, read-only.
    public static let own = TransportServer("netroot", serves: [.tree, .squashfs], recordsClients: true)
    /// The kernel's nfsd, with rpcbind.
    public static let kernel = TransportServer("kernel", serves: [.tree], canWrite: true)

    public init() {}

    public let name = TransportName(rawValue: "nfs")
    /// The entry of the label's own name is the one by NFS.
    public let entrySuffix = ""
    public let needs = TransportNeeds(
        programs: [
            .init("mount.nfs", "nfs-common", [.rpm: "nfs-utils", .suse: "nfs-client", .pacman: "nfs-utils"])
        ],
        dracutModules: [.init("nfs", "dracut-network", [.suse: "dracut", .pacman: "dracut"])],
        kernelModules: ["nfs", "nfsv3"])
    public let servers = [own, kernel]
    public let standardPort: Int? = 2049
    /// NFSv3 has no extended attributes, and NFSv4.2 has those of `user.` only.
    public let keepsFileCapabilities = false

    public let putsPathOnCommandLine = true

    /// `root=nfs:` divides by colons, commas and blanks and knows no escape for them.
    public func objection(to netroot: String) -> String? {
        let isBad = { (scalar: Unicode.Scalar) in
            scalar.value < 0x20 || scalar.value == 0x7F || " ,:\"'\\".unicodeScalars.contains(scalar)
        }
        if let scalar = netroot.unicodeScalars.first(where: isBad) {
            return PathObjection.holds(scalar, "the kernel command line cannot hold in an NFS root")
        }
        // MNTPATHLEN (RFC 1813, appendix I), less what lies below it: the generation and its root.
        let most = 1024 - 64
        return netroot.utf8.count <= most
            ? nil : "has \(netroot.utf8.count) bytes, and NFS has room for \(most)"
    }

    public func root(of offer: RootOffer) -> any BootRoot {
        NFSRoot(server: offer.address, path: offer.path, port: offer.server == Self.own ? offer.port : nil)
    }
}

/// Where a client mounts its root from.
public struct NFSRoot: BootRoot, Equatable {
    /// The server's address or host name, as the client reaches it.
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

    /// `root=nfs:…` (dracut.cmdline(7), nfs(5)).
    public func arguments(for client: RootClient) throws(KernelCommandLineError) -> [String] {
        guard path.hasPrefix("/") else { throw .badValue("the root's path", path) }
        for port in [port, mountPort].compactMap({ $0 }) { try KernelCommandLine.check(port: port) }
        let server = try KernelCommandLine.checked(server: server)
        // mount.nfs(8) takes the family of the address from the name of the protocol.
        let tcp = server.isIPv6 ? "tcp6" : "tcp"
        var options = ["vers=3", "proto=\(tcp)", "mountproto=\(tcp)"]
        if let port { options += ["port=\(port)", "mountport=\(mountPort ?? port)"] }
        // There is no lock manager before the root is there, and a read-only root needs none.
        options.append("nolock")
        // A generation never changes, so the client need not ask again whether it did: 1,725 GETATTRs a boot become none.
        if !client.rw { options += ["nocto", "actimeo=86400"] }
        let path = try KernelCommandLine.checked(path, "the root's path")
        return ["root=nfs:\(server.beforeColon):\(path):\(options.joined(separator: ","))"]
    }
}
