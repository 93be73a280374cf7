import Glibc
import NetrootSystem
import TestSupport
import Testing

@testable import NetrootImage

/// Images that were damaged in every way that can be thought of: each must end in a result or an error, soon.
@Suite(.serialized) struct SquashfsDamageTests {
    /// A small image: 4 KiB blocks; its metadata packed, or plain so that changed bytes get to those who interpret them.
    private static func image(_ tree: SquashfsTree, _ codec: String, plain: Bool) async throws -> String {
        let options = ["-comp", codec, "-b", "4096"] + (plain ? ["-noI", "-noX", "-noId"] : [])
        return try await tree.image("image", options)
    }

    /// Reads all that there is, up to a limit that is far above what is in the image.
    /// - Returns: how many files could be read; nil where the image cannot be opened or scanned.
    private static func readAll(_ path: String, cache: SquashfsCache) throws -> Int? {
        var read = 0
        do {
            let reader = try SquashfsReader(path, cache: cache)
            var inodes: [SquashfsInode] = []
            try reader.scan { directory in
                inodes += [directory.inode] + directory.entries.filter(\.isFirst).map(\.inode)
            }
            var left = 64 << 20
            for inode in inodes {
                do {
                    _ = try reader.xattrs(of: inode)
                    switch inode.type {
                    case .regular: try readFile(inode, reader, &left)
                    case .symlink: _ = try reader.symlinkTarget(inode.reference)
                    default: break
                    }
                    read += 1
                } catch is SquashfsReadError {
                    continue
                }
            }
        } catch is SquashfsReadError {
            return nil
        }
        return read
    }

