import Glibc
import NetrootConfig
import NetrootSystem
import TestSupport
import Testing

@testable import NetrootImage

@Suite(.serialized) struct MutatedInputImageTests {
    private static func archive() throws -> [UInt8] {
        try NewcArchive(entries: [
            NewcEntry("usr/lib/dracut/modules.txt", .bytes(Array("base\nnfs\n".utf8))),
            NewcEntry(
                "usr/lib/modules/6.1.0-1/modules.builtin", .bytes(Array("kernel/drivers/net/virtio_net.ko\n".utf8))),
            NewcEntry(
                "usr/lib/modules/6.1.0-1/modules.builtin.modinfo",
                .bytes(Array("nfs.file=fs/nfs/nfs\0nfs.license=GPL\0".utf8))),
            NewcEntry("usr/lib/modules/6.1.0-1/modules.dep", .bytes([])),
            NewcEntry("lib", .symlink(Array("usr/lib".utf8))),
            NewcEntry("dev/console", .characterDevice(major: 5, minor: 1)),
        ]).bytes()
    }

    private static let tokens = ["070701", "070702", "TRAILER!!!\0", "FFFFFFFF", "\0\0\0\0", "00000000"]

    private static func use(_ contents: InitramfsContents) {
        _ = (contents.kernelVersions, contents.dracutModules, contents.kernelModules)
        _ = (contents.hasNetworkDriver, contents.hasKernelModule("nfs"), contents.hasFile(matching: "*/nfs.ko*"))
    }

    @Test("The reader of newc archives takes or refuses what was changed in one")
    func newc() throws {
        let one = try Self.archive()
        try MutatedInput("newc archive", seeds: [one, one + one], tokens: Self.tokens).run { bytes in
            var contents = InitramfsContents()
            var reader = NewcReader(name: "x") { _ in true }
            let taken = try reader.read(bytes[...]) { contents.append($0) }
            try reader.finish()
            Self.use(contents)
            return taken == bytes.count
        }
    }

    @Test("The reader of initramfs files takes or refuses what was changed in one", arguments: InitramfsTests.formats)
    func initramfs(format: Compression) async throws {
        let scratch = try ScratchDirectory()
        let archive = try Self.archive()
        let packed = try await InitramfsTests.compressed(format, archive, in: scratch)
        let path = scratch.path + "/initrd"
        let seeds = [packed, archive + packed, packed + [0, 0, 0, 0] + packed]
        try await MutatedInput("initramfs, \(format.rawValue)", seeds: seeds, tokens: Self.tokens).runAsync { bytes in
            try overwrite(path, bytes)
            Self.use(try await Initramfs.open(path).contents)
            return true
        }
    }

    @Test("The reader of container layers takes or refuses what was changed in one")
    func layers() throws {
        var sample = LayerSample()
        sample.add("etc/", "5")
        sample.addExtended("x", Array("30 mtime=1350244992.023960108\n22 path=etc/long-name\n".utf8))
        sample.add("etc/hostname", "0", content: "client\n")
        sample.addExtended("L", Array("etc/another-long-name\0".utf8))
        sample.add("etc/x", "0", content: "x")
        sample.add("etc/link", "2", link: "../../outside")
        sample.add("etc/hard", "1", link: "etc/long-name")
        sample.add("etc/.wh.x", "0")
        sample.add("etc/.wh..wh..opq", "0")
        let tokens = [
            "ustar\0" + "00", "../", "/", ".wh.", "path=", "30 size=99999999999\n", "SCHILY.xattr.user.a=",
            "77777777777",
        ]
        let model: (any Error) -> Bool = { $0 is any ReportableError }
        try MutatedInput("container layer", seeds: [sample.whole], tokens: tokens, isError: model).run { bytes in
            // Half of them with sound checksums, or no change of a header would be seen.
            _ = try Checked.layers([bytes])
            return true
        }
        try MutatedInput("container layer, summed", seeds: [sample.whole], tokens: tokens, isError: model).run {
            bytes in
            var summed = bytes
            for start in stride(from: 0, to: bytes.count - 511, by: 512) where bytes[start + 257] == UInt8(ascii: "u") {
                summed.replaceSubrange(start..<start + 512, with: LayerSample.summed(Array(bytes[start..<start + 512])))
            }
            _ = try Checked.layers([summed])
            return true
        }
    }

