import Glibc
import NetrootSystem
import Synchronization
import TestSupport
import Testing

@testable import NetrootImage

@Suite struct SquashfsReaderTests {
    static let kinds: [[String]] = [
        ["-comp", "gzip", "-b", "4096"], ["-comp", "xz", "-b", "131072"], ["-comp", "lz4", "-b", "65536"],
        ["-comp", "lz4", "-Xhc", "-b", "131072"],
        ["-comp", "zstd", "-b", "1048576", "-Xcompression-level", "3"],
        ["-comp", "zstd", "-b", "16384", "-no-exports"],
        ["-comp", "gzip", "-b", "131072", "-no-fragments"], ["-comp", "zstd", "-b", "8192", "-always-use-fragments"],
        ["-comp", "gzip", "-b", "131072", "-noI", "-noD", "-noF", "-noX", "-noId"], ["-comp", "xz", "-Xbcj", "x86"],
        ["-comp", "zstd", "-no-xattrs", "-no-sparse", "-b", "32768"],
    ]

    @Test(arguments: kinds) func theImageIsTheTree(options: [String]) async throws {
        let tree = try await SquashfsTree.withAttributes()
        let reader = try SquashfsReader(try await tree.image("image", options))
        let listing = try SquashfsListing(reader)
        var paths = try await tree.scratch.output("find", ["tree", "-mindepth", "1", "-printf", "/%P\\0"])
            .split(separator: "\0").map { Array($0.utf8) }
        // `find` prints the bytes of names as they are; what is not text is named here.
        paths.removeAll { String(decoding: $0, as: UTF8.self).contains("\u{FFFD}") }
        paths.append([0x2F, 0xFF, 0xFE, 0x20, 0x0A, 0x80])
        #expect(listing.items.count == paths.count + SquashfsTree.devices.count + 1)
        for path in [[]] + paths {
            let item = try #require(listing.items[path], "\(String(decoding: path, as: UTF8.self))")
            try compare(item, Array(tree.path.utf8) + path, reader, options, tree.path)
        }
        let first = try #require(listing.items[Array("/etc/hostname".utf8)])
        for name in ["/etc/hostname2", "/many/hostname3"] {
            #expect(listing.items[Array(name.utf8)]?.inode == first.inode)
        }
        let numbers = Set(listing.items.values.map(\.inode.number))
        #expect(numbers.count == Int(reader.superblock.inodeCount))
        try compareDevices(listing)
    }

    private func compare(
        _ item: SquashfsListing.Item, _ path: [UInt8], _ reader: SquashfsReader, _ options: [String],
        _ root: String
    ) throws {
        let name = String(decoding: path, as: UTF8.self)
        let cPath = path.map(CChar.init(bitPattern:)) + [0]
        var status = stat()
        #expect(lstat(cPath, &status) == 0, "\(name)")
        let inode = item.inode
        #expect(inode.type.rawValue | inode.mode == UInt32(status.st_mode), "\(name)")
        #expect(inode.uid == status.st_uid && inode.gid == status.st_gid, "\(name)")
        #expect(inode.modified == UInt32(SquashfsTree.modified), "\(name)")
        #expect(inode.links == UInt32(status.st_nlink), "\(name)")
        if inode.type != .directory { #expect(inode.size == UInt64(status.st_size), "\(name)") }
        let expected = options.contains("-no-xattrs") ? [:] : Self.xattrs(name, root)
        let xattrs = item.xattrs.map { (String(decoding: $0.key, as: UTF8.self), Self.hexadecimal($0.value)) }
        #expect(Dictionary(uniqueKeysWithValues: xattrs) == expected, "\(name)")
        switch inode.type {
        case .symlink:
            #expect(item.target == (try Files.linkTarget(name)).map { Array($0.utf8) }, "\(name)")
        case .regular:
            let descriptor = try SystemError.check("read", name, open(cPath, O_RDONLY | O_CLOEXEC))
            defer { close(descriptor) }
            var local = [UInt8](repeating: 0, count: Int(status.st_size))
            #expect(pread(descriptor, &local, local.count, 0) == local.count)
            #expect(try reader.contents(inode) == local, "\(name)")
            #expect(try reader.contents(inode, piece: 7001) == local, "\(name) in pieces")
        default: break
        }
    }

    private func compareDevices(_ listing: SquashfsListing) throws {
        for (name, type, mode, major, minor) in SquashfsTree.devices {
            let inode = try #require(listing.items[Array("/\(name)".utf8)]?.inode)
            #expect(inode.type == (type == "c" ? .characterDevice : .blockDevice))
            #expect(inode.mode == UInt32(mode) && inode.links == 1)
            #expect(inode.deviceMajor == UInt32(major) && inode.deviceMinor == UInt32(minor))
        }
    }

    /// What was set, as `name` in hexadecimal to value in hexadecimal.
    private static func xattrs(_ path: String, _ root: String) -> [String: String] {
        var found: [String: String] = [:]
        // Both other names of it have what it has.
        let names = ["/etc/hostname2": "etc/hostname", "/many/hostname3": "etc/hostname"]
        let name = String(path.dropFirst(root.count))
        for (file, key, value) in SquashfsTree.attributes where "/" + file == name || names[name] == file {
            found[key] = value
        }
        return found
    }

    private static func hexadecimal(_ bytes: [UInt8]) -> String {
        bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }

    @Test func theSuperblockIsToldInItsOwnNumbers() async throws {
        let tree = try await SquashfsTree.withAttributes()
        let path = try await tree.image("image", ["-comp", "zstd", "-Xcompression-level", "7", "-b", "65536"])
        let superblock = try SquashfsReader(path).superblock
        #expect(superblock.codec == "zstd" && superblock.level == 7 && superblock.blockSize == 65536)
        #expect(superblock.modified == 1 && superblock.hasExportTable && superblock.hasXattrs)
        #expect(superblock.bytesUsed <= UInt64(try Files.size(path)))
        let plain = try await tree.image("plain", ["-comp", "gzip", "-no-exports", "-no-xattrs", "-no-fragments"])
        let other = try SquashfsReader(plain).superblock
        #expect(other.codec == "gzip" && other.level == nil && other.blockSize == 131_072 && other.fragmentCount == 0)
        #expect(!other.hasExportTable && !other.hasXattrs)
    }

    /// Debian's libsquashfs has no lzo.
    @Test func anUnknownCompressionIsNamed() async throws {
        let tree = try SquashfsTree()
        let path = try await tree.image("image", ["-comp", "lzo"])
        #expect(throws: SquashfsReadError.unsupported(path: path, problem: "its compression lzo is not read here")) {
            try SquashfsReader(path)
        }
    }

