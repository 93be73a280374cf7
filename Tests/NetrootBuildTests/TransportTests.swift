import NetrootConfig
import NetrootEntry
import NetrootImage
import NetrootStore
import NetrootSystem
import NetrootTree
import TestSupport
import Testing

@testable import NetrootBuild

@Suite struct TransportTests {
    static let version = "6.1.0-test"
    static let modules = "usr/lib/modules/\(version)/kernel/"
    static let common = [
        "usr/lib/dracut/hooks/pre-pivot/05-rootovl.sh", modules + "fs/overlayfs/overlay.ko",
        modules + "drivers/net/virtio_net.ko", "usr/sbin/netroot", "usr/lib/dracut/hooks/pre-pivot/06-net.sh",
        "usr/lib/netroot-wait.sh",
    ]
    static let files: [String: [String]] = [
        "nfs": ["usr/sbin/mount.nfs", modules + "fs/nfs/nfs.ko", modules + "fs/nfs/nfsv3.ko"],
        "nbd": [
            "usr/sbin/nbd-client", modules + "drivers/block/nbd.ko.xz", modules + "fs/squashfs/squashfs.ko",
            "usr/bin/perl", "usr/bin/netroot-nbd-keep", "usr/lib/netroot-nbd.sh",
            "usr/lib/dracut/hooks/netroot/10-nbd-port.sh", "usr/lib/dracut/hooks/pre-mount/10-nbd-keep.sh",
        ],
        "http": [
            "usr/bin/curl", modules + "drivers/block/loop.ko", modules + "fs/squashfs/squashfs.ko.zst",
            "usr/lib/netroot-http.sh", "var/lib/dracut/hooks/netroot/10-http-ram.sh",
            "var/lib/dracut/hooks/mount/00-http-mount.sh",
        ],
        "iscsi": [
            "usr/sbin/iscsiadm", "usr/sbin/iscsid", modules + "drivers/scsi/iscsi_tcp.ko",
            modules + "drivers/scsi/sd_mod.ko", modules + "fs/squashfs/squashfs.ko",
            "usr/lib/dracut/hooks/netroot/10-iscsi-record.sh",
            "usr/lib/dracut/hooks/initqueue/settled/20-iscsi-failed.sh",
            "usr/lib/dracut/hooks/pre-pivot/01-iscsi-leave.sh",
        ],
    ]
    static let dracut: [String: [String]] = [
        "nfs": ["nfs"], "nbd": ["nbd"], "http": ["livenet", "dmsquash-live"], "iscsi": ["iscsi"],
    ]

    /// An initramfs for these transports without the files whose paths end so, and without a module of dracut.
    func contents(
        _ transports: [String], lacking: String? = nil, dracutLacking: String? = nil, builtin: String? = nil
    ) async throws -> InitramfsContents {
        let names = transports.flatMap { Self.dracut[$0] ?? [] }.filter { $0 != dracutLacking } + ["netroot-rootovl"]
        let files = Set(Self.common + transports.flatMap { Self.files[$0] ?? [] })
        var entries = files.filter { file in lacking.map { !file.contains($0) } ?? true }.sorted()
            .map { NewcEntry($0, .bytes([0])) }
        let list = names.joined(separator: "\n") + "\n"
        entries.append(NewcEntry("usr/lib/dracut/modules.txt", .bytes(Array(list.utf8))))
        if let builtin {
            entries.append(
                NewcEntry("usr/lib/modules/\(Self.version)/modules.builtin", .bytes(Array("\(builtin)\n".utf8))))
        }
        let scratch = try ScratchDirectory()
        let path = try scratch.write("initramfs", try NewcArchive(entries: entries).bytes())
        return try await Initramfs.open(path).contents
    }

    func reason(_ contents: InitramfsContents, _ transports: [String]) -> String? {
        KernelPair.reasonToReject(contents, version: Self.version, transports: transports.map(transport))
    }

    func transport(_ name: String) -> any Transport { Transports.shipped[TransportName(rawValue: name)]! }

    /// Those whose initramfs dracut makes.
    static let names = Transports.shipped.known.filter { $0.loads == .initramfs }.map(\.name.rawValue)

    @Test func aWholeInitramfsIsTakenForEachAndForAll() async throws {
        for transports in Self.names.map({ [$0] }) + [Self.names] {
            #expect(reason(try await contents(transports), transports) == nil)
        }
    }

