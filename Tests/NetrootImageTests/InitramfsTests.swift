import NetrootSystem
import TestSupport
import Testing

@testable import NetrootImage

@Suite struct InitramfsTests {
    private func microcode() throws -> [UInt8] {
        try NewcArchive(entries: [NewcEntry("kernel/x86/microcode/GenuineIntel.bin", .bytes([1, 2, 3]))]).bytes()
    }

    private func main() throws -> NewcArchive {
        try NewcArchive(entries: [
            NewcEntry("usr/lib/dracut/modules.txt", .bytes(Array("base\nnfs\nrootovl\n".utf8))),
            NewcEntry("usr/lib/modules/6.1.0-1/kernel/fs/nfs/nfs.ko.xz", .bytes([1])),
            NewcEntry("usr/lib/modules/6.1.0-1/kernel/drivers/net/virtio-net.ko", .bytes([1])),
            NewcEntry(
                "usr/lib/modules/6.1.0-1/modules.builtin", .bytes(Array("kernel/fs/overlayfs/over-lay.ko\n".utf8))),
            // dracut's modsign: a directory beside the kernels'.
            NewcEntry("usr/lib/modules/keys/site.x509", .bytes([1])),
            NewcEntry("lib", .symlink(Array("usr/lib".utf8))),
        ])
    }

    /// Each way in which the kernel takes a segment, by the program that makes it.
    static let programs: [(format: Compression, command: [String])] = [
        (.gzip, ["gzip", "-c"]), (.zstd, ["zstd", "-qc"]), (.xz, ["xz", "-c", "--check=crc32"]),
        (.bzip2, ["bzip2", "-c"]), (.lzma, ["xz", "-c", "--format=lzma"]), (.lzo, ["lzop", "-c"]),
        (.lz4, ["lz4", "-lc"]),
    ]
    static let formats = programs.map(\.format)

    static func compressed(_ format: Compression, _ bytes: [UInt8], in scratch: ScratchDirectory) async throws
        -> [UInt8]
    {
        let command = try #require(Self.programs.first { $0.format == format }).command
        _ = try scratch.write("plain", bytes)
        // Their output is no text.
        _ = try await scratch.output(
            "sh", ["-c", "out=$1; shift; exec \"$@\" <plain >\"$out\"", "sh", "packed"] + command)
        return try Files.read(scratch.path + "/packed")
    }

    @Test(arguments: formats)
    func microcodeAndCompressedArchive(format: Compression) async throws {
        let scratch = try ScratchDirectory()
        let compressed = try await Self.compressed(format, main().bytes(), in: scratch)
        let path = try scratch.write("initrd", try microcode() + compressed)
        let initramfs = try await Initramfs.open(path) { String(decoding: $0, as: UTF8.self).hasSuffix("nfs.ko.xz") }
        #expect(initramfs.segments.map(\.compression) == [.uncompressed, format])
        #expect(initramfs.segments.map(\.entries) == [4, 17])
        #expect(initramfs.segments.map(\.offset) == [0, UInt64(try microcode().count)])
        let contents = initramfs.contents
        #expect(contents.kernelVersions == ["6.1.0-1"])
        #expect(contents.dracutModules == ["base", "nfs", "rootovl"])
        #expect(contents.hasDracutModule("rootovl"))
        #expect(!contents.hasDracutModule("root"))
        #expect(contents.kernelModules == ["nfs", "virtio_net"])
        #expect(contents.hasKernelModule("virtio-net"))
        #expect(contents.hasKernelModule("over_lay"))
        #expect(!contents.hasKernelModule("nfsv3"))
        #expect(contents.hasFile(matching: "*/microcode/*.bin"))
        #expect(!contents.hasFile(matching: "microcode"))
        #expect(contents["usr/lib/modules/6.1.0-1/kernel/fs/nfs/nfs.ko.xz"]?.content == [1])
    }

