import NetrootConfig
import NetrootStore
import NetrootSystem
import NetrootTree
import TestSupport
import Testing

@testable import NetrootBuild

@Suite struct SizeBoundsTests {
    private func bounds(_ lines: String) throws -> SizeBounds {
        let file = try HostsFile(text: "[a]\nRECIPE = r.def\n" + lines, path: "/h.conf", transports: ["nfs", .ram])
        return SizeBounds(of: try file.label("a"))
    }

    private let archive = Manifest.Artifact(
        .rescue, bytes: 100 << 20,
        archive: .init(layout: .squashfs, compression: "zstd:9", unpackedBytes: 400 << 20, leastRAM: 440 << 20))
    private let tree = Manifest.Artifact(.tree, bytes: 400 << 20)
    private let kernel = Manifest.Artifact(.kernel, bytes: 900 << 20)

    @Test("Images and archives are bounded, or the tree where there is nothing else; never the kernel")
    func size() throws {
        let bounds = try bounds("MAX_SIZE = 100m")
        #expect(bounds.exceeded(by: [kernel, archive, tree]) == nil)
        let image = Manifest.Artifact(.squashfs, bytes: 100 << 20 + 1)
        #expect(bounds.exceeded(by: [kernel, archive, image])?.what == "root.squashfs has")
        #expect(
            "\(try #require(bounds.exceeded(by: [image])))".hasPrefix(
                "root.squashfs has 100.1 MiB, more than MAX_SIZE = 100.0 MiB"))
        #expect(bounds.exceeded(by: [kernel, tree])?.what == "tree/root has")
        #expect(try self.bounds("").exceeded(by: [kernel, archive, tree, image]) == nil)
    }

    @Test("MAX_RAM bounds what an archive needs")
    func ram() throws {
        #expect(try bounds("MAX_RAM = 440m").exceeded(by: [archive]) == nil)
        let error = try #require(try bounds("MAX_RAM = 439m").exceeded(by: [archive]))
        #expect("\(error)".hasPrefix("rescue.cpio.zst needs 440.0 MiB, more than MAX_RAM = 439.0 MiB"))
        #expect(error.exitStatus == .failed)
    }
}

@Suite struct HostModulesTests {
    @Test("host keeps what this machine has loaded and the root's kernel knows; with nothing loaded it is an error")
    func loaded() throws {
        let scratch = try ScratchDirectory()
        let hosts = try HostsFile(
            text: "[a]\nRECIPE = r.def\nKERNEL_MODULES = host\n", path: "/h.conf", transports: ["nfs", .ram])
        let label = try hosts.label("a")
        let inRoot = RootCommand(root: scratch.path, shipped: ShippedFiles(directory: Checkout.path))
        let runner = CommandRunner()
        let pair = KernelPair(
            tree: RootTree(directory: scratch.path), inRoot: inRoot, runner: runner, transports: [])
        var shrink = Shrink(label: label, inRoot: inRoot, runner: runner, pair: pair, progress: Progress())
        shrink.loadedModules = scratch.path + "/modules"
        let graph = ModuleGraph(
            dep: "kernel/a/virtio_net.ko: kernel/a/failover.ko\nkernel/a/failover.ko:\nkernel/a/snd.ko:\n",
            softdep: "", weakdep: "", alias: "", builtin: "kernel/fs/ext4.ko\n")
        let words = try #require(label.kernelModules)
        func kept() throws -> Set<String> { try ModuleShrink(shrink, version: "6.1").kept(words, graph) }
        try scratch.write(
            "modules", "virtio_net 1 0 - Live 0x0\next4 2 1 failover, Live 0x0\nzfs 3 0 - Live 0x0 (PO)\n")
        #expect(try kept() == ["virtio_net", "failover"])
        try scratch.write("modules", "")
        let error = try #require(throws: ConfigError.self) { try kept() }
        #expect(error.line == 3 && error.description.contains("this machine has no modules loaded"))
    }
}

@Suite struct ShrinkWordsTests {
    @Test func numbers() {
        #expect([0, 999, 1000, 4023, 1_234_567].map(Shrink.count) == ["0", "999", "1,000", "4,023", "1,234,567"])
        #expect(Shrink.size(244_090_000) == "244.1 MB")
    }

    @Test("Each line of the list of common modules is words, and each word is a pattern or excludes one")
    func defaultModules() throws {
        let words = try ShippedFiles(directory: Checkout.path).words(of: "default-modules")
        #expect(words.count > 200 && Set(words).count == words.count, "none is there twice")
        #expect(words.allSatisfy { $0 != "-" && !$0.hasPrefix("/") && !$0.contains("#") })
    }
}
