import Glibc
import NetrootConfig
import NetrootSystem
import TestSupport
import Testing

@testable import NetrootImage

@Suite struct BlockCacheTests {
    let scratch: ScratchDirectory
    var tree: String { scratch.path + "/tree" }
    var blocks: String { scratch.path + "/cache/blocks" }

    init() throws {
        scratch = try ScratchDirectory()
        try Files.makeDirectory(tree)
        for number in 0..<60 {
            try PackSample.put("\(tree)/t\(number)", PackSample.text(20_000 + number))
            try PackSample.put("\(tree)/n\(number)", PackSample.noise(20_000, seed: UInt64(number)))
        }
        try PackSample.put("\(tree)/large", PackSample.text(700_000) + PackSample.noise(300_000))
    }

    private func pack(
        _ image: String = "image", limit: Int64 = 1 << 30, tree: String? = nil
    ) async throws -> (report: SquashfsWriter.Report, bytes: [UInt8]) {
        var writer = SquashfsWriter(tree: tree ?? self.tree, image: "\(scratch.path)/\(image)")
        writer.compression = try BlockCompression(parsing: "zstd:1")
        writer.blockSize = try BlockSize(parsing: "64k")
        writer.cache = BlockCachePlace(cache: scratch.path + "/cache", limit: limit)
        let report = try await writer.write()
        return (report, try Files.read(writer.image))
    }

    private func files() throws -> [String] { try Files.names(in: blocks).map { "\(blocks)/\($0)" } }

    private func size() throws -> Int64 { try files().reduce(0) { $0 + (try Files.size($1)) } }

    @Test func warmIsByteIdenticalToColdAndToNone() async throws {
        let none = try await pack("none", limit: 0)
        #expect(!Files.exists(blocks))
        let cold = try await pack("cold")
        let modes = try ["/cache", "/cache/blocks"].map { place in
            var status = stat()
            try SystemError.check("read", place, stat(scratch.path + place, &status))
            return status.st_mode & 0o777
        }
        #expect(modes == [0o755, 0o700])
        let warm = try await pack("warm")
        #expect(cold.report.cachedBlocks == 0 && cold.report.blocks > 20)
        #expect(warm.report.cachedBlocks == warm.report.blocks)
        #expect(warm.bytes == cold.bytes && none.bytes == cold.bytes)
        #expect(warm.report.notes == [])
        // Another codec, level or block size has its own.
        var other = SquashfsWriter(tree: tree, image: scratch.path + "/other")
        other.cache = BlockCachePlace(cache: scratch.path + "/cache", limit: 1 << 30)
        for (compression, blockSize) in [("zstd:2", "64k"), ("gzip:1", "64k"), ("zstd:1", "128k")] {
            other.compression = try BlockCompression(parsing: compression)
            other.blockSize = try BlockSize(parsing: blockSize)
            #expect(try await other.write().cachedBlocks == 0)
        }
    }

    @Test(
        "Nothing is taken from a cache that others can write, and nothing of it is changed", arguments: ["", "/blocks"])
    func aCacheThatOthersWrite(level: String) async throws {
        let cold = try await pack("cold")
        let before = try files().map { try Files.read($0) }
        #expect(chmod(scratch.path + "/cache" + level, 0o777) == 0)
        let other = try await pack("other")
        #expect(other.report.cachedBlocks == 0 && other.bytes == cold.bytes)
        #expect(try files().map { try Files.read($0) } == before)
        let note = try #require(other.report.notes.first)
        #expect(other.report.notes.count == 1 && note.hasPrefix("the block cache is not used: the cache "))
        #expect(note.contains("mode 777") && !note.contains("\n"))
    }

    @Test func oneMoreFileChangesFewBlocks() async throws {
        _ = try await pack()
        try PackSample.put("\(tree)/n30-new", PackSample.noise(5000, seed: 99))
        let warm = try await pack("warm")
        #expect(warm.report.blocks - warm.report.cachedBlocks <= 2)
        #expect(try await pack("none", limit: 0).bytes == warm.bytes)
    }