    @Test("Segments follow each other padded and unpadded, and each is read to its own end", arguments: formats)
    func concatenated(format: Compression) async throws {
        let scratch = try ScratchDirectory()
        var bytes = try microcode()
        // Larger than what is read in one piece, and no multiple of anything.
        let large = try NewcArchive(entries: [NewcEntry("large", .bytes(PackSample.noise(700_001)))]).bytes()
        bytes += try await Self.compressed(format, large, in: scratch)
        // What follows lz4's blocks directly would be the length of one: zeros end it.
        bytes += [UInt8](repeating: 0, count: format == .lz4 ? 5 : 0)
        bytes += try await Self.compressed(format, main().bytes(), in: scratch)
        bytes += [UInt8](repeating: 0, count: 512 + (4 - bytes.count % 4) % 4)
        bytes += try microcode()
        bytes += [UInt8](repeating: 0, count: 7)
        bytes += try await Self.compressed(.gzip, microcode() + [0, 0, 0, 0] + main().bytes(), in: scratch)
        let initramfs = try await Initramfs.open(try scratch.write("initrd", bytes + [0, 0, 0]))
        #expect(initramfs.segments.map(\.compression) == [.uncompressed, format, format, .uncompressed, .gzip])
        #expect(initramfs.segments.map(\.archives) == [1, 1, 1, 1, 2])
        #expect(initramfs.contents["large"]?.size == 700_001)
        #expect(initramfs.contents.kernelModules == ["nfs", "virtio_net"])
    }

    @Test("An archive of 070702 is read and its checksums are held against the files")
    func checksums() async throws {
        let scratch = try ScratchDirectory()
        try Files.makeDirectory(scratch.path + "/d")
        try Files.replace(scratch.path + "/d/f", with: PackSample.noise(5000))
        let names = try scratch.write("names", Array("d\nd/f\n".utf8))
        _ = try await scratch.output("cpio", ["-o", "-H", "crc", "--quiet", "-F", "initrd"], input: names)
        let initramfs = try await Initramfs.open(scratch.path + "/initrd")
        #expect(initramfs.contents["d/f"]?.size == 5000)
        var bytes = try Files.read(scratch.path + "/initrd")
        bytes[400] ^= 1
        _ = try scratch.write("initrd", bytes)
        let error = await #expect(throws: NewcError.self) { try await Initramfs.open(scratch.path + "/initrd") }
        #expect(error?.description.contains("d/f has another checksum") == true)
    }

    @Test("Entries that the kernel drops are dropped, and names filled up with NULs end at the first")
    func droppedEntries() async throws {
        let scratch = try ScratchDirectory()
        func entry(_ name: [UInt8], _ mode: UInt32, _ content: [UInt8]) -> [UInt8] {
            var fields = NewcFields()
            fields.mode = mode
            fields.size = UInt32(content.count)
            fields.nameSize = UInt32(name.count)
            var bytes = fields.bytes + name
            bytes += [UInt8](repeating: 0, count: (4 - bytes.count % 4) % 4) + content
            return bytes + [UInt8](repeating: 0, count: (4 - bytes.count % 4) % 4)
        }
        let long = [UInt8](repeating: 0x61, count: 5000) + [0]
        var bytes = entry(long, 0o100644, [1, 2, 3]) + entry([], 0o100644, [4])
        bytes += entry(Array("odd\0".utf8), 0o170644, [5, 6]) + entry(Array("link\0".utf8), 0o120777, long)
        bytes += entry(Array("kept\0\0\0\0".utf8), 0o100644, [7]) + entry(Array("TRAILER!!!\0\0\0".utf8), 0, [])
        let initramfs = try await Initramfs.open(try scratch.write("initrd", bytes))
        #expect(initramfs.contents.entries.map { String(decoding: $0.path, as: UTF8.self) } == ["kept"])
    }

    @Test("A network driver that is built into the kernel counts, and what is no card's driver does not")
    func builtinDrivers() {
        func contents(_ list: String, _ text: String) -> InitramfsContents {
            var contents = InitramfsContents()
            contents.append(
                NewcReader.Entry(
                    path: Array("usr/lib/modules/6.1.0/\(list)".utf8), isAbsolute: false, type: .regular, mode: 0o644,
                    uid: 0, gid: 0, mtime: 0, size: UInt64(text.utf8.count), start: 0, content: Array(text.utf8)))
            return contents
        }
        for driver in ["ethernet/intel/e1000e/e1000e", "virtio_net", "vmxnet3/vmxnet3", "usb/r8152"] {
            #expect(contents("modules.builtin", "kernel/a/b.ko\nkernel/drivers/net/\(driver).ko\n").hasNetworkDriver)
            let records = "a.license=GPL\0\(Files.name(driver)).file=drivers/net/\(driver)\0"
            #expect(contents("modules.builtin.modinfo", records).hasNetworkDriver)
            #expect(contents("modules.builtin.modinfo", records).hasKernelModule(Files.name(driver)))
        }
        for other in ["phy/libphy", "tun", "bonding/bonding", "mdio/fixed_phy"] {
            #expect(!contents("modules.builtin", "kernel/drivers/net/\(other).ko\n").hasNetworkDriver)
        }
        #expect(!InitramfsContents().hasNetworkDriver)
    }

