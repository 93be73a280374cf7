import NetrootSystem
import TestSupport
import Testing

@testable import NetrootTree

/// A kernel's modules as depmod writes them down.
private let graph = ModuleGraph(
    dep: """
        kernel/drivers/net/virtio_net.ko.xz: kernel/net/core/failover.ko.xz kernel/drivers/net/net_failover.ko.xz
        kernel/net/core/failover.ko.xz:
        kernel/drivers/net/net_failover.ko.xz: kernel/net/core/failover.ko.xz
        kernel/drivers/net/ethernet/intel/e1000/e1000.ko.xz:
        kernel/drivers/net/ethernet/realtek/r8169.ko.xz:
        kernel/drivers/net/phy/realtek.ko.xz:
        kernel/fs/btrfs/btrfs.ko.xz: kernel/lib/raid6/raid6_pq.ko.xz
        kernel/lib/raid6/raid6_pq.ko.xz:
        kernel/crypto/crc32c_generic.ko.xz:
        kernel/arch/x86/crypto/crc32c-intel.ko.xz:
        kernel/crypto/xxhash_generic.ko.xz:
        kernel/fs/nls/nls_iso8859-1.ko.xz:
        kernel/sound/core/snd.ko.xz:
        updates/dkms/own.ko:
        """,
    softdep: "# comment\nsoftdep btrfs pre: crypto-crc32c\nsoftdep btrfs xxhash64\nsoftdep r8169 pre: realtek\n",
    weakdep: "weakdep snd own\n",
    alias: "alias crypto-crc32c crc32c_generic\nalias crypto-crc32c crc32c_intel\nalias xxhash64 xxhash_generic\n"
        + "alias pci:v00008086d*sv* e1000\n",
    builtin: "kernel/drivers/block/loop.ko\nkernel/fs/ext4/ext4.ko\n")

@Suite struct ModuleGraphTests {
    @Test("Dependencies, soft and weak ones, by aliases and with - for _, are followed to their end")
    func closure() {
        #expect(graph.closure(of: ["virtio_net"]) == ["virtio_net", "failover", "net_failover"])
        #expect(
            graph.closure(of: ["btrfs"]) == ["btrfs", "raid6_pq", "crc32c_generic", "crc32c_intel", "xxhash_generic"])
        #expect(graph.closure(of: ["r8169", "snd"]) == ["r8169", "realtek", "snd", "own"])
        #expect(graph.closure(of: ["loop", "nothing"]) == [])
        #expect(graph.users(of: "failover", among: ["virtio_net", "e1000"]) == ["virtio_net"])
        #expect(graph.directories.contains("drivers/net/ethernet/intel/"))
    }
}

@Suite struct ModuleRulesTests {
    private func choice(_ words: String...) -> ModuleRules.Choice {
        ModuleRules(words.map { ModuleRules.Rule($0) }).choice(of: graph)
    }

    private static let lastMatchWinsCases: [([String], [String]?)] = [
        (["virtio-net"], ["virtio_net"]), (["crc32c*"], ["crc32c_generic", "crc32c_intel"]),
        (["nls_iso8859-1"], ["nls_iso8859_1"]), (["nls_iso8859_1"], ["nls_iso8859_1"]),
        (["drivers/net/ethernet/**"], ["e1000", "r8169"]), (["drivers/net/ethernet/"], ["e1000", "r8169"]),
        (["kernel/drivers/net/ethernet"], ["e1000", "r8169"]),
        (["drivers/net/*"], ["virtio_net", "net_failover", "e1000", "r8169", "realtek"]),
        (["drivers/net/virtio_net"], ["virtio_net"]), (["updates/"], ["own"]),
        (["drivers/net/", "-drivers/net/ethernet/", "r[1-8]*"], ["virtio_net", "net_failover", "r8169", "realtek"]),
        (["e1000", "-e1000"], []), (["-e1000", "e1000", "-snd"], nil),
    ]