    /// Reads a file without keeping it, for as long as there is something left of the limit.
    private static func readFile(_ inode: SquashfsInode, _ reader: SquashfsReader, _ left: inout Int) throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
        defer { buffer.deallocate() }
        let file = try reader.file(inode.reference)
        var offset: UInt64 = 0
        while left > 0 {
            let count = try reader.read(file, at: offset, into: buffer)
            if count == 0 { return }
            offset += UInt64(count)
            left -= count
        }
    }

    /// Counts what became of a damaged image, and how long the slowest took.
    private struct Outcome {
        var refused = 0
        var partial = 0
        var whole = 0
        var slowest = Duration.zero

        mutating func add(_ path: String, all: Int, cache: SquashfsCache) throws {
            let start = ContinuousClock.now
            let read = try SquashfsDamageTests.readAll(path, cache: cache)
            slowest = max(slowest, ContinuousClock.now - start)
            guard let read else {
                refused += 1
                return
            }
            if read < all { partial += 1 } else { whole += 1 }
        }
    }

    /// A copy of an image that is changed and mended in place.
    private final class Copy {
        let path: String
        let bytes: [UInt8]
        private let descriptor: Int32

        init(of image: String) throws {
            path = image + ".damaged"
            bytes = try Files.read(image)
            try Files.replace(path, with: bytes)
            descriptor = try SystemError.check("write", path, open(path, O_RDWR | O_CLOEXEC))
        }

        deinit { close(descriptor) }

        func write(_ changed: [UInt8], at offset: Int) {
            #expect(pwrite(descriptor, changed, changed.count, off_t(offset)) == changed.count)
        }

        func mend(_ range: Range<Int>) { write(Array(bytes[range]), at: range.lowerBound) }
        func cut(_ size: Int) { #expect(ftruncate(descriptor, off_t(size)) == 0) }
    }

    @Test(arguments: ["gzip", "xz", "lz4", "zstd"], [false, true])
    func everyBlockFlipped(codec: String, plain: Bool) async throws {
        let tree = try await SquashfsTree.withAttributes(isSmall: true)
        let copy = try Copy(of: try await Self.image(tree, codec, plain: plain))
        let cache = SquashfsCache()
        let all = try #require(try Self.readAll(copy.path, cache: cache))
        var outcome = Outcome()
        for start in stride(from: 0, to: copy.bytes.count, by: 4096) {
            let range = start..<min(start + 4096, copy.bytes.count)
            copy.write(copy.bytes[range].map { $0 ^ 0xFF }, at: start)
            try outcome.add(copy.path, all: all, cache: cache)
            copy.mend(range)
        }
        #expect(try Self.readAll(copy.path, cache: cache) == all)
        // The superblock and the tables refuse; a data block spoils some files. Raw blocks hold whatever they hold.
        #expect(outcome.refused >= 2 && outcome.partial > 2, "\(outcome)")
        #expect(outcome.slowest < .seconds(5), "\(outcome)")
    }

    @Test(arguments: ["gzip", "zstd"])
    func cutAtEveryBlock(codec: String) async throws {
        let tree = try await SquashfsTree.withAttributes(isSmall: true)
        let copy = try Copy(of: try await Self.image(tree, codec, plain: false))
        let used = try SquashfsReader(copy.path).superblock.bytesUsed
        for size in stride(from: 0, to: copy.bytes.count, by: 4096) where UInt64(size) < used {
            copy.cut(size)
            let error = #expect(throws: SquashfsReadError.self) { try SquashfsReader(copy.path) }
            switch error {
            case .truncated(_, let bytes, let expected): #expect(bytes == size && expected == used)
            case .foreign(_, let looks): #expect(size == 0 && looks == "empty")
            default: Issue.record("\(size) bytes: \(String(describing: error))")
            }
            copy.cut(copy.bytes.count)
            copy.mend(0..<copy.bytes.count)
        }
    }

    /// Bytes and words of the superblock and the tables, and some of the data, set to random or telling values.
    @Test(arguments: [("zstd", true, 4000), ("gzip", true, 1500), ("xz", false, 1000), ("lz4", false, 1000)])
    func randomChanges(codec: String, plain: Bool, count: Int) async throws {
        let tree = try await SquashfsTree.withAttributes(isSmall: true)
        let copy = try Copy(of: try await Self.image(tree, codec, plain: plain))
        let cache = SquashfsCache()
        let all = try #require(try Self.readAll(copy.path, cache: cache))
        let reader = try SquashfsReader(copy.path)
        let tables = Int(reader.superblock.inodeTable)..<Int(reader.superblock.bytesUsed)
        let before = try residentBytes()
        // NETROOT_DAMAGE_SEED and NETROOT_DAMAGE_FACTOR: other changes, and more of them.
        let count = count * Int(Self.setting("NETROOT_DAMAGE_FACTOR", usually: 1))
        var random = SeededRandom(seed: Self.setting("NETROOT_DAMAGE_SEED", usually: 20_261_121))
        var outcome = Outcome()
        for number in 0..<count {
            let range = number % 8 == 0 ? 0..<96 : number % 16 == 1 ? 96..<tables.lowerBound : tables
            let width = [1, 1, 2, 4, 8].randomElement(using: &random) ?? 1
            let start = Int.random(in: range, using: &random)
            let end = min(start + width, copy.bytes.count)
            let telling: [UInt8] = [0, 1, 0x7F, 0x80, 0xFF]
            let changed = (start..<end).map { _ in
                Bool.random(using: &random)
                    ? UInt8.random(in: 0...255, using: &random) : telling.randomElement(using: &random) ?? 0
            }
            copy.write(changed, at: start)
            try outcome.add(copy.path, all: all, cache: cache)
            copy.mend(start..<end)
        }
        #expect(outcome.refused > count / 10 && outcome.whole > 0, "\(outcome)")
        #expect(outcome.slowest < .seconds(5), "\(outcome)")
        #expect(try residentBytes() - before < 160 << 20)
    }

    private static func setting(_ name: String, usually: UInt64) -> UInt64 {
        getenv(name).flatMap { UInt64(String(cString: $0)) } ?? usually
    }

    /// Changes that a lucky random one would have to hit: each with the words of its error.
    @Test func liesAreNamed() async throws {
        let tree = try await SquashfsTree.withAttributes(isSmall: true)
        let copy = try Copy(of: try await Self.image(tree, "zstd", plain: true))
        func expect(_ changed: [UInt8], at offset: Int, _ words: String, line: Int = #line) throws {
            copy.write(changed, at: offset)
            defer { copy.mend(offset..<(offset + changed.count)) }
            let error = #expect(throws: SquashfsReadError.self) {
                try SquashfsReader(copy.path).scan { _ in }
            }
            let text = error?.description ?? ""
            #expect(text.contains(words) && text.contains(copy.path), "line \(line): \(text)")
        }
        try expect([0xFF, 0xFF, 0xFF, 0x7F], at: 4, "2147483647 inodes, more than its table holds")
        try expect([3, 0, 0, 0], at: 4, "inode number")
        try expect([0, 0x10, 0, 1], at: 12, "block size")
        try expect([9], at: 20, "unknown squashfs compression 9")
        try expect([3], at: 28, "version 3.0")
        try expect([0xFF, 0xFF, 0xFF, 0], at: 40, "cut off")
        try expect(Array("sqsh".utf8), at: 0, "big-endian squashfs")
        try expect(Array("#!/b".utf8), at: 0, "a script")
        // A directory's entry that leads to the root: what its inode is says so before the scan goes round.
        let reader = try SquashfsReader(copy.path)
        let root = try reader.root()
        var child: SquashfsInode?
        try reader.scan { directory in
            if directory.path.isEmpty { child = directory.entries.first { $0.inode.type == .directory }?.inode }
        }
        let directory = try #require(child)
        // Plain metadata: block k of the inode table is at its start + 8194 k, behind two bytes.
        let place =
            Int(reader.superblock.inodeTable) + Int(directory.reference >> 16) + 2
            + Int(directory.reference & 0xFFFF)
        let rootPlace = Int(reader.superblock.inodeTable) + Int(root.reference >> 16) + 2 + Int(root.reference & 0xFFFF)
        let rootListing = Array(copy.bytes[(rootPlace + 16)..<(rootPlace + 32)])
        // The child gets the root's listing: it then holds itself.
        try expect(rootListing, at: place + 16, "within itself")
    }

    /// A file smaller than a block, without a fragment, whose block is said to be at the end of all numbers.
    @Test func aFirstBlockBeyondAllIsNamed() async throws {
        let scratch = try ScratchDirectory()
        try Files.makeDirectory(scratch.path + "/tree")
        // More than one name makes its inode an extended one, with 64 bits for the place.
        try PackSample.put(scratch.path + "/tree/file", PackSample.noise(1234))
        try SystemError.check("link", scratch.path, link(scratch.path + "/tree/file", scratch.path + "/tree/other"))
        let options = ["-noI", "-no-fragments", "-noappend", "-no-progress", "-quiet"]
        _ = try await scratch.output("mksquashfs", ["tree", "image"] + options)
        let copy = try Copy(of: scratch.path + "/image")
        let reader = try SquashfsReader(copy.path)
        var found: SquashfsInode?
        try reader.scan { found = $0.entries.first?.inode }
        let inode = try #require(found)
        let place =
            Int(reader.superblock.inodeTable) + Int(inode.reference >> 16) + 2 + Int(inode.reference & 0xFFFF)
        try #require(copy.bytes[place] == 9)
        copy.write([UInt8](repeating: 0xFF, count: 8), at: place + 16)
        let lying = try SquashfsReader(copy.path)
        let file = #expect(throws: SquashfsReadError.self) { _ = try lying.file(inode.reference) }
        #expect(file?.description.contains("its blocks begin at byte \(UInt64.max)") == true)
        let scan = #expect(throws: SquashfsReadError.self) { try SquashfsReader(copy.path).scan { _ in } }
        #expect(scan?.description.contains("not within the image") == true)
    }
}
