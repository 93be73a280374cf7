import Glibc
import NetrootConfig
import NetrootSystem
import TestSupport
import Testing

@testable import NetrootImage

@Suite(.serialized) struct SquashfsWriterTests {
    let scratch: ScratchDirectory
    let tree: String
    var image: String { scratch.path + "/image" }

    init() throws {
        try #require(geteuid() == 0, "devices, owners and mounts need root")
        scratch = try ScratchDirectory()
        tree = scratch.path + "/tree"
    }

    private func writer(_ compression: String = "zstd:1", _ blockSize: String = "128k") throws -> SquashfsWriter {
        var writer = SquashfsWriter(tree: tree, image: image)
        writer.compression = try BlockCompression(parsing: compression)
        writer.blockSize = try BlockSize(parsing: blockSize)
        return writer
    }

    /// What an image is expected to hold of a tree: squashfs has seconds in 32 bits, and no ACLs.
    private func expected() throws -> TreeListing {
        var listing = try TreeListing(tree)
        listing.files = listing.files.mapValues { file in
            var file = file
            file.mtime = Int(UInt32(clamping: file.mtime))
            file.xattrs = file.xattrs.filter { !$0.key.starts(with: "system.".utf8) }
            return file
        }
        return withCountedLinks(listing)
    }

    /// Directories' links as Linux counts them on most filesystems; some, as btrfs, always say 1.
    private func withCountedLinks(_ listing: TreeListing) -> TreeListing {
        var listing = listing
        let directories = listing.files.filter { mode_t($0.value.mode) & S_IFMT == S_IFDIR }.keys
        for path in directories { listing.files[path]?.links = 2 }
        for path in directories {
            if let slash = path.lastIndex(of: 0x2F) { listing.files[Array(path[..<slash])]?.links += 1 }
        }
        return listing
    }

    private func mounted<R>(_ body: (String) throws -> R) async throws -> R {
        let place = scratch.path + "/mounted"
        try Files.makeDirectory(place)
        _ = try await scratch.output("mount", ["-o", "loop,ro", "-t", "squashfs", image, place])
        let result = Result { try body(place) }
        _ = try await scratch.output("umount", [place])
        return try result.get()
    }

    @Test(arguments: ["gzip:1", "xz:0", "lz4", "zstd:9", "none"], ["4k", "128k", "1m"])
    func unsquashfsAndTheKernelFindWhatWasPacked(compression: String, blockSize: String) async throws {
        _ = try PackSample(at: tree)
        let expected = try expected()
        let report = try await writer(compression, blockSize).write()
        #expect(report.notes == [])
        #expect(report.bytes == (try Files.size(image)) && report.bytes % 4096 == 0)
        // Each file once: two groups of hard links, of three and of two and of two names.
        #expect(report.files == expected.files.count - 4)
        let kernel = try await mounted { try TreeListing($0) }
        #expect(kernel.differences(from: expected) == [])
        _ = try await scratch.output("unsquashfs", ["-no-progress", "-quiet", "-dest", "unpacked", image])
        let unpacked = withCountedLinks(try TreeListing(scratch.path + "/unpacked"))
        #expect(unpacked.differences(from: expected) == [])
    }

    @Test func equalFilesShareTheirBlocksAndHolesTakeNone() async throws {
        try Files.makeDirectory(tree + "/b")
        let noise = PackSample.noise(3_000_000)
        for name in ["a", "b/a", "c"] { try PackSample.put("\(tree)/\(name)", noise) }
        for name in ["s", "t", "b/s"] { try PackSample.put("\(tree)/\(name)", Array(noise[..<50_000])) }
        try PackSample.put(tree + "/hole", [])
        try SystemError.check("grow", tree, truncate(tree + "/hole", 1 << 40))
        let report = try await writer("zstd:1", "1m").write()
        #expect(report.bytes < 3_100_000)
        #expect(report.unpackedBytes == 3 * 3_000_000 + 3 * 50_000 + 1 << 40)
        let sizes = try await mounted { place in
            try ["/c", "/t"].map { try Files.read(place + $0) == Files.read(tree + $0) }
        }
        #expect(sizes == [true, true])
    }