    @Test("A network driver that is built into the kernel is as good as one that is a file")
    func builtinNetworkDriver() async throws {
        for (builtin, reason) in [
            (nil, "it lacks every network driver"), ("kernel/drivers/net/tun.ko", "it lacks every network driver"),
            ("kernel/drivers/net/virtio_net.ko", nil),
        ] as [(String?, String?)] {
            let contents = try await contents(["nfs"], lacking: "drivers/net", builtin: builtin)
            #expect(self.reason(contents, ["nfs"]) == reason)
        }
    }

    @Test(arguments: names)
    func oneForAnotherTransportIsRefused(_ transport: String) async throws {
        let others = Self.names.filter { $0 != transport }
        let reason = try #require(reason(try await contents(others), Self.names))
        #expect(reason.hasPrefix("for the transport \(transport) it lacks "))
    }

    @Test(arguments: [
        ("nfs", "mount.nfs", "mount.nfs (nfs-common)"), ("nfs", "nfsv3", "the kernel module nfsv3"),
        ("nbd", "nbd-client", "nbd-client (nbd-client)"), ("nbd", "nbd.ko", "the kernel module nbd"),
        ("nbd", "bin/perl", "perl (perl-base)"), ("nbd", "nbd-port.sh", "nbd-port.sh of netroot's dracut modules"),
        ("nbd", "netroot-nbd-keep", "netroot-nbd-keep of netroot's dracut modules"),
        ("nbd", "10-nbd-keep.sh", "nbd-keep.sh of netroot's dracut modules"),
        ("http", "bin/curl", "curl (curl)"), ("http", "loop.ko", "the kernel module loop"),
        ("http", "squashfs", "the kernel module squashfs"),
        ("http", "http-mount", "http-mount.sh of netroot's dracut modules"),
    ])
    func whatIsMissingIsNamed(_ transport: String, _ file: String, _ words: String) async throws {
        let found = reason(try await contents([transport], lacking: file), [transport])
        #expect(found == "for the transport \(transport) it lacks \(words)")
    }

    @Test func aMissingModuleOfDracutNamesItsPackage() async throws {
        let found = reason(try await contents(["http"], dracutLacking: "livenet"), ["http"])
        #expect(found == "for the transport http it lacks dracut's module livenet (dracut-live)")
    }

    @Test(arguments: names)
    func aRootWithoutTheProgramIsNamedBeforeDracutRuns(_ transport: String) throws {
        let scratch = try ScratchDirectory()
        let tree = RootTree(directory: scratch.path)
        try tree.makeDirectory("usr/bin")
        let needs = self.transport(transport).needs
        for program in needs.programs {
            #expect(try needs.missing(in: tree) == program)
            try tree.write("usr/bin/\(program.name)", "", mode: 0o755)
        }
        #expect(try needs.missing(in: tree) == nil)
    }

    @Test func aRootGetsTheConfigurationOfItsTransportsAndLosesTheOthers() throws {
        let scratch = try ScratchDirectory()
        let names = ["netroot.conf"] + Self.names.map { "netroot-\($0).conf" }
        for name in names { try scratch.write("dracut-modules/\(name)", name) }
        let tree = RootTree(directory: scratch.path + "/root")
        try tree.write("etc/dracut.conf.d/site.conf", "kept")
        func laid(_ transports: [String]) throws -> [String] {
            try Customise(
                tree: tree, shipped: ShippedFiles(directory: scratch.path),
                transports: transports.map { TransportName(rawValue: $0) }
            ).dracut()
            return try tree.names(in: "etc/dracut.conf.d")
        }
        #expect(try laid(["http", "nfs"]) == ["netroot-http.conf", "netroot-nfs.conf", "netroot.conf", "site.conf"])
        #expect(try laid(["nbd"]) == ["netroot-nbd.conf", "netroot.conf", "site.conf"])
    }

    @Test(arguments: names)
    func everyTransportHasItsConfiguration(_ transport: String) throws {
        let text = try Files.text("\(Checkout.path)/dracut-modules/netroot-\(transport).conf")
        for module in self.transport(transport).needs.dracutModules { #expect(text.contains(" \(module.name) ")) }
    }
}
