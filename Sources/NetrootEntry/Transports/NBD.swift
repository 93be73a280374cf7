public import NetrootConfig

/// Network block device: the blocks of an image.
public struct NBD: Transport {
    public init() {}

    public let name = TransportName(rawValue: "nbd")
    public let needs = TransportNeeds(
        programs: [
            .init("nbd-client", "nbd-client", [.rpm: "nbd", .suse: "nbd", .pacman: "nbd"]),
            .init("perl", "perl-base", [.rpm: "perl-interpreter", .pacman: "perl"]),
        ],
        dracutModules: [.init("nbd", "dracut-network", [.suse: "dracut", .pacman: "dracut"])],
        kernelModules: ["nbd", "squashfs"],
        ours: [
            "*/netroot-nbd.sh", "*/netroot-nbd-keep", "*/hooks/netroot/*nbd-port.sh",
            "*/hooks/pre-mount/*nbd-keep.sh",
        ])
    public let servers = [TransportServer("nbd-server", serves: [.squashfs])]
    public let standardPort: Int? = NBDRoot.standardPort
    public let missingOverIPv6: String? =
        "a client does not connect again when nbd-server was away: do not restart it under running clients"

    /// The name of a generation's export: as long as it is asked for, its image stays the same.
    public static func exportName(_ label: String, _ generation: Int) -> String { "\(label)-\(generation)" }

    public func exportName(_ label: String, _ generation: Int) -> String? { Self.exportName(label, generation) }

    /// In nbd-server's configuration a value ends with the line, and a backslash begins an escape.
    public func objection(to netroot: String) -> String? {
        netroot.first { $0.isNewline || $0 == "\\" || $0.unicodeScalars.contains { $0.value < 0x20 } }
            .flatMap(\.unicodeScalars.first)
            .map { PathObjection.holds($0, "nbd-server's configuration cannot hold in a path") }
    }

    public func root(of offer: RootOffer) -> any BootRoot {
        NBDRoot(
            server: offer.address, export: Self.exportName(offer.label, offer.generation),
            port: offer.port ?? NBDRoot.standardPort)
    }
}

/// A squashfs image as a network block device.
public struct NBDRoot: BootRoot, Equatable {
    /// The port that IANA gave NBD.
    public static let standardPort = 10809

    /// The server's address or host name, as the client reaches it.
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

    /// `root=nbd:…` (dracut.cmdline(7)).
    public func arguments(for client: RootClient) throws(KernelCommandLineError) -> [String] {
        try KernelCommandLine.check(port: port)
        let server = try KernelCommandLine.checked(server: server)
        guard !server.isIPv6 || port == Self.standardPort else {
            throw .notOverIPv6(
                transport: "nbd", what: "has no place for the port \(port)",
                next: "let nbd-server listen on \(Self.standardPort), or give an IPv4 address")
        }
        let export = try KernelCommandLine.checked(export, "the export")
        return ["root=nbd:\(server.beforeColon):\(export):squashfs:ro"]
            + (port == Self.standardPort ? [] : ["rd.netroot.nbdport=\(port)"])
    }
}
