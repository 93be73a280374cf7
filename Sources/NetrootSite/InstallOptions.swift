public import NetrootConfig
import NetrootEntry
import NetrootStore
import NetrootSystem

/// Who serves an NFS root.
public enum NFSServerKind: String, Codable, Sendable, CaseIterable {
    /// netroot's own server: NFS and MOUNT on one port.
    case netroot
    /// The kernel's nfsd, with rpcbind.
    case kernel
}

/// What an install says about server, clients and site files; kept beside the generations, so that the next install
/// of the label says the same unless it is told otherwise. One set for all of the label's transports.
public struct InstallOptions: Codable, Sendable, Equatable {
    /// The server's address as the clients reach it; QEMU's user network has the host at 10.0.2.2.
    public var address = "10.0.2.2"
    /// The port of netroot's own NFS server.
    public var port = 2049
    /// The port of nbd-server.
    public var nbdPort = NBDRoot.standardPort
    /// The port of tgtd.
    public var iscsiPort = ISCSIRoot.standardPort
    /// The port of nginx: images, and what iPXE loads.
    public var httpPort = 8080
    /// Who serves the NFS root.
    public var server = NFSServerKind.netroot
    /// Who may have the root: as exports(5) names clients; addresses and networks only, beside `*`, for NBD and HTTP.
    public var clients = ["*"]
    /// newc archives, and directories that are packed into one, appended to the initramfs; absolute paths.
    public var append: [String] = []

    /// For clients of netroot's own server in QEMU's user network, without site files.
    public init() {}

    /// What a file of another version lacks is as by default.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        address = try values.decodeIfPresent(String.self, forKey: .address) ?? address
        port = try values.decodeIfPresent(Int.self, forKey: .port) ?? port
        nbdPort = try values.decodeIfPresent(Int.self, forKey: .nbdPort) ?? nbdPort
        iscsiPort = try values.decodeIfPresent(Int.self, forKey: .iscsiPort) ?? iscsiPort
        httpPort = try values.decodeIfPresent(Int.self, forKey: .httpPort) ?? httpPort
        server = try values.decodeIfPresent(NFSServerKind.self, forKey: .server) ?? server
        clients = try values.decodeIfPresent([String].self, forKey: .clients) ?? clients
        append = try values.decodeIfPresent([String].self, forKey: .append) ?? append
    }

    /// The name is from when NFS was the only transport.
    static func path(_ label: Label) -> String { label.netroot + "/installnfs.json" }

    /// The options of the last install; nil where there was none.
    /// - Throws: `SystemError`, `BootError.damagedOptions`.
    public static func last(_ label: Label) throws -> InstallOptions? {
        let path = path(label)
        guard Files.exists(path) else { return nil }
        do {
            return try JSON.value(InstallOptions.self, from: try Files.read(path))
        } catch is DecodingError {
            throw BootError.damagedOptions(path: path)
        }
    }

    /// The URL of the TFTP root as nginx serves it, without a slash at its end.
    var httpBase: String { httpPort == 80 ? "http://\(address)" : "http://\(address):\(httpPort)" }
}
