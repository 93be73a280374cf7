import Glibc
import NetrootSystem
import Testing

/// `pack`: any tree alone.
@Suite struct PackVerbTests {
    let scratch: Scratch

    init() throws {
        scratch = try Scratch()
        try scratch.write("tree/etc/motd", "hello\n")
        try scratch.write("tree/text", String(repeating: "the same again\n", count: 20_000))
    }

    private func pack(_ arguments: String..., environment: [String: String] = [:]) async throws -> Outcome {
        try await run(
            [Place.netroot, "pack"] + arguments,
            environment: ["NETROOT_CACHE": scratch.path + "/cache"].merging(environment) { $1 },
            folder: scratch.path)
    }

    @Test func theReportSaysWhatItIs() async throws {
        let cold = try await pack("tree", "image")
        expectSuccess(cold)
        #expect(
            cold.output.hasPrefix(
                "\(scratch.path)/image\n4096 bytes, 1.4 % of 300006; 4 files\n1 blocks, 0 of them from the cache; "))
        let warm = try await pack("tree", "warm", "--json")
        expectSuccess(warm)
        for words in [
            "\"bytes\" : 4096", "\"unpackedBytes\" : 300006", "\"files\" : 4", "\"blocks\" : 1", "\"cachedBlocks\" : 1",
        ] {
            #expect(warm.output.contains(words), "\(words) in \(warm.output)")
        }
        #expect(try Files.read(scratch.path + "/image") == Files.read(scratch.path + "/warm"))
        let listing = try await run(["unsquashfs", "-s", scratch.path + "/image"])
        #expect(listing.output.contains("compression-level 9") && listing.output.contains("Block size 1048576"))
        #expect(listing.output.contains("exportable via NFS"))
    }

    @Test func anInitramfsIsAnArchive() async throws {
        let packed = try await pack("tree", "archive", "--format", "initramfs", "--compression", "xz:1")
        expectSuccess(packed)
        #expect(packed.output.contains("; 3 files\n") && !packed.output.contains("blocks"))
        let list = try await run(["sh", "-c", "xz -dc archive | cpio -it --quiet"], folder: scratch.path)
        #expect(list.output == "etc\ntext\netc/motd\n")
        let integrity = try await run(["xz", "--robot", "-l", "archive"], folder: scratch.path)
        #expect(integrity.output.contains("CRC32"))
    }

    @Test func settingsAndNoCache() async throws {
        expectSuccess(try await pack("tree", "image", "--compression", "xz:3", "--block-size", "64k", "--no-cache"))
        #expect(!Files.exists(scratch.path + "/cache"))
        let listing = try await run(["unsquashfs", "-s", scratch.path + "/image"])
        #expect(listing.output.contains("Compression xz") && listing.output.contains("Block size 65536"))
        expectSuccess(try await pack("tree", "image", "--cache", "other"))
        #expect(try Files.names(in: scratch.path + "/other/blocks").filter { $0.hasSuffix(".pack") }.count == 1)
        expectSuccess(try await pack("tree", "image", "--cache", "third", "--cache-size", "0"))
        #expect(!Files.exists(scratch.path + "/third"))
    }

    @Test(arguments: [
        (["--compression", "lzo"], "unknown compression 'lzo'"),
        (["--compression", "zstd:23"], "zstd has no level '23'"),
        (["--compression", "lz4:3"], "lz4 has no levels"), (["--block-size", "2m"], "is not a block size of squashfs"),
        (["--block-size", "5000"], "is not a block size of squashfs"), (["--block-size", "2k"], "4k to 1m"),
        (["--cache-size", "much"], "is not a size"),
    ])
    func settingsOutOfRange(options: [String], words: String) async throws {
        let outcome = try await run([Place.netroot, "pack", "tree", "image"] + options, folder: scratch.path)
        #expect(outcome.status == 64 && outcome.output.isEmpty)
        #expect(outcome.errors.contains(words), "\(outcome.errors)")
        #expect(!Files.exists(scratch.path + "/image"))
    }

    @Test func wrongPlaces() async throws {
        expectError(try await pack("nothing", "image"), .usage, ["\(scratch.path)/nothing is not a directory"])
        expectError(try await pack("tree/text", "image"), .usage, ["tree/text is not a directory"])
        expectError(try await pack("tree", "tree/etc/image"), .usage, ["is inside the tree"])
        expectError(
            try await pack("tree", "no/such/folder/image"), .failed,
            ["cannot write \(scratch.path)/no/such/folder/image"])
        expectError(try await pack("tree", "tree"), .failed, ["cannot write \(scratch.path)/tree", "directory"])
        expectError(
            try await pack("tree", "image", environment: ["SOURCE_DATE_EPOCH": "today"]), .usage,
            ["SOURCE_DATE_EPOCH is 'today'"])
        #expect(!Files.exists(scratch.path + "/image"))
    }

    @Test func aSignalLeavesNothing() async throws {
        let shell =
            "i=0; while [ $i -lt 12 ]; do head -c 1000000 /dev/urandom | od -An -tx1 > tree/$i; i=$((i+1)); done"
        _ = try await run(["sh", "-c", shell], folder: scratch.path)
        let program = try RunningProgram(
            [Place.netroot, "pack", "tree", "image", "--no-cache", "--compression", "xz:9"], folder: scratch.path)
        let begun = try await eventually {
            try Files.names(in: scratch.path).contains { $0.hasPrefix("image.netroot-new-") }
        }
        #expect(begun)
        program.signal(SIGTERM)
        let outcome = try await program.outcome()
        #expect(outcome.status == 130, "\(outcome.errors)")
        #expect(try Files.names(in: scratch.path) == ["tree"])
    }

    @Test("A lastlog of 292 GB is packed; with blocks of 4 KiB its name and the limit are said, and nothing is left")
    func lastlog() async throws {
        try scratch.write("tree/lastlog", "")
        try SystemError.check("grow", "lastlog", truncate(scratch.path + "/tree/lastlog", 292_057_776_128))
        expectSuccess(try await pack("tree", "image"))
        let listing = try await run(["unsquashfs", "-lln", scratch.path + "/image"])
        #expect(listing.output.contains(" 292057776128 "))
        unlink(scratch.path + "/image")
        let before = try Files.names(in: scratch.path)
        let refused = try await pack("tree", "image", "--block-size", "4k")
        expectError(refused, .failed, ["/tree/lastlog", "more than 67108864 blocks of 4096 bytes", "--block-size"])
        #expect(try Files.names(in: scratch.path) == before)
    }
}