    @Test("The reader of SIF files takes or refuses what was changed in one")
    func sif() async throws {
        let tree = try await SquashfsTree.withAttributes(isSmall: true)
        let image = try Files.read(try await tree.image("image", ["-comp", "zstd", "-b", "4096"]))
        var sample = SIFSample(image: image)
        sample.tableStart = 128
        sample.dataStart = 128 + 48 * 585
        let path = tree.scratch.path + "/mutated.sif"
        let whole = sample.bytes()
        // Header and descriptors are what it is about; the image is changed by the next test.
        let head = Array(whole.prefix(4096))
        let rest = whole.dropFirst(4096)
        try MutatedInput("SIF file", seeds: [head], tokens: ["SIF_MAGIC\0", "01\0"]).run { bytes in
            try overwrite(path, bytes + rest)
            let sif = try SIF(path)
            _ = try sif.openRoot().root()
            return true
        }
    }

    @Test("The reader of squashfs images takes or refuses what was changed in one", arguments: ["zstd", "gzip"])
    func squashfs(codec: String) async throws {
        let tree = try await SquashfsTree.withAttributes(isSmall: true)
        // Plain tables: what is changed gets to those who interpret it.
        let image = try Files.read(
            try await tree.image("image", ["-comp", codec, "-b", "4096", "-noI", "-noX", "-noId"]))
        let path = tree.scratch.path + "/mutated"
        let cache = SquashfsCache()
        try overwrite(path, image)
        let tables = Int(try SquashfsReader(path).superblock.inodeTable)
        // The data between them stays in place and is not interesting.
        let seed = Array(image[..<96]) + Array(image[tables...])
        try MutatedInput("squashfs image, \(codec)", seeds: [seed]).run { bytes in
            let head = bytes.prefix(96)
            try overwrite(path, head + image[96..<tables] + bytes.dropFirst(96))
            return try readAll(path, cache)
        }
    }

    private func readAll(_ path: String, _ cache: SquashfsCache) throws -> Bool {
        let reader = try SquashfsReader(path, cache: cache)
        var left = 1 << 20
        var isWhole = true
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
        defer { buffer.deallocate() }
        try reader.scan { directory in
            for inode in [directory.inode] + directory.entries.filter(\.isFirst).map(\.inode) {
                do {
                    _ = try reader.xattrs(of: inode)
                    guard inode.type == .regular, left > 0 else { continue }
                    let file = try reader.file(inode.reference)
                    left -= try reader.read(file, at: 0, into: buffer)
                    left -= try reader.read(file, at: file.size / 2, into: buffer)
                } catch is SquashfsReadError { isWhole = false }
            }
        }
        return isWhole
    }

    @Test("The readers of the cache of blocks take or pass over what was changed in it")
    func blockCache() async throws {
        let scratch = try ScratchDirectory()
        let tree = scratch.path + "/tree"
        try Files.makeDirectory(tree)
        for number in 0..<4 { try PackSample.put("\(tree)/\(number)", PackSample.text(5000 + number)) }
        // Older than any margin.
        try await Task.sleep(for: .seconds(SeenFiles.margin) + .milliseconds(300))
        var writer = SquashfsWriter(tree: tree, image: scratch.path + "/image")
        writer.blockSize = try BlockSize(parsing: "4k")
        writer.compression = try BlockCompression(parsing: "gzip:1")
        writer.cache = BlockCachePlace(cache: scratch.path + "/cache", limit: 1 << 20)
        _ = try await writer.write()
        let blocks = scratch.path + "/cache/blocks"
        let names = try Files.names(in: blocks)
        let pack = try #require(names.first { $0.hasSuffix(BlockCacheFile.suffix) })
        let hasher = try SHA256Hasher()
        let output = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 16)
        defer { output.deallocate() }
        let packPath = "\(blocks)/\(pack)"
        try MutatedInput("cache of blocks", seeds: [try Files.read(packPath)], tokens: ["nrblock1"]).run { bytes in
            try overwrite(packPath, bytes)
            guard let file = try BlockCacheFile(reading: packPath) else { return false }
            file.forEachRecord(hasher) { offset, header in
                _ = file.read(at: offset, length: header.length, key: header.key, into: output, hasher)
            }
            return !file.isDamaged
        }
        var scan = try PackScan(path: tree, cancelled: CancelFlag())
        try scan.run()
        func seen() throws -> SeenFiles {
            try SeenFiles(
                in: blocks, root: (UInt64(scan.device), UInt64(scan.tree.nodes[0].inode)),
                cutting: "4096 \(FragmentPlan.limit(blockSize: 4096))", clock: nil, isTrusted: true)
        }
        let seenPath = try seen().path
        try MutatedInput("digests of seen files", seeds: [try Files.read(seenPath)], tokens: ["nrseen01"]).run {
            bytes in
            try overwrite(seenPath, bytes)
            let files = try seen()
            for node in scan.tree.nodes where node.isRegular { _ = files.digests(of: node, count: 2) }
            return !files.isDamaged
        }
    }
}
