import FoundationEssentials
import Glibc
import NetrootConfig
import NetrootImage
import NetrootStore
import NetrootSystem
import Testing

/// `inspect` on images, archives and generations of a few files, whole and damaged.
@Suite struct InspectVerbTests {
    let scratch: Scratch

    init() throws {
        scratch = try Scratch()
        try scratch.writeHosts("a", "b")
    }

    struct Sized: Decodable, Equatable {
        var path: String
        var bytes: Int
    }

    struct FileRow: Decodable {
        struct Tree: Decodable {
            var files, directories, symlinks, devices, others, hardLinks, unpackedBytes, kernelModules: Int
            var kernels: [String]
            var largestFiles: [Sized]
            var largestDirectories: [Sized]
        }
        struct Image: Decodable {
            var compression: String
            var level: Int?
            var blockSize, inodes: Int
        }
        struct Archive: Decodable, Equatable {
            var compression: String
            var offset, archives, entries, bytes: Int
        }
        struct Part: Decodable {
            var kind: String?
            var bytes: Int
        }
        var kind: String
        var path: String
        var parts: [Part]?
        var packedBytes: Int?
        var image: Image?
        var archives: [Archive]?
        var dracutModules: [String]?
        var tree: Tree
    }

    struct GenerationRow: Decodable {
        var kind, label, format, kernel: String
        var generation: Int
        var bytes: [String: Int]
        var root: FileRow
        var image: FileRow?
        var initramfs: FileRow
    }

    private func inspect(_ path: String, _ options: String..., limit: Int = 60) async throws -> Outcome {
        try await CommandTests.run([Place.netroot, "inspect", path] + options, folder: scratch.path, limit: limit)
    }

    /// A tree of five files, one of them with two names.
    private func tree() throws -> String {
        try scratch.write("tree/etc/hostname", "client\n")
        try scratch.write("tree/usr/lib/modules/6.1.0-1/kernel/fs/nfs.ko", String(repeating: "m", count: 9000))
        try scratch.write("tree/usr/lib/modules/6.1.0-1/kernel/net/e1000.ko.xz", "x")
        try scratch.write("tree/usr/lib/modules/6.1.0-1/modules.dep", "")
        try scratch.write("tree/usr/bin/tool", String(repeating: "tool", count: 30_000))
        #expect(link(scratch.path + "/tree/usr/bin/tool", scratch.path + "/tree/usr/bin/other") == 0)
        #expect(symlink("usr/lib", scratch.path + "/tree/lib") == 0)
        #expect(mkfifo(scratch.path + "/tree/fifo", 0o600) == 0)
        return scratch.path + "/tree"
    }

    private func image(_ name: String = "root.squashfs", _ options: [String] = ["-b", "4096"]) async throws -> String {
        let image = "\(scratch.path)/\(name)"
        let argv = ["mksquashfs", try tree(), image, "-noappend", "-quiet", "-no-progress", "-comp", "zstd"]
        expectSuccess(try await CommandTests.run(argv + ["-p", "console c 600 0 0 5 1"] + options))
        return image
    }

    private func initramfs() throws -> [UInt8] {
        let early = try NewcArchive(entries: [NewcEntry("kernel/x86/microcode/x.bin", .bytes([1, 2, 3]))]).bytes()
        let main = try NewcArchive(entries: [
            NewcEntry("usr/lib/dracut/modules.txt", .bytes(Array("base\nnfs\n".utf8))),
            NewcEntry("usr/lib/modules/6.1.0-1/kernel/fs/nfs/nfs.ko.xz", .bytes([1])),
        ]).bytes()
        return early + main
    }

    private func expectTree(_ tree: FileRow.Tree, devices: Int) {
        #expect(tree.files == 5 && tree.symlinks == 1 && tree.others == 1 && tree.hardLinks == 1)
        #expect(tree.devices == devices && tree.directories == 10 && tree.unpackedBytes == 7 + 9000 + 1 + 120_000)
        #expect(tree.kernels == ["6.1.0-1"] && tree.kernelModules == 2)
        let first = tree.largestFiles.prefix(2)
        #expect(["/usr/bin/tool", "/usr/bin/other"].contains(first.first?.path) && first.first?.bytes == 120_000)
        #expect(first.last == Sized(path: "/usr/lib/modules/6.1.0-1/kernel/fs/nfs.ko", bytes: 9000))
        #expect(tree.largestDirectories.prefix(2).map(\.bytes) == [129_001, 120_000])
        #expect(tree.largestDirectories.prefix(2).map(\.path) == ["/usr", "/usr/bin"])
    }