    /// Eight threads read everything through a cache of three blocks.
    @Test func aSmallCacheServesManyThreads() async throws {
        let tree = try await SquashfsTree.withAttributes()
        let path = try await tree.image("image", ["-comp", "zstd", "-b", "16384"])
        let cache = SquashfsCache(blockBytes: 3 * 16384, metadataBytes: 3 * 8192)
        let reader = try SquashfsReader(path, cache: cache)
        var files: [SquashfsInode] = []
        for item in try SquashfsListing(reader).items.values where item.inode.type == .regular && item.inode.size > 99 {
            files.append(item.inode)
        }
        let expected = try files.map { try reader.contents($0) }
        let read = files
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for thread in 1...8 {
                group.addTask {
                    for (index, inode) in read.enumerated() {
                        let bytes = try reader.contents(inode, piece: 1000 * thread + index)
                        if bytes != expected[index] { return false }
                    }
                    return true
                }
            }
            for try await isSame in group { #expect(isSame) }
        }
        #expect(cache.blockBytes <= 3 * 16384 && cache.blockBytes > 0)
    }

    @Test func aBlockIsMadeOnceAndTheOldestGoes() async throws {
        let cache = BoundedCache<[UInt8]>(limit: 300) { $0.count }
        let made = MadePlaces()
        @Sendable func value(_ place: UInt64, _ count: Int = 100) throws -> [UInt8] {
            try cache.value(.init(image: 1, place: place)) { () throws(SquashfsReadError) in
                made.places.withLock { $0.append(place) }
                usleep(20_000)
                return [UInt8](repeating: UInt8(place), count: count)
            }
        }
        try await withThrowingTaskGroup(of: [UInt8].self) { group in
            for _ in 0..<4 { group.addTask { try value(1) } }
            for try await bytes in group { #expect(bytes == [UInt8](repeating: 1, count: 100)) }
        }
        #expect(made.places.withLock { $0 } == [1])
        for place in [2, 3, 1, 4] as [UInt64] { _ = try value(place) }
        #expect(made.places.withLock { $0 } == [1, 2, 3, 4] && cache.bytes == 300)
        #expect([1, 3, 4].allSatisfy { cache.contains(.init(image: 1, place: $0)) })
        #expect(!cache.contains(.init(image: 1, place: 2)))
        // Larger than the cache: it is there until the next.
        _ = try value(5, 1000)
        #expect(cache.bytes == 1000)
        _ = try value(6)
        #expect(cache.bytes == 100)
        // What fails is not kept.
        for _ in 0..<2 {
            #expect(throws: SquashfsReadError.self) {
                try cache.value(.init(image: 1, place: 7)) { () throws(SquashfsReadError) in
                    throw .foreign(path: "", looks: "")
                }
            }
        }
        cache.removeAll(of: 1)
        #expect(cache.bytes == 0)
    }
}

private final class MadePlaces: Sendable {
    let places = Mutex<[UInt64]>([])
}