    @Test(arguments: lastMatchWinsCases)
    func lastMatchWins(words: [String], kept: [String]?) {
        let choice = ModuleRules(words.map { ModuleRules.Rule($0) }).choice(of: graph)
        let all = Set(graph.modules.keys)
        #expect(choice.kept == kept.map { Set($0) } ?? all.subtracting(["snd"]))
        #expect(choice.unmatched == [])
    }

    @Test("A pattern that means a built-in module alone is satisfied; one that means nothing is named")
    func unmatched() {
        #expect(choice("loop", "fs/ext4/", "virtio_nte", "-soud/", "e1000").unmatched == [2, 3])
        let rules = ModuleRules([ModuleRules.Rule(names: ["virtio-net", "foreign"]), ModuleRules.Rule("-failover")])
        let made = rules.choice(of: graph)
        #expect(made.kept == ["virtio_net"] && made.unmatched == [] && made.excluded == ["failover"])
    }
}

@Suite struct FirmwareTests {
    @Test("Names are wanted where the kernel looks, packed or not; patterns, microcode and radio rules count")
    func wanted() {
        var needs = FirmwareNeeds(hasRegulatory: true)
        for name in ["bnx2/a.fw", "qed/init-*.bin"] { needs.insert(name) }
        for path in [
            "bnx2/a.fw", "bnx2/a.fw.xz", "updates/bnx2/a.fw.zst", "6.1.0/bnx2/a.fw", "updates/6.1.0/bnx2/a.fw",
            "qed/init-8.bin.xz", "intel-ucode/06-01-02", "amd-ucode/x.bin", "regulatory.db", "regulatory.db.p7s",
        ] {
            #expect(needs.want(path, version: "6.1.0"), "\(path)")
        }
        for path in ["bnx2/b.fw", "a.fw", "x/bnx2/a.fw", "5.0/bnx2/a.fw", "qed/x/init-8.bin", "bnx2/a.fw.txt"] {
            #expect(!needs.want(path, version: "6.1.0"), "\(path)")
        }
        #expect(!FirmwareNeeds().want("regulatory.db", version: "6.1.0"))
    }

    private let sample: ScratchRoot
    private let tree: RootTree
    private let version = "6.1.0-fake"

    init() throws {
        sample = try ScratchRoot()
        tree = RootTree(directory: sample.root)
        for folder in ["usr/lib/firmware/bnx2", "usr/lib/firmware/nvidia/gp100", "usr/lib/modules/\(version)/kernel"] {
            try tree.makeDirectory(folder)
        }
        try sample.link("lib", "usr/lib")
    }

