import CLinux
import CSquashFS
import Glibc
import NetrootConfig
import NetrootSystem
import TestSupport
import Testing

@testable import NetrootImage

/// What is huge in number or size, and small on the disk.
@Suite struct HugeTreeTests {
    let scratch: ScratchDirectory
    let tree: String
    var image: String { scratch.path + "/image" }

    init() throws {
        scratch = try ScratchDirectory()
        tree = scratch.path + "/tree"
        try Files.makeDirectory(tree)
    }

    private func pack(_ blockSize: String) async throws {
        var writer = SquashfsWriter(tree: tree, image: image)
        writer.compression = try BlockCompression(parsing: "zstd:1")
        writer.blockSize = try BlockSize(parsing: blockSize)
        _ = try await writer.write()
    }

    /// A file with eight bytes at each of some places, and holes between them.
    private func lastlog(_ size: Int64, _ places: [Int64]) throws {
        let path = tree + "/lastlog"
        try PackSample.put(path, [])
        let descriptor = try SystemError.check("open", path, open(path, O_WRONLY | O_CLOEXEC))
        defer { close(descriptor) }
        try SystemError.check("grow", path, ftruncate(descriptor, off_t(size)))
        for place in places { #expect(pwrite(descriptor, "a login!", 8, off_t(place)) == 8) }
    }

    private func inode(_ name: String, in reader: SquashfsReader) throws -> SquashfsInode {
        var found: SquashfsInode?
        try reader.scan { directory in
            for entry in directory.entries where entry.name == Array(name.utf8) { found = entry.inode }
        }
        return try #require(found)
    }

    private func checkImage(_ size: Int64, _ places: [Int64]) async throws {
        let listing = try await scratch.output("unsquashfs", ["-no-progress", "-lln", image])
        #expect(listing.split(separator: "\n").contains { $0.contains(" \(size) ") && $0.hasSuffix("/lastlog") })
        let reader = try SquashfsReader(image)
        let file = try reader.file(try inode("lastlog", in: reader).reference)
        #expect(file.size == UInt64(size))
        for place in places + [size / 2 + 12345] {
            var bytes = [UInt8](repeating: 1, count: 8)
            let count = try bytes.withUnsafeMutableBytes { try reader.read(file, at: UInt64(place), into: $0) }
            #expect(count == 8)
            #expect(bytes == (places.contains(place) ? Array("a login!".utf8) : [UInt8](repeating: 0, count: 8)))
        }
    }

    @Test("A sparse lastlog of 292 GB, and one of 2 GiB in blocks of 4 KiB, are packed and read back")
    func sparseFiles() async throws {
        for (size, blockSize) in [(292_057_776_128, "1m"), (2 << 30, "4k")] as [(Int64, String)] {
            let places = [0, size / 3, size - 8]
            try lastlog(size, places)
            try await pack(blockSize)
            #expect(try Files.size(image) < 1 << 20)
            try await checkImage(size, places)
        }
    }

    @Test("A file with more blocks than an image may have is refused with its name and the limit, before the others")
    func tooManyBlocks() async throws {
        try lastlog(292_057_776_128, [])
        let error = await #expect(throws: PackError.self) { try await pack("4k") }
        #expect(
            error?.description
                == "cannot pack \(tree)/lastlog: its 292057776128 bytes are more than 67108864 blocks of "
                + "4096 bytes; take larger blocks (BLOCK_SIZE or --block-size), or remove the file")
        #expect(try Files.names(in: scratch.path) == ["tree"])
    }

    @Test("The index of a directory with millions of entries is thinned evenly")
    func directoryIndex() throws {
        let fixed = MemoryLayout<sqfs_inode_generic_t>.stride
        let memory = UnsafeMutableRawPointer.allocate(byteCount: fixed + 4096, alignment: 16)
        defer { memory.deallocate() }
        let inode = memory.initializeMemory(as: sqfs_inode_generic_t.self, repeating: sqfs_inode_generic_t(), count: 1)
        inode.pointee.base.type = UInt16(SQFS_INODE_EXT_DIR.rawValue)
        var payload: [UInt8] = []
        for number in 0..<UInt32(10) {
            let name = Array("n\(number)".utf8) + [UInt8](repeating: 0x78, count: Int(number))
            for word in [number, number * 8192, UInt32(name.count - 1)] {
                withUnsafeBytes(of: word) { payload += $0 }
            }
            payload += name
        }
        (memory + fixed).copyMemory(from: payload, byteCount: payload.count)
        inode.pointee.payload_bytes_used = UInt32(payload.count)
        inode.pointee.data.dir_ext.inodex_count = 10
        PackLimits.thinIndex(of: inode, most: 10)
        #expect(inode.pointee.data.dir_ext.inodex_count == 10 && Int(inode.pointee.payload_bytes_used) == payload.count)
        PackLimits.thinIndex(of: inode, most: 4)
        #expect(inode.pointee.data.dir_ext.inodex_count == 4)
        let bytes = UnsafeRawBufferPointer(start: memory + fixed, count: Int(inode.pointee.payload_bytes_used))
        var at = 0
        for number in [0, 3, 6, 9] as [UInt32] {
            #expect(bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self) == number)
            at += 13 + Int(bytes.loadUnaligned(fromByteOffset: at + 8, as: UInt32.self))
        }
        #expect(at == bytes.count)
    }

    @Test("Two thousand nested directories, 70,000 names of one file and an attribute of 64 KiB are kept")
    func deepAndLinkedAndLabelled() async throws {
        try #require(geteuid() == 0, "a tmpfs needs root; the filesystem of /tmp may bound the number of links")
        _ = try await scratch.output("mount", ["-t", "tmpfs", "-o", "nr_inodes=0", "none", tree])
        let result: Result<Void, any Error>
        do {
            result = .success(try await fillAndCheck())
        } catch { result = .failure(error) }
        _ = try await scratch.output("umount", [tree])
        try result.get()
    }

    private func fillAndCheck() async throws {
        var deep = try SystemError.check("open", tree, open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
        for _ in 0..<2000 {
            try SystemError.check("make", "d", mkdirat(deep, "d", 0o755))
            let next = try SystemError.check("open", "d", openat(deep, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC))
            close(deep)
            deep = next
        }
        close(deep)
        try PackSample.put(tree + "/file", [1])
        try Files.makeDirectory(tree + "/names")
        for number in 0..<70_000 {
            try SystemError.check("link", tree, link(tree + "/file", "\(tree)/names/\(number)"))
        }
        let value = PackSample.noise(65536)
        let set = lsetxattr(tree + "/file", "trusted.large", value, value.count, 0)
        try SystemError.check("label", tree, Int32(set))
        try await pack("128k")
        let reader = try SquashfsReader(image)
        let file = try inode("69999", in: reader)
        #expect(file.links == 70_001)
        #expect(try reader.xattrs(of: file).filter { $0.name == Array("trusted.large".utf8) }.map(\.value) == [value])
        // Its own number, the directory's, the file's and those above it.
        #expect(reader.superblock.inodeCount == 2003)
    }
}