    @Test func aSquashfsImage() async throws {
        let path = try await image("x.img", ["-b", "65536", "-Xcompression-level", "5"])
        let row = try expectJSON(FileRow.self, try await inspect(path, "--json"))
        #expect(row.kind == "squashfs" && row.path == path)
        #expect(row.image?.compression == "zstd" && row.image?.level == 5 && row.image?.blockSize == 65536)
        // Five files, ten directories, a symlink, a FIFO, a device.
        #expect(row.image?.inodes == 18)
        #expect((97...Int(try Files.size(path))).contains(row.packedBytes ?? 0))
        expectTree(row.tree, devices: 1)
        let text = try await inspect("./x.img")
        expectSuccess(text)
        #expect(text.output.contains("squashfs, zstd:5, blocks of 65536 bytes"))
        #expect(text.output.contains("5 files, 10 directories, 1 symlinks, 1 devices"))
    }

    /// By the reference implementation's tool.
    @Test func aSIFFile() async throws {
        let path = scratch.path + "/x.sif"
        for arguments in [
            ["new", path], ["add", "--datatype", "3", path, scratch.hosts],
            ["add", "--datatype", "4", "--partfs", "1", "--parttype", "2", "--partarch", "2", path, try await image()],
        ] { expectSuccess(try await CommandTests.run(["siftool"] + arguments)) }
        let row = try expectJSON(FileRow.self, try await inspect(path, "--json"))
        #expect(
            row.kind == "sif" && row.image?.compression == "zstd" && row.parts?.map(\.kind) == ["labels", "partition"])
        #expect(row.parts?.first?.bytes == Int(try Files.size(scratch.hosts)))
        expectTree(row.tree, devices: 1)
        let text = try await inspect(path)
        #expect(text.output.contains("SIF, its root squashfs, zstd") && text.output.contains("object 2: partition, "))
        let ext3 = scratch.path + "/ext3.sif"
        for arguments in [
            ["new", ext3],
            ["add", "--datatype", "4", "--partfs", "2", "--parttype", "2", "--partarch", "2", ext3, scratch.hosts],
        ] { expectSuccess(try await CommandTests.run(["siftool"] + arguments)) }
        expectError(try await inspect(ext3), .failed, ["ext3.sif: its root is an ext3 filesystem, not squashfs"])
    }

    @Test func anInitramfsOfSeveralArchives() async throws {
        let bytes = try initramfs()
        let path = try scratch.write("initrd.img", bytes: bytes)
        let row = try expectJSON(FileRow.self, try await inspect(path, "--json"))
        #expect(row.kind == "initramfs" && row.packedBytes == bytes.count && row.dracutModules == ["base", "nfs"])
        #expect(row.archives?.map(\.archives) == [2] && row.archives?.first?.compression == "none")
        #expect(row.tree.kernels == ["6.1.0-1"] && row.tree.kernelModules == 1 && row.tree.files == 3)
        expectSuccess(try await CommandTests.run(["gzip", "-k", path]))
        let packed = try Files.read(path + ".gz")
        let early = try NewcArchive(entries: [NewcEntry("early", .bytes([1]))]).bytes()
        let both = try scratch.write("both.img", bytes: early + packed)
        let other = try expectJSON(FileRow.self, try await inspect(both, "--json"))
        #expect(other.archives?.map(\.compression) == ["none", "gzip"])
        #expect(other.archives?.map(\.archives) == [1, 2])
        #expect(other.archives?.last?.bytes == bytes.count && other.archives?.last?.offset == early.count)
        #expect(try await inspect("both.img").output.contains("dracut: base nfs"))
    }

    /// A generation with a tree, and one with an image alone; by label, by directory, through `current`.
    @Test func generations() async throws {
        let label = try scratch.label("a")
        let generation = try await Fabricated.generation(of: label)
        try Files.replace(generation.initramfs!, with: try initramfs())
        for subject in ["a", generation.directory, scratch.path + "/netroots/a/current"] {
            let row = try expectJSON(GenerationRow.self, try await scratch.run("inspect", subject, "--json"))
            #expect(row.kind == "generation" && row.label == "a" && row.generation == 1 && row.format == "tree")
            #expect(row.kernel == "6.1.0-1" && row.root.kind == "tree" && row.image == nil)
            #expect(row.root.tree.files == 1 && row.initramfs.dracutModules == ["base", "nfs"])
            #expect(row.bytes["vmlinuz"] == 8 && row.bytes["root"] == 6)
        }
        try Files.move(try await image(), to: generation.image)
        var manifest = generation.manifest
        manifest.formats = ["squashfs"]
        manifest.artifacts.removeAll { $0.kind == .tree }
        manifest.artifacts.append(.init(.squashfs, bytes: 1, sha256: String(repeating: "0", count: 64)))
        try scratch.store("a").rewrite(manifest, of: generation)
        let row = try expectJSON(GenerationRow.self, try await scratch.run("inspect", "a", "--json"))
        #expect(row.format == "squashfs" && row.root.kind == "squashfs" && row.image == nil)
        expectTree(row.root.tree, devices: 1)
        let text = try await scratch.run("inspect", "a")
        expectSuccess(text)
        #expect(text.output.hasPrefix("a: generation 1, squashfs\n"))
    }

    @Test func whatIsNothingOfThatIsNamed() async throws {
        let text = try scratch.write("some.txt", "a text\n")
        expectError(try await inspect(text), .failed, [text, "it is text"])
        expectError(try await inspect(try scratch.write("empty", "")), .failed, ["/empty", "it is empty"])
        let noise = try scratch.write("noise", bytes: [0x9A, 0, 1, 2, 3, 4, 5, 6, 7])
        expectError(try await inspect(noise), .failed, ["bytes 9a 00 01 02 03 04 05 06"])
        expectError(try await inspect(try scratch.write("kernel", "MZ...")), .failed, ["a kernel or an EFI program"])
        expectError(try await inspect("/dev/null"), .failed, ["/dev/null", "a device"])
        try Files.makeDirectory(scratch.path + "/folder")
        expectError(try await inspect("./folder"), .failed, ["/folder is not a generation", "manifest.json"])
        expectError(try await inspect("./absent"), .failed, ["/absent", "No such file"])
        expectError(try await scratch.run("inspect", "absent"), .usage, ["no label 'absent'", "labels: a, b"])
        expectError(try await scratch.run("inspect", "b"), .failed, ["b has no generation yet"])
        expectError(try await inspect("absent"), .usage, ["no label 'absent'"])
        let gzip = try scratch.write("data.gz", bytes: [0x1F, 0x8B, 8, 0, 0, 0])
        expectError(try await inspect(gzip), .failed, ["data.gz", "gzip"])
        let cut = try scratch.write("cut.cpio", bytes: Array(try initramfs().dropLast(700)))
        expectError(try await inspect(cut), .failed, ["cut.cpio", "cut off"])
    }

    /// A name that is not a label is a file, also where there is no hosts file.
    @Test func aNameWithoutSlashMayBeAFile() async throws {
        let name = try await image().split(separator: "/").last.map(String.init) ?? ""
        expectSuccess(try await scratch.run("inspect", name))
        #expect(unlink(scratch.hosts) == 0)
        expectSuccess(try await inspect(name))
    }

    /// The corpus of `SquashfsDamageTests`, in a sample, through the program.
    @Test func damagedImagesAreAResultOrAnError() async throws {
        let path = try await image("damaged.squashfs", ["-b", "4096", "-noI", "-noId", "-noX"])
        let bytes = try Files.read(path)
        var changes: [(Int, Int)] = stride(from: 0, to: bytes.count, by: 4096).map { ($0, 4096) }
        // Every 13th byte of the superblock and the tables behind the data.
        changes += stride(from: 0, to: 96, by: 13).map { ($0, 1) }
        changes += stride(from: max(0, bytes.count - 6000), to: bytes.count, by: 131).map { ($0, 1) }
        var failed = 0
        for (start, count) in changes {
            var changed = bytes
            for index in start..<min(start + count, bytes.count) { changed[index] = ~changed[index] }
            try Files.replace(path, with: changed)
            let outcome = try await inspect(path, "--json", limit: 20)
            if outcome.status == 0 { continue }
            expectError(outcome, .failed, ["damaged.squashfs"])
            failed += 1
        }
        #expect(failed > 8)
        for size in stride(from: 4096, to: bytes.count - 4096, by: 4096) {
            try Files.replace(path, with: Array(bytes[..<size]))
            expectError(try await inspect(path), .failed, ["damaged.squashfs is cut off: \(size) bytes of"])
        }
    }
}
