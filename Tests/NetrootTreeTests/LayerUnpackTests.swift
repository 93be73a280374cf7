import Glibc
import NetrootSystem
import TestSupport
import Testing

@testable import NetrootImage
@testable import NetrootTree

@Suite struct LayerUnpackTests {
    let scratch: ScratchDirectory

    init() throws { scratch = try ScratchDirectory() }

    private func digest(_ bytes: [UInt8]) throws -> String {
        try bytes.withUnsafeBytes { try SHA256Hasher().digest($0) }.text
    }

    private func sample() -> [UInt8] {
        var sample = LayerSample()
        sample.add("./a//b", "0", content: String(repeating: "content ", count: 100_000))
        sample.add("dev/null", "3")
        return sample.whole
    }

    /// Writes a blob, compressed by a reference tool.
    private func blob(_ bytes: [UInt8], _ compressor: [String]) async throws -> String {
        let plain = try scratch.write("plain", bytes)
        guard let tool = compressor.first else { return plain }
        _ = try await scratch.output(
            "sh",
            ["-c", "out=$1; shift; \"$@\" >\"$out\"", "sh", scratch.path + "/blob", tool] + compressor.dropFirst(),
            input: plain)
        return scratch.path + "/blob"
    }

    private var root: String { scratch.path + "/root" }

    /// Unpacks one layer into a new root.
    private func unpack(_ blob: String, _ digest: String, limit: UInt64 = 1 << 30) async throws -> LayerUnpack.Report {
        _ = try await scratch.output("rm", ["-rf", "root"])
        try Files.makeDirectory(root)
        var unpack = try LayerUnpack(directory: root, keepsDevices: false)
        try await unpack.add(blob, layer: "the layer", digest: digest, limit: limit)
        return try unpack.finish()
    }

    private func message(_ blob: String, _ digest: String, limit: UInt64 = 1 << 30) async -> String {
        do {
            _ = try await unpack(blob, digest, limit: limit)
            return "no error"
        } catch {
            return "\(error)"
        }
    }

    @Test(arguments: [[], ["gzip", "-cn"], ["zstd", "-cq"], ["xz", "-c"]])
    func compressions(compressor: [String]) async throws {
        try #require(geteuid() == 0, "owners need root")
        let report = try await unpack(try await blob(sample(), compressor), try digest(sample()))
        #expect(report == .init(devices: 1, xattrs: 0))
        #expect(try await scratch.output("find", ["root", "-printf", "%P %y %s,"]).contains("a/b f 800000,"))
        #expect(try Files.read(root + "/a/b") == Array(String(repeating: "content ", count: 100_000).utf8))
        #expect(try Files.names(in: root + "/dev") == [])
    }

    @Test func anotherLayerThanTheConfigurationSays() async throws {
        let zeros = "sha256:" + String(repeating: "0", count: 64)
        let text = await message(try await blob(sample(), ["gzip", "-cn"]), zeros)
        #expect(text.hasPrefix("the layer: its content is sha256:") && text.contains("configuration says \(zeros)"))
        // What stands behind the end belongs to the archive.
        let longer = await message(try await blob(sample() + [1], []), try digest(sample()))
        #expect(longer.contains("its content is"))
    }

    @Test func damagedStreams() async throws {
        let digest = try digest(sample())
        for (tool, length) in [("gzip", 600), ("zstd", 40), ("xz", 100)] {
            let whole = try Files.read(try await blob(sample(), [tool, tool == "zstd" ? "-cq" : "-c"]))
            let cut = await message(try scratch.write("cut", Array(whole.prefix(length))), digest)
            #expect(cut.contains("the archive is cut off") || cut.contains("\(tool) cannot decompress it"), "\(cut)")
            var wrong = whole
            for index in (length / 2)..<(length / 2 + 8) { wrong[index] ^= 0x55 }
            let damaged = await message(try scratch.write("wrong", wrong), digest)
            #expect(damaged != "no error" && damaged.hasPrefix("the layer: "), "\(damaged)")
        }
        #expect(await message(try scratch.write("short", [0x1F]), digest).contains("cut off"))
    }

    /// 200 MB of zeros in a few kilobytes, within a member and behind the end: it stops at the limit.
    @Test(.timeLimit(.minutes(5)))
    func archivesWithoutEnd() async throws {
        var sample = LayerSample()
        sample.add(LayerSample.block(Array("large".utf8), "0", size: LayerSample.octal(1 << 30)))
        for start in [sample.bytes, [UInt8](repeating: 0, count: 1024)] {
            let file = try scratch.write("start", start)
            _ = try await scratch.output(
                "sh", ["-c", "{ cat \"$1\"; head -c 200000000 /dev/zero; } | zstd -cq >bomb", "sh", file])
            #expect(try Files.size(scratch.path + "/bomb") < 200_000)
            let text = await message(scratch.path + "/bomb", "sha256:", limit: 16 << 20)
            #expect(
                text
                    == "the layer: more than the 16 MiB that are free for it, uncompressed; free space, or use another image"
            )
            let written = Files.exists(root + "/large") ? try Files.size(root + "/large") : 0
            #expect(written <= 16 << 20)
        }
    }

    /// The check is not asked: whatever it might let through, the writer leaves the root by no name.
    @Test func theWriterHoldsWithoutTheCheck() throws {
        try #require(geteuid() == 0, "owners need root")
        let outside = scratch.path + "/outside"
        try Files.makeDirectory(outside)
        try Files.replace(outside + "/victim", with: Array("untouched".utf8))
        try Files.makeDirectory(root)
        var writer = try LayerWriter(root)
        func entry(_ path: String, _ kind: TarEntry.Kind = .regular) -> TarEntry {
            TarEntry(path: Array(path.utf8), kind: kind, mode: 0o644, uid: 0, gid: 0, mtime: 0, size: 0)
        }
        try writer.make(entry("out", .symlink(to: Array("../outside".utf8))))
        try writer.make(entry("absolute", .symlink(to: Array(outside.utf8))))
        try writer.make(entry("d", .directory))
        let names = [
            "out/victim", "absolute/victim", "../outside/victim", "d/../../outside/victim", "..", ".", "", "/", "d/..",
            "out/new", "out", "d", "/out", "d/../../outside/new", "/proc/self/root/etc/x", "out/..",
        ]
        for name in names {
            let path = Array(name.utf8)
            for kind in [.regular, .directory, .symlink(to: [0x78]), .fifo, .hardLink(to: Array("out".utf8))]
                as [TarEntry.Kind]
            {
                #expect(throws: SystemError.self, "\(name) \(kind)") { try writer.make(entry(name, kind)) }
            }
            #expect(throws: SystemError.self, "\(name)") { try writer.makeDirectory(path, modified: 0) }
            if !["out", "/out", "d"].contains(name) {
                for isDirectory in [false, true] {
                    #expect(throws: SystemError.self, "\(name)") { try writer.remove(path, isDirectory: isDirectory) }
                }
            }
        }
        for target in ["out/victim", "../outside/victim", outside + "/victim", "", ".."] {
            #expect(throws: SystemError.self) { try writer.make(entry("h", .hardLink(to: Array(target.utf8)))) }
        }
        #expect(throws: SystemError.self) {
            try writer.change(entry("out", .directory))
            _ = try writer.finish()
        }
        #expect(try Files.names(in: outside) == ["victim"])
        #expect(try Files.text(outside + "/victim") == "untouched")
        #expect(try Files.names(in: scratch.path) == ["outside", "root"])
        #expect(try Files.names(in: root) == ["absolute", "d", "out"])
    }
}