    @Test("A wanted symlink keeps what it leads to, also over another one, and a second name of a directory counts")
    func symlinks() throws {
        for path in [
            "bnx2/real.fw", "bnx2/other.fw", "nvidia/gp100/bl.bin", "nvidia/gp100/no.bin", "LICENCE", "rad/db",
        ] {
            try tree.write("usr/lib/firmware/\(path)", "1234567890")
        }
        try tree.write("etc/alternatives/x", "outside of the firmware")
        try sample.link("usr/lib/firmware/bnx2/a.fw", "b.fw")
        try sample.link("usr/lib/firmware/bnx2/b.fw", "/lib/firmware/bnx2/real.fw")
        try sample.link("usr/lib/firmware/nvidia/gp102", "gp100")
        try sample.link("usr/lib/firmware/regulatory.db", "/etc/alternatives/x")
        try sample.link("usr/lib/firmware/dangling", "nothing")
        var needs = FirmwareNeeds(hasRegulatory: true)
        for name in ["bnx2/a.fw", "nvidia/gp102/bl.bin"] { needs.insert(name) }
        let removed = try FirmwareFiles(of: tree).remove(allBut: needs, version: version)
        #expect(removed == RemovedFiles(kept: 6, removed: 5, bytes: 40))
        #expect(try tree.names(in: "lib/firmware/bnx2") == ["a.fw", "b.fw", "real.fw"])
        #expect(try tree.text("lib/firmware/bnx2/a.fw") == "1234567890")
        #expect(try tree.text("lib/firmware/nvidia/gp102/bl.bin") == "1234567890")
        #expect(try tree.names(in: "lib/firmware") == ["bnx2", "nvidia", "regulatory.db"], "what is empty is gone")
        #expect(
            try FirmwareFiles(of: RootTree(directory: sample.outside)).remove(allBut: needs, version: "x")
                == RemovedFiles())
    }

    @Test("The modules that stay say which firmware is wanted, and so do built-in drivers; other files of modules go")
    func modules() throws {
        let folder = "usr/lib/modules/\(version)"
        try tree.write("\(folder)/kernel/a/a.ko", FabricatedModule.bytes(["firmware=a.fw", "firmware=a-*.fw"]))
        try tree.write("\(folder)/kernel/b/b.ko", FabricatedModule.bytes(["firmware=b.fw"]))
        try tree.write("\(folder)/kernel/b/stray.ko", "no module at all, and in no list")
        try tree.write("\(folder)/modules.dep", "kernel/a/a.ko:\nkernel/b/b.ko:\n")
        try tree.write("\(folder)/modules.builtin.modinfo", "tg.license=GPL\0tg.firmware=tg/tg.bin\0")
        let files = ModuleFiles(of: tree, version: version)
        let graph = try #require(try files.graph())
        #expect(try files.remove(keeping: ["a", "gone"], of: graph).removed == 2)
        #expect(try tree.names(in: folder + "/kernel") == ["a"])
        #expect(try tree.contains(folder + "/modules.dep"))
        let needs = try files.firmware(of: ["a"], in: graph)
        #expect(["a.fw", "a-1.fw", "tg/tg.bin"].allSatisfy { needs.want($0, version: version) })
        #expect(!needs.want("b.fw", version: version) && !needs.want("regulatory.db", version: version))
        try tree.write("\(folder)/kernel/b/b.ko", "no module")
        #expect(throws: RootPathError.self) { try files.firmware(of: ["b"], in: graph) }
        #expect(try ModuleFiles(of: tree, version: "other").graph() == nil)
    }
}

@Suite struct PackageFilesTests {
    @Test("The bytes of a package are those of its files that are there, by the names that files have in a merged /usr")
    func dpkg() throws {
        let sample = try ScratchRoot()
        let tree = RootTree(directory: sample.root)
        try tree.write("usr/lib/libc.so.6", "1234567890")
        try tree.write("usr/bin/bash", "12345")
        try tree.write("etc/passwd", "nobody's")
        for name in ["bin", "lib"] { try sample.link(name, "usr/\(name)") }
        try tree.write("var/lib/dpkg/info/libc6:amd64.list", "/.\n/lib\n/lib/libc.so.6\n/usr/share/doc/gone\n")
        try tree.write("var/lib/dpkg/info/bash.list", "/bin/bash\n")
        #expect(try PackageFiles(dpkgIn: tree).bytes(in: tree) == ["libc6:amd64": 10, "bash": 5])
        #expect(try PackageFiles().bytes(in: tree) == [:])
    }

    @Test("pacman's lists are read up to their end")
    func pacman() throws {
        let sample = try ScratchRoot()
        let tree = RootTree(directory: sample.root)
        try tree.write("usr/bin/a-tool", "12345")
        try tree.write("etc/a.conf", "123")
        try tree.write(
            "var/lib/pacman/local/a-tool-1.0-1/files",
            "%FILES%\nusr/\nusr/bin/\nusr/bin/a-tool\n\n%BACKUP%\netc/a.conf\tx\n")
        #expect(try PackageFiles(pacmanIn: tree).bytes(in: tree) == ["a-tool": 5])
    }
}
