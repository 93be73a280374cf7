public import NetrootConfig

/// iSCSI: the blocks of an image, as a SCSI disk.
public struct ISCSI: Transport {
    public init() {}

    public let name = TransportName(rawValue: "iscsi")
    public let needs = TransportNeeds(
        programs: [
            .init("iscsiadm", "open-iscsi", [.rpm: "iscsi-initiator-utils"]),
            .init("iscsid", "open-iscsi", [.rpm: "iscsi-initiator-utils"]),
        ],
        dracutModules: [.init("iscsi", "dracut-network", [.suse: "dracut", .pacman: "dracut"])],
        kernelModules: ["iscsi_tcp", "sd_mod", "squashfs"],
        ours: [
            "*/hooks/netroot/*iscsi-record.sh", "*/hooks/initqueue/settled/*iscsi-failed.sh",
            "*/hooks/pre-pivot/*iscsi-leave.sh",
        ])
    public let servers = [TransportServer("tgt", serves: [.squashfs])]
    public let standardPort: Int? = ISCSIRoot.standardPort

    /// The name of a generation's target (RFC 7143, 4.2.7.5): lower case, of a domain that nobody can have (RFC 2606).
    public static func targetName(_ label: String, _ generation: Int) -> String {
        "iqn.2026-11.invalid.netroot:" + label.lowercased().map { $0 == "_" ? "-" : "\($0)" }.joined()
            + "-\(generation)"
    }

    public func exportName(_ label: String, _ generation: Int) -> String? { Self.targetName(label, generation) }

    /// targets.conf(5) divides by blanks and knows no quotes.
    public func objection(to netroot: String) -> String? {
        netroot.unicodeScalars.first { $0.value <= 0x20 || $0.value == 0x7F || "<>#\"\\".unicodeScalars.contains($0) }
            .map { PathObjection.holds($0, "tgt's configuration cannot hold in a path") }
    }

    public func root(of offer: RootOffer) -> any BootRoot {
        ISCSIRoot(
            server: offer.address, target: Self.targetName(offer.label, offer.generation),
            port: offer.port ?? ISCSIRoot.standardPort)
    }
}

/// A squashfs image as a SCSI disk.
public struct ISCSIRoot: BootRoot, Equatable {
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

    /// `netroot=iscsi:…` (dracut.cmdline(7)), and the disk by the name that udev gives it.
    public func arguments(for client: RootClient) throws(KernelCommandLineError) -> [String] {
        try KernelCommandLine.check(port: port)
        let server = try KernelCommandLine.checked(server: server)
        // iscsiroot.sh of dracut 059 and 106 asks iscsiadm for ADDRESS:PORT without brackets around the address.
        guard !server.isIPv6 else {
            throw .notOverIPv6(
                transport: "iscsi", what: "does not work with dracut",
                next: "give an IPv4 address, or install nfs, nbd or http")
        }
        let isName =
            target.hasPrefix("iqn.")
            && target.utf8.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte) || "-.:".utf8.contains(byte)
            }
        guard isName else { throw .badValue("the target", target) }
        let disk = "ip-\(server):\(port)-iscsi-\(target)-lun-\(Self.unit)"
        // No initiator's name: each client makes its own, for two of one name end each other's sessions.
        return [
            "netroot=iscsi:\(server)::\(port):\(Self.unit):\(target)", "root=/dev/disk/by-path/\(disk)",
            "rootfstype=squashfs", "rd.neednet=1",
        ]
    }
}