    @Test("What unpacks to more than the bound ends there, in one segment or in many")
    func bombs() async throws {
        let scratch = try ScratchDirectory()
        var limits = NewcReader.Limits()
        limits.bytes = 8 << 20
        let zeros = [UInt8](repeating: 0, count: 3 << 20)
        for format in [Compression.zstd, .xz, .bzip2, .gzip] {
            let bomb = try await Self.compressed(format, microcode() + zeros, in: scratch)
            let path = try scratch.write("initrd", bomb + bomb)
            #expect(try await Initramfs.open(path, limits: limits).segments.count == 2)
            _ = try scratch.write("initrd", bomb + bomb + bomb)
            let error = await #expect(throws: NewcError.self) { try await Initramfs.open(path, limits: limits) }
            #expect(error?.description.contains("more than 8388608 bytes") == true)
        }
        limits.kept = 5000
        let names = try NewcArchive(
            entries: (0..<100).map { NewcEntry("\($0)" + String(repeating: "n", count: 100), .bytes([])) })
        let path = try scratch.write("initrd", try names.bytes())
        let error = await #expect(throws: NewcError.self) { try await Initramfs.open(path, limits: limits) }
        #expect(error?.description.contains("names") == true)
    }

    @Test func laterEntryReplacesEarlier() async throws {
        let scratch = try ScratchDirectory()
        let later = try NewcArchive(entries: [NewcEntry("usr/lib/dracut/modules.txt", .bytes(Array("x".utf8)))])
        let path = try scratch.write("initrd", try main().bytes() + later.bytes())
        let initramfs = try await Initramfs.open(path)
        #expect(initramfs.segments.map(\.compression) == [.uncompressed])
        #expect(initramfs.contents.dracutModules == ["x"])
    }

    @Test func rejectsWhatIsNoInitramfs() async throws {
        let scratch = try ScratchDirectory()
        for bytes: [UInt8] in [[], Array("MZ".utf8), try microcode() + [0xFF]] {
            let path = try scratch.write("initrd", bytes)
            await #expect(throws: InitramfsError.self) { try await Initramfs.open(path) }
        }
        let hollow = try scratch.write("hollow", [0x02, 0x21, 0x4C, 0x18, 0, 0])
        await #expect(throws: NewcError.self) { try await Initramfs.open(hollow) }
        let zeros = try scratch.write("zeros", [UInt8](repeating: 0, count: 4096))
        await #expect(throws: InitramfsError.self) { try await Initramfs.open(zeros) }
        await #expect(throws: SystemError.self) { try await Initramfs.open(scratch.path + "/none") }
        await #expect(throws: SystemError.self) { try await Initramfs.open(scratch.path) }
    }

    @Test(arguments: formats)
    func rejectsDamage(format: Compression) async throws {
        let scratch = try ScratchDirectory()
        let whole = try await Self.compressed(format, main().bytes(), in: scratch)
        let cut = try scratch.write("cut", Array(whole.dropLast(20)))
        let error = await #expect(throws: InitramfsError.self) { try await Initramfs.open(cut) }
        guard case .damaged(_, format, 0, _)? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        // A compressed stream of something else.
        let text = try await Self.compressed(format, Array("no archive at all, but text".utf8), in: scratch)
        _ = try scratch.write("text", text)
        await #expect(throws: InitramfsError.self) { try await Initramfs.open("\(scratch.path)/text") }
        // An archive that is cut off before it was compressed: the decompressor is content, the reader is not.
        let half = try await Self.compressed(format, Array(try main().bytes().dropLast(700)), in: scratch)
        _ = try scratch.write("half", half)
        await #expect(throws: NewcError.self) { try await Initramfs.open("\(scratch.path)/half") }
    }
}
