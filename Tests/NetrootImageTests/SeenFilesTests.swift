import Glibc
import NetrootConfig
import NetrootSystem
import TestSupport
import Testing

@testable import NetrootImage

/// The digests of files that are not read again: an image is always that of a pack without them.
@Suite struct SeenFilesTests {
    let scratch: ScratchDirectory
    var tree: String { scratch.path + "/tree" }
    var blocks: String { scratch.path + "/cache/blocks" }

    init() async throws {
        scratch = try ScratchDirectory()
        try Files.makeDirectory(tree)
        for number in 0..<20 { try PackSample.put("\(tree)/s\(number)", PackSample.text(9_000 + number)) }
        try PackSample.put(tree + "/large", PackSample.text(200_000) + PackSample.noise(100_000))
        try PackSample.put(tree + "/twin", PackSample.text(9_003))
        try PackSample.put(tree + "/zeros", [UInt8](repeating: 0, count: 300_000))
    }

    /// Older than any margin: what was written before is no longer racy.
    private func grow() async throws { try await Task.sleep(for: .seconds(SeenFiles.margin) + .milliseconds(300)) }

    private func pack(cache: Bool = true, tree: String? = nil) async throws -> (SquashfsWriter.Report, [UInt8]) {
        var writer = SquashfsWriter(tree: tree ?? self.tree, image: "\(scratch.path)/\(UInt64.random(in: 0...(.max)))")
        writer.compression = try BlockCompression(parsing: "zstd:1")
        writer.blockSize = try BlockSize(parsing: "64k")
        if cache { writer.cache = BlockCachePlace(cache: scratch.path + "/cache", limit: 1 << 30) }
        let report = try await writer.write()
        return (report, try Files.read(writer.image))
    }

    /// Packs with the cache and without: the same bytes.
    @discardableResult
    private func packBoth() async throws -> SquashfsWriter.Report {
        let (report, bytes) = try await pack()
        #expect(try await pack(cache: false).1 == bytes)
        return report
    }

    private func seen() throws -> [String] {
        try Files.names(in: blocks).filter { $0.hasSuffix(SeenFiles.suffix) }.map { "\(blocks)/\($0)" }
    }

    /// The paths of the files that a pack would not read.
    private func knownFiles() throws -> Set<String> {
        var scan = try PackScan(path: tree, cancelled: CancelFlag())
        try scan.run()
        let files = try SeenFiles(
            in: blocks, root: (UInt64(scan.device), UInt64(scan.tree.nodes[0].inode)),
            cutting: "65536 \(FragmentPlan.limit(blockSize: 65536))", clock: nil, isTrusted: true)
        var known: Set<String> = []
        for (index, node) in scan.tree.nodes.enumerated() where node.isRegular {
            for count in 1...6 where files.digests(of: node, count: count) != nil {
                known.insert(String(decoding: scan.tree.relativePath(index), as: UTF8.self))
            }
        }
        return known
    }

    @Test func unchangedFilesAreKnownAndRacyOnesAreNot() async throws {
        try await packBoth()
        // Written a moment before.
        #expect(try knownFiles() == [])
        try await grow()
        try PackSample.put(tree + "/young", [1, 2, 3])
        try await packBoth()
        let known = try knownFiles()
        #expect(known.count == 23 && !known.contains("young"))
        let warm = try await packBoth()
        #expect(warm.cachedBlocks == warm.blocks && warm.notes == [])
        #expect(try seen().count == 1)
    }

    @Test(arguments: ["touch", "edit", "rename", "reuse", "truncate", "hole", "swap"])
    func aChangeIsNoticed(_ change: String) async throws {
        try await grow()
        try await packBoth()
        #expect(try knownFiles().count == 23)
        let file = tree + "/s3"
        var before = stat()
        #expect(lstat(file, &before) == 0)
        switch change {
        case "touch": try SystemError.check("touch", file, utimensat(AT_FDCWD, file, nil, 0))
        case "edit": try overwrite(file, PackSample.noise(100))
        case "rename":
            try PackSample.put(scratch.path + "/other", PackSample.noise(9_003))
            try restore(scratch.path + "/other", before)
            try Files.move(scratch.path + "/other", to: file)
        case "reuse":
            // ext4 gives the lowest free inode of the directory's group: mostly the same.
            try SystemError.check("remove", file, unlink(file))
            try PackSample.put(file, PackSample.noise(9_003))
        case "truncate": try PackSample.put(file, PackSample.noise(9_003))
        case "hole": try PackSample.put(tree + "/zeros", [UInt8](repeating: 0, count: 299_999) + [1])
        default:
            try Files.move(file, to: tree + "/x")
            try Files.move(tree + "/s4", to: file)
            try Files.move(tree + "/x", to: tree + "/s4")
        }
        if ["edit", "truncate", "reuse"].contains(change) { try restore(file, before) }
        #expect(try knownFiles().count < 23, "\(change)")
        #expect(try await packBoth().notes == [])
        try await grow()
        try await packBoth()
        #expect(try await packBoth().notes == [])
        #expect(try knownFiles().count == 23)
    }

