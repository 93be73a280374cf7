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

    @Test(arguments: [("gzip", "gzip"), ("zstd", "zstd"), ("xz", "xz")])
    func microcodeAndCompressedArchive(tool: String, format: String) async throws {
        let scratch = try ScratchDirectory()
        try main().write(toFile: scratch.path + "/main")
        _ = try await scratch.output(tool, ["-k", "main"])
        let suffix = ["gzip": "gz", "zstd": "zst", "xz": "xz"][tool]!
        let compressed = try Files.read("\(scratch.path)/main.\(suffix)")
        let path = try scratch.write("initrd", try microcode() + compressed)
        let initramfs = try await Initramfs.open(path) { String(decoding: $0, as: UTF8.self).hasSuffix("nfs.ko.xz") }
        #expect(initramfs.segments.map(\.compression) == [.uncompressed, Compression(rawValue: format)])
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
        for bytes: [UInt8] in [[], Array("MZ".utf8), try microcode() + [0xFF], [0x02, 0x21, 0x4C, 0x18, 0, 0]] {
            let path = try scratch.write("initrd", bytes)
            await #expect(throws: InitramfsError.self) { try await Initramfs.open(path) }
        }
        let zeros = try scratch.write("zeros", [UInt8](repeating: 0, count: 4096))
        await #expect(throws: InitramfsError.self) { try await Initramfs.open(zeros) }
        await #expect(throws: SystemError.self) { try await Initramfs.open(scratch.path + "/none") }
        await #expect(throws: SystemError.self) { try await Initramfs.open(scratch.path) }
    }

    @Test(arguments: ["gzip", "zstd", "xz"])
    func rejectsDamage(tool: String) async throws {
        let scratch = try ScratchDirectory()
        try main().write(toFile: scratch.path + "/main")
        let suffix = ["gzip": "gz", "zstd": "zst", "xz": "xz"][tool]!
        _ = try await scratch.output(tool, ["-k", "main"])
        let whole = try Files.read("\(scratch.path)/main.\(suffix)")
        let cut = try scratch.write("cut", Array(whole.dropLast(20)))
        let error = await #expect(throws: InitramfsError.self) { try await Initramfs.open(cut) }
        guard case .damaged(_, tool, _)? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        // A compressed stream of something else.
        let text = try scratch.write("text", Array("no archive at all, but text".utf8))
        _ = try await scratch.output(tool, ["-k", "text"])
        await #expect(throws: InitramfsError.self) { try await Initramfs.open("\(text).\(suffix)") }
        // An archive that is cut off before it was compressed: the decompressor is content, the reader is not.
        _ = try scratch.write("half", Array(try main().bytes().dropLast(700)))
        _ = try await scratch.output(tool, ["-k", "half"])
        await #expect(throws: NewcError.self) { try await Initramfs.open("\(scratch.path)/half.\(suffix)") }
    }
}