    @Test func aDirectoryOf70000FilesAndATreeDeeperThanAPathMayBe() async throws {
        try Files.makeDirectory(tree + "/wide")
        for number in 0..<70_000 {
            let descriptor = try SystemError.check(
                "make", tree, open(tree + "/wide/file-\(number)", O_CREAT | O_WRONLY, 0o600))
            close(descriptor)
        }
        let name = String(repeating: "n", count: 100)
        var deep = try SystemError.check("open", tree, open(tree, O_RDONLY | O_DIRECTORY))
        for _ in 0..<60 {
            try SystemError.check("make", name, mkdirat(deep, name, 0o755))
            let next = try SystemError.check("open", name, openat(deep, name, O_RDONLY | O_DIRECTORY))
            close(deep)
            deep = next
        }
        let file = try SystemError.check("make", name, openat(deep, "bottom", O_CREAT | O_WRONLY, 0o600))
        write(file, "here", 4)
        close(file)
        close(deep)
        let report = try await writer().write()
        #expect(report.files == 2 + 70_000 + 61)
        let (count, content) = try await mounted { place in
            let names = try Files.names(in: place + "/wide")
            for number in stride(from: 0, to: 70_000, by: 997) { #expect(Files.exists(place + "/wide/file-\(number)")) }
            var at = try SystemError.check("open", place, open(place, O_RDONLY | O_DIRECTORY))
            for _ in 0..<60 {
                let next = try SystemError.check("open", name, openat(at, name, O_RDONLY | O_DIRECTORY))
                close(at)
                at = next
            }
            let file = try SystemError.check("open", "bottom", openat(at, "bottom", O_RDONLY))
            var content = [UInt8](repeating: 0, count: 10)
            let length = read(file, &content, 10)
            close(file)
            close(at)
            return (names.count, String(decoding: content[..<length], as: UTF8.self))
        }
        #expect(count == 70_000)
        #expect(content == "here")
    }

    @Test func theSameTreeGivesTheSameBytesInWhateverOrderItWasMade() async throws {
        let order = (0..<300).map { "f\($0)" }
        var images: [[UInt8]] = []
        for names in [order, order.reversed()] {
            try Files.makeDirectory(tree)
            for name in names {
                try PackSample.put("\(tree)/\(name)", Array(repeating: name, count: 40).flatMap(\.utf8))
            }
            for name in names { try touch("\(tree)/\(name)", 1_700_000_000) }
            try touch(tree, 1_600_000_000)
            _ = try await writer().write()
            images.append(try Files.read(image))
            _ = try await scratch.output("rm", ["-rf", tree])
        }
        #expect(images[0] == images[1])
        // Of the newest file, never of the clock: `mkfs_time` at byte 8.
        #expect(Array(images[0][8..<12]) == withUnsafeBytes(of: UInt32(1_700_000_000)) { Array($0) })
    }

    @Test func sourceDateEpochClampsTimes() async throws {
        try Files.makeDirectory(tree)
        for (name, time) in [("old", 1000), ("new", 2_000_000_000)] {
            try PackSample.put("\(tree)/\(name)", [])
            try touch("\(tree)/\(name)", time)
        }
        var writer = try writer()
        writer.latest = 5000
        _ = try await writer.write()
        let times = try await mounted { try TreeListing($0).files.mapValues(\.mtime) }
        #expect(times == [[]: 5000, Array("/old".utf8): 1000, Array("/new".utf8): 5000])
        #expect(Array(try Files.read(image)[8..<12]) == [0x88, 0x13, 0, 0])
        #expect(try SourceDateEpoch.value("0") == 0 && SourceDateEpoch.value("4294967295") == .max)
        for text in ["", "-1", "1.5", "12x", " 1", "4294967296"] {
            #expect(throws: PackError.badEpoch(text: text)) { try SourceDateEpoch.value(text) }
        }
    }

    @Test func accessControlListsAreCountedInOneWarning() async throws {
        let sample = try PackSample(at: tree)
        try sample.set("empty", "system.posix_acl_access", PackSample.acl)
        try sample.set("empty-directory", "system.posix_acl_access", PackSample.acl)
        try sample.set("empty-directory", "system.posix_acl_default", PackSample.acl)
        let report = try await writer().write()
        #expect(report.notes == ["warning: 3 POSIX ACLs dropped: squashfs cannot hold them"])
        let expected = try expected()
        #expect(try await mounted { try TreeListing($0) }.differences(from: expected) == [])
    }

    @Test func whatIsNotATreeOrLiesInItIsRefused() async throws {
        await #expect(throws: PackError.noTree(path: tree)) { _ = try await writer().write() }
        try PackSample.put(tree, [1])
        await #expect(throws: PackError.noTree(path: tree)) { _ = try await writer().write() }
        unlink(tree)
        try Files.makeDirectory(tree + "/deep")
        try SystemError.check("link", tree, symlink(tree + "/deep", scratch.path + "/way-in"))
        for inside in [tree + "/image", tree + "/deep/image", scratch.path + "/way-in/image"] {
            await #expect(throws: PackError.imageInsideTree(image: inside, tree: tree)) {
                _ = try await SquashfsWriter(tree: tree, image: inside).write()
            }
        }
        #expect(try Files.names(in: tree + "/deep") == [])
    }