    private func overwrite(_ path: String, _ bytes: [UInt8]) throws {
        let descriptor = try SystemError.check("write", path, open(path, O_WRONLY))
        defer { close(descriptor) }
        #expect(pwrite(descriptor, bytes, bytes.count, 0) == bytes.count)
    }

    /// Sets times as they were, as `cp -p` and packers do; the change time stays new.
    private func restore(_ path: String, _ status: stat) throws {
        let times = [status.st_atim, status.st_mtim]
        try SystemError.check("touch", path, utimensat(AT_FDCWD, path, times, 0))
    }

    @Test func damageIsNoticedAndCostsOnlyTime() async throws {
        try await grow()
        try await packBoth()
        let file = try #require(try seen().first)
        let whole = try Files.read(file)
        var damages = [Array(whole[..<30]), [], Array(whole.dropLast()), whole + [0], PackSample.noise(5000)]
        for place in [0, 9, 41, 50, 60, 64, 110, whole.count - 1] {
            damages.append(whole)
            damages[damages.count - 1][place] ^= 1
        }
        for damage in damages {
            try PackSample.put(file, damage)
            let report = try await packBoth()
            #expect(report.notes.count == 1 && report.notes[0].contains("is damaged"), "\(report.notes)")
            #expect(try Files.read(file) == whole)
        }
    }

    /// A file that changed though its times did not (a clock that was set back, a damaged disk): noticed when its block is made
    /// anew, also where others were taken for equal.
    @Test func whatIsReadIsCompared() async throws {
        try await grow()
        try await packBoth()
        let file = try #require(try seen().first)
        let bytes = try Files.read(file)
        // An entry with another digest, and sums that are right.
        var scan = try PackScan(path: tree, cancelled: CancelFlag())
        try scan.run()
        let root = (device: UInt64(scan.device), inode: UInt64(scan.tree.nodes[0].inode))
        let forged = try SeenFiles(
            in: blocks, root: root, cutting: "65536 \(FragmentPlan.limit(blockSize: 65536))",
            clock: timespec(tv_sec: .max / 2, tv_nsec: 0), isTrusted: false)
        for node in scan.tree.nodes where node.isRegular && node.size == 9_005 {
            forged.keep([try SHA256Hasher().digest { feed in [1, 2].withUnsafeBytes(feed) }], of: node)
        }
        try forged.save(limit: 1 << 20)
        #expect(try Files.read(file) != bytes)
        let report = try await packBoth()
        #expect(report.notes.count == 1 && report.notes[0].contains("s5 was changed without"), "\(report.notes)")
        #expect(try await packBoth().notes == [])
        #expect(try knownFiles().count == 23)
    }

    @Test func whatAKilledWriterLeftIsRemoved() async throws {
        try await packBoth()
        try PackSample.put(blocks + "/1" + SeenFiles.newSuffix, [1])
        let held = blocks + "/2" + SeenFiles.newSuffix
        try PackSample.put(held, [1])
        let descriptor = try SystemError.check("open", held, open(held, O_RDONLY))
        defer { close(descriptor) }
        #expect(flock(descriptor, LOCK_EX | LOCK_NB) == 0)
        try await packBoth()
        #expect(!Files.exists(blocks + "/1" + SeenFiles.newSuffix) && Files.exists(held))
    }

    @Test func twoAtOnceAndManyTrees() async throws {
        try await grow()
        async let first = pack()
        async let second = pack(tree: tree)
        #expect(try await first.1 == second.1)
        for number in 0..<40 {
            let other = "\(scratch.path)/t\(number)"
            try Files.makeDirectory(other)
            try PackSample.put(other + "/f", [UInt8(number)])
            _ = try await pack(tree: other)
        }
        #expect(try seen().count <= 32)
    }
}
