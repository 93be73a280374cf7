import NetrootSystem
import TestSupport
import Testing

@testable import NetrootImage

@Suite struct LayerCheckTests {
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

    private func check(
        _ blob: String, _ digest: String, limit: UInt64 = 1 << 30
    ) async throws -> (layer: LayerCheck.Layer, dropped: Int) {
        var check = LayerCheck(keepsDevices: false)
        let layer = try await check.copy(
            blob, layer: "the layer", digest: digest, limit: limit, to: scratch.path + "/out")
        return (layer, check.droppedDevices)
    }

    private func message(_ blob: String, _ digest: String, limit: UInt64 = 1 << 30) async -> String {
        do {
            _ = try await check(blob, digest, limit: limit)
            return "no error"
        } catch {
            return "\(error)"
        }
    }

    /// Each compression gives the same archive, which GNU tar reads; its digest is the file's.
    @Test(arguments: [[], ["gzip", "-cn"], ["zstd", "-cq"], ["xz", "-c"]])
    func compressions(compressor: [String]) async throws {
        let (layer, dropped) = try await check(try await blob(sample(), compressor), try digest(sample()))
        #expect(layer.entries == 2 && dropped == 1)
        let written = try Files.read(scratch.path + "/out")
        #expect(layer.size == UInt64(written.count))
        #expect(layer.digest == (try digest(written)))
        #expect(layer.digest.hasPrefix("sha256:") && layer.digest.utf8.count == 71)
        #expect(try await scratch.output("tar", ["-tf", "out"]) == "a/b\n")
        let sum = try await scratch.output("sha256sum", ["out"])
        #expect("sha256:" + sum.prefix { $0 != " " } == layer.digest)
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
            #expect(try Files.size(scratch.path + "/out") <= 16 << 20)
        }
    }
}