    @Test func aFullDiskNamesTheImageAndLeavesNothing() async throws {
        try Files.makeDirectory(tree)
        try PackSample.put(tree + "/noise", PackSample.noise(4 << 20))
        let small = scratch.path + "/small"
        try Files.makeDirectory(small)
        _ = try await scratch.output("mount", ["-t", "tmpfs", "-o", "size=1m", "none", small])
        try PackSample.put(small + "/root.squashfs", Array("old".utf8))
        do {
            let thrown = await #expect(throws: SystemError.self) {
                _ = try await SquashfsWriter(tree: tree, image: small + "/root.squashfs").write()
            }
            #expect(thrown == SystemError("write", small + "/root.squashfs", code: ENOSPC))
            #expect(try Files.names(in: small) == ["root.squashfs"])
            #expect(try Files.text(small + "/root.squashfs") == "old")
        }
        _ = try await scratch.output("umount", [small])
    }

    @Test func aCancelledPackEndsAtOnceAndLeavesNothing() async throws {
        try Files.makeDirectory(tree)
        // Takes long to compress: noise of few bits. One thread needs half a minute for all of it.
        var slowText = PackSample.noise(1 << 20).map { $0 & 7 }
        for number in 0..<80 {
            slowText[0] = UInt8(number)
            try PackSample.put(tree + "/\(number)", slowText)
        }
        var slow = try writer("xz:9", "1m")
        slow.workers = 1
        let ready = slow
        let task = Task { try await ready.write() }
        // The first block is written: the pack has begun, and is far from its end.
        while try !Files.names(in: scratch.path).contains(where: {
            try $0.hasPrefix("image.netroot-new-") && Files.size(scratch.path + "/" + $0) > 65536
        }) {
            try await Task.sleep(for: .milliseconds(2))
        }
        let start = ContinuousClock.now
        task.cancel()
        await #expect(throws: CancellationError.self) { _ = try await task.value }
        #expect(ContinuousClock.now - start < .seconds(15))
        #expect(try Files.names(in: scratch.path) == ["tree"])
    }

    @Test func twoPacksOfOneImageAreTwoFilesAndWhatAKilledOneLeftGoes() throws {
        let first = try SquashfsOutput(path: image)
        let second = try SquashfsOutput(path: image, mode: 0o644)
        try [UInt8](repeating: 1, count: 5000).withUnsafeBytes { try first.append($0) }
        try [UInt8(2), 2, 2].withUnsafeBytes { try second.append($0) }
        let left = image + ".netroot-new-" + "0123456789abcdef"
        let foreign = image + ".netroot-new-" + "backup"
        for path in [left, foreign] { try PackSample.put(path, [1]) }
        FileReplacement.removeUnfinished(of: image)
        #expect(!Files.exists(left) && Files.exists(foreign))
        #expect(try Files.names(in: scratch.path).count == 3)
        try first.publish()
        #expect(try Files.read(image) == [UInt8](repeating: 1, count: 5000))
        try second.publish()
        #expect(try Files.size(image) == 3)
        var status = stat()
        #expect(stat(image, &status) == 0 && status.st_mode & 0o777 == 0o644)
    }

    @Test func aTreeBehindASymlinkKeepsTheAttributesOfItsRoot() async throws {
        _ = try PackSample(at: tree)
        let expected = try expected()
        try SystemError.check("link", tree, symlink(tree, scratch.path + "/link"))
        _ = try await SquashfsWriter(tree: scratch.path + "/link", image: image).write()
        #expect(try await mounted { try TreeListing($0) }.differences(from: expected) == [])
    }

    @Test func oneOwnerTooManyIsNamed() async throws {
        try Files.makeDirectory(tree)
        // With root 65535 users and groups.
        for number in 0..<UInt32(32767) {
            try PackSample.put("\(tree)/\(number)", [])
            try SystemError.check("chown", tree, chown("\(tree)/\(number)", 2 * number + 1, 2 * number + 2))
        }
        _ = try await writer().write()
        #expect(try SquashfsReader(image).superblock.idCount == 65535)
        try PackSample.put(tree + "/more", [])
        try SystemError.check("chown", tree, chown(tree + "/more", 70000, 0))
        let error = await #expect(throws: PackError.self) { _ = try await writer().write() }
        #expect(error?.description.contains("\(tree)/more") == true && error?.description.contains("65535") == true)
    }

    /// What happens to a file between the listing and the reading.
    @Test(arguments: ["shrink", "grow", "touch", "remove", "replace", "symlink"])
    func aFileThatChangesIsAnError(change: String) throws {
        try Files.makeDirectory(tree)
        let file = tree + "/file"
        try PackSample.put(file, PackSample.text(300_000))
        let cancelled = CancelFlag()
        var scan = try PackScan(path: tree, cancelled: cancelled)
        try scan.run()
        switch change {
        case "shrink": try SystemError.check("cut", file, truncate(file, 200_000))
        case "grow": try SystemError.check("grow", file, truncate(file, 300_001))
        case "touch": try touch(file, 5)
        case "replace": try Files.replace(file, with: PackSample.text(300_000))
        default:
            unlink(file)
            if change == "symlink" { try SystemError.check("link", file, symlink("/etc/passwd", file)) }
        }
        let stream = try BlockStream(
            output: try SquashfsOutput(path: image), cache: nil, compression: .standard, blockSize: 131072, workers: 1)
        var contents = try PackContents(
            tree: scan.tree, stream: stream, blockSize: 131072, settings: [], seen: nil, cancelled: cancelled)
        let gone = change == "remove" || change == "symlink"
        #expect(throws: gone ? PackError.vanished(path: file) : .changed(path: file)) { try contents.run() }
    }
}

/// Sets the time of modification, in seconds since 1970.
func touch(_ path: String, _ seconds: Int) throws {
    let times = [timespec(tv_sec: seconds, tv_nsec: 0), timespec(tv_sec: seconds, tv_nsec: 0)]
    try SystemError.check("touch", path, utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW))
}