    @Test func aDamagedEntryIsNoticedAndCostsOnlyTime() async throws {
        let cold = try await pack()
        let file = try #require(try files().first)
        let whole = try Files.read(file)
        // In a header's magic, key, length, flags, sums, and in payloads.
        for place in [0, 10, 41, 44, 50, 85, 90, whole.count / 3, whole.count / 2, whole.count - 1] {
            var damaged = whole
            damaged[place] ^= 0x41
            try reset(damaged)
            let again = try await pack()
            #expect(again.bytes == cold.bytes, "byte \(place)")
            #expect(again.report.cachedBlocks < again.report.blocks)
            #expect(again.report.notes.count == 1 && again.report.notes[0].contains("damaged"), "\(again.report.notes)")
            // Mended: the next finds all, and has nothing to say.
            let mended = try await pack()
            #expect(mended.report.cachedBlocks == mended.report.blocks && mended.report.notes == [], "byte \(place)")
        }
    }

    @Test func truncatedAndForeignFilesCostOnlyTime() async throws {
        let cold = try await pack()
        let whole = try Files.read(try #require(try files().first))
        for bytes in [
            Array(whole[..<(whole.count / 2)]), Array(whole[..<40]), PackSample.noise(100_000),
            Array(whole.dropFirst()),
            whole + [1, 2, 3],
        ] {
            try reset(bytes)
            let again = try await pack()
            #expect(again.bytes == cold.bytes)
            #expect(again.report.notes.count == 1)
            #expect(try await pack().report.notes == [])
        }
    }

    private func reset(_ bytes: [UInt8]) throws {
        for file in try files() { unlink(file) }
        try PackSample.put(blocks + "/1.pack", bytes)
    }

    @Test func whatWasNotUsedForLongestGoes() async throws {
        var trees: [String] = []
        for number in 0..<4 {
            trees.append("\(scratch.path)/tree-\(number)")
            try Files.makeDirectory(trees[number])
            // Compresses a little: what does not has an entry without bytes.
            let bytes = PackSample.noise(1_000_000, seed: UInt64(100 + number)).map { $0 & 7 }
            try PackSample.put(trees[number] + "/file", bytes)
        }
        for tree in trees[..<3] { _ = try await pack(tree: tree) }
        // Their sizes differ by a few bytes.
        let three = try size() + 50_000
        // The first is used again: the second is now the oldest, and has to go for the fourth.
        #expect(try await pack(tree: trees[0]).report.cachedBlocks > 0)
        _ = try await pack(limit: three, tree: trees[3])
        #expect(try size() <= three)
        let hits = try await [0, 2, 3, 1].asyncMap { try await pack(limit: three * 2, tree: trees[$0]).report }
        #expect(hits[..<3].allSatisfy { $0.cachedBlocks == $0.blocks })
        #expect(hits[3].cachedBlocks < hits[3].blocks)
        // Less than one run needs.
        _ = try await pack(limit: 20_000)
        #expect(try size() <= 20_000)
    }

    @Test func manyRunsLeaveFewFiles() async throws {
        for number in 0..<70 {
            try PackSample.put("\(tree)/large", PackSample.noise(70_000, seed: UInt64(1000 + number)))
            _ = try await pack()
        }
        #expect(try files().count <= 66)
        let warm = try await pack()
        #expect(warm.report.cachedBlocks == warm.report.blocks)
    }

    @Test func twoAtOnceAndAWriterThatWasKilled() async throws {
        async let first = pack("first")
        async let second = pack("second")
        let (one, two) = try await (first, second)
        #expect(one.bytes == two.bytes && one.report.notes == [] && two.report.notes == [])
        // A process that writes holds its file: it is left alone, even half written.
        let writing = try BlockCacheFile(creatingIn: blocks)
        try PackSample.put(blocks + "/ignored.txt", [1])
        #expect(pwrite(writing.descriptor, [1, 2, 3], 3, 0) == 3)
        let third = try await pack("third")
        #expect(third.report.notes == [] && third.report.cachedBlocks == third.report.blocks)
        #expect(Files.exists(writing.path))
    }

    @Test func anUnusableDirectoryIsANote() async throws {
        try PackSample.put(scratch.path + "/cache", [])
        let result = try await pack()
        #expect(result.report.notes.count == 1 && result.report.notes[0].contains("block cache is not written"))
        #expect(result.bytes == (try await pack("none", limit: 0)).bytes)
    }
}

extension Array {
    fileprivate func asyncMap<T>(_ transform: (Element) async throws -> T) async throws -> [T] {
        var result: [T] = []
        for element in self { result.append(try await transform(element)) }
        return result
    }
}
