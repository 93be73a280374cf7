import Glibc
import NetrootConfig
import NetrootSystem
import SystemPackage
import TestSupport
import Testing

@testable import NetrootImage

/// Archives on their way into an initramfs, and back by the kernel's rules and the reference tools.
@Suite struct InitramfsWriterTests {
    static let codecs = ["none", "zstd:3", "xz:0", "gzip:6", "lz4"]
    let scratch: ScratchDirectory
    var tree: String { scratch.path + "/tree" }
    var file: String { scratch.path + "/initramfs" }

    init() throws { scratch = try ScratchDirectory() }

    private func write(
        workers: Int = 2, _ body: (InitramfsWriter) async throws -> Void
    ) async throws {
        let replacement = try FileReplacement(of: file)
        var writer = InitramfsWriter(to: replacement.descriptor, path: file)
        writer.workers = workers
        try await body(writer)
        try replacement.publish(mode: nil)
    }

    /// What an archive holds of a tree: no extended attributes, no sockets, seconds in 32 bits, hard links of symlinks as
    /// files of their own. What extracts does not care for the times of directories alike.
    private func expected(_ place: String) throws -> TreeListing {
        var listing = try TreeListing(place)
        listing.files = listing.files.filter { mode_t($0.value.mode) & S_IFMT != S_IFSOCK }
        for (path, var file) in listing.files {
            let type = mode_t(file.mode) & S_IFMT
            file.xattrs = [:]
            file.mtime = type == S_IFDIR || type == S_IFLNK ? 0 : Int(UInt32(clamping: file.mtime))
            if type == S_IFDIR { file.links = 2 }
            if type == S_IFLNK { (file.links, file.same) = (1, path) }
            if path.isEmpty { (file.mode, file.uid, file.gid) = (0, 0, 0) }
            listing.files[path] = file
        }
        return listing
    }

    /// Decompresses the file, which has one segment, by the program that made the format.
    private func unpack(_ compression: String) async throws {
        let programs = ["zstd": "zstd", "xz": "xz", "gzip": "gzip", "lz4": "lz4"]
        guard let program = programs.first(where: { compression.hasPrefix($0.key) })?.value else {
            return try Files.move(file, to: scratch.path + "/cpio")
        }
        // The zeros behind a frame are for the kernel: zstd and lz4 take them for damage.
        let bytes = try Files.read(file)
        let end = try SegmentDecompression.run(
            try #require(Compression(magic: bytes)), from: 0,
            read: { Array(bytes[min(bytes.count, Int($0))...].prefix($1)) }, receive: { _ in true })
        try Files.replace(file, with: Array(bytes[..<Int(end)]))
        _ = try await scratch.output("sh", ["-c", "exec \"$1\" -dcq <initramfs >cpio", "sh", program])
    }

    @Test(arguments: codecs)
    func cpioAndBsdtarFindWhatWasPacked(compression: String) async throws {
        _ = try PackSample(at: tree)
        let settings = try BlockCompression(parsing: compression)
        try await write { writer in
            let segment = try await writer.append(NewcTree(tree), compression: settings)
            #expect(segment.notes == ["1 socket left out: no program could answer there"])
            #expect(segment.bytes % 4 == 0)
        }
        #expect(try await Initramfs.open(file).contents["names/n\u{1}"]?.size == 1)
        try await unpack(compression)
        for (target, tool) in [("cpio-out", "cpio"), ("bsdtar-out", "bsdtar")] {
            try Files.makeDirectory("\(scratch.path)/\(target)")
            let arguments =
                tool == "cpio"
                ? ["-idm", "--quiet", "--preserve-modification-time", "-D", target]
                : ["-xpf", "-", "-C", target, "--numeric-owner"]
            _ = try await scratch.output(tool, arguments, input: scratch.path + "/cpio")
            let found = try expected("\(scratch.path)/\(target)")
            #expect(found.differences(from: try expected(tree)) == [], "\(tool)")
            #expect(found.files[Array("/many/character".utf8)]?.links == 2)
        }
    }

    @Test("The bytes do not depend on the number of workers", arguments: codecs)
    func sameBytes(compression: String) async throws {
        try Files.makeDirectory(tree + "/etc")
        try PackSample.put(tree + "/text", PackSample.text(20_000_000))
        try PackSample.put(tree + "/etc/noise", PackSample.noise(9_000_000))
        let settings = try BlockCompression(parsing: compression)
        var before: [UInt8] = []
        for workers in [1, 4] {
            try await write(workers: workers) { _ = try await $0.append(NewcTree(tree), compression: settings) }
            let bytes = try Files.read(file)
            #expect(before.isEmpty || bytes == before)
            before = bytes
        }
        #expect(try await Initramfs.open(file).contents["etc/noise"]?.size == 9_000_000)
    }

    /// A kernel and our reader find every archive, whatever is before it.
    @Test(arguments: codecs, codecs)
    func segmentsFollowEachOther(first: String, second: String) async throws {
        try Files.makeDirectory(tree)
        try PackSample.put(tree + "/noise", PackSample.noise(100_003))
        let small = try NewcArchive(entries: [NewcEntry("init", .bytes([1, 2, 3]))])
        let mark = try NewcArchive(entries: [NewcEntry("netroot/whole", .bytes([]))])
        var offsets: [UInt64] = [0]
        var segments: [InitramfsWriter.Segment] = []
        try await write { writer in
            segments.append(try await writer.append(small, compression: try BlockCompression(parsing: first)))
            segments.append(try await writer.append(NewcTree(tree), compression: try BlockCompression(parsing: second)))
            segments.append(try await writer.append(mark, compression: try BlockCompression(parsing: "none")))
        }
        for segment in segments { offsets.append(offsets[offsets.count - 1] + segment.bytes) }
        #expect(offsets.allSatisfy { $0 % 4 == 0 })
        #expect(try Files.size(file) == Int64(offsets[3]))
        #expect(segments.map(\.entries) == [1, 1, 2] && segments.map(\.pageBytes) == [4096, 102_400, 0])
        let read = try await Initramfs.open(file) { _ in true }
        #expect(read.contents["init"]?.content == [1, 2, 3])
        #expect(read.contents["noise"]?.content == PackSample.noise(100_003))
        #expect(read.contents["netroot/whole"]?.size == 0)
        // Archives that are not compressed are one segment.
        #expect(read.segments.count == (second != "none" ? 3 : first != "none" ? 2 : 1))
        #expect(read.segments.map(\.size).reduce(0, +) == segments.map(\.unpackedBytes).reduce(0, +))
    }

    /// Whatever the sizes of the pieces, also where the data end with a block.
    @Test(arguments: codecs.dropFirst(), [0, 1, 512 << 10, 8 << 20, 9_999_999])
    func piecesOfAnySize(compression: String, size: Int) async throws {
        let settings = try BlockCompression(parsing: compression)
        let data = PackSample.text(size / 2) + PackSample.noise(size - size / 2)
        func encode(_ pieces: [Int]) throws -> [UInt8] {
            var made: [UInt8] = []
            let encoder = try settings.encoder(size: UInt64(size), workers: 3) { made.append(contentsOf: $0) }
            var rest = data[...]
            var turn = 0
            while !rest.isEmpty {
                let piece = rest.prefix(pieces[turn % pieces.count])
                try piece.withUnsafeBytes { try encoder.write($0) }
                rest = rest.dropFirst(piece.count)
                turn += 1
            }
            try encoder.finish()
            return made
        }
        let whole = try encode([max(1, size)])
        #expect(try encode([1, 70_000, 262_144, 3]) == whole)
        guard size > 0 else { return }
        var back: [UInt8] = []
        let format = try #require(Compression(magic: whole))
        let end = try SegmentDecompression.run(
            format, from: 0, read: { Array(whole.dropFirst(Int($0)).prefix($1)) },
            receive: {
                back += $0
                return true
            })
        #expect(back == data)
        #expect(Int(end) == whole.count - (format == .lz4 ? 4 : 0))
    }

    @Test func hardLinksCountWhatIsInTheArchive() async throws {
        try Files.makeDirectory(tree + "/a")
        try PackSample.put(tree + "/z", Array("same".utf8))
        for name in ["a/1", "a/2", "left"] {
            try SystemError.check("link", name, link(tree + "/z", "\(tree)/\(name)"))
        }
        let packed = NewcTree(tree) { $0.starts(with: "left".utf8) || $0.elementsEqual("a/2".utf8) }
        try await write { _ = try await $0.append(packed, compression: try BlockCompression(parsing: "none")) }
        try Files.makeDirectory(scratch.path + "/out")
        _ = try await scratch.output("cpio", ["-id", "--quiet", "-D", "out"], input: file)
        let list = try await scratch.output("cpio", ["-itv", "--quiet"], input: file)
        let rows = list.split(separator: "\n").map { $0.split(separator: " ") }
        #expect(rows.map(\.last) == ["a", "z", "a/1"])
        #expect(rows.map { $0[1] } == ["2", "2", "2"])
        var status = stat()
        #expect(stat(scratch.path + "/out/z", &status) == 0 && status.st_nlink == 2 && status.st_size == 4)
    }

    @Test func clampsTimesAndNamesWhatIsTooLarge() async throws {
        try Files.makeDirectory(tree + "/var")
        try PackSample.put(tree + "/var/x", [])
        try await write { writer in
            _ = try await writer.append(
                NewcTree(tree, latest: 7), compression: try BlockCompression(parsing: "none"))
        }
        #expect(try await Initramfs.open(file).contents.entries.map(\.mtime) == [7, 7])
        try SystemError.check("grow", tree, truncate(tree + "/var/x", 1 << 32))
        let error = await #expect(throws: NewcError.self) {
            try await write { _ = try await $0.append(NewcTree(tree), compression: .standard) }
        }
        #expect(error?.description.contains("\(tree)/var/x' into an archive: it has 4 GiB or more") == true)
    }

    @Test func aCancelledTaskEndsAndAFullDiskIsSaid() async throws {
        try Files.makeDirectory(tree)
        try PackSample.put(tree + "/noise", PackSample.noise(5_000_000))
        let (tree, file) = (tree, file)
        let cancelled = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await NewcTree(tree).write(toFile: file, compression: .standard)
        }
        await #expect(throws: CancellationError.self) { _ = try await cancelled.value }
        #expect(try Files.names(in: scratch.path) == ["tree"])
        let full = try FileDescriptor.open("/dev/full", .writeOnly)
        defer { close(full.rawValue) }
        for compression in Self.codecs {
            let error = await #expect(throws: SystemError.self) {
                _ = try await InitramfsWriter(to: full, path: "/dev/full")
                    .append(NewcTree(tree), compression: try BlockCompression(parsing: compression))
            }
            #expect(error?.isDiskFull == true)
        }
    }

    @Test func anArchiveInsideItsTreeIsRefused() async throws {
        try Files.makeDirectory(tree)
        await #expect(throws: PackError.self) {
            _ = try await NewcTree(tree).write(toFile: tree + "/x", compression: .standard)
        }
        await #expect(throws: PackError.self) {
            _ = try await NewcTree(tree + "/none").write(toFile: file, compression: .standard)
        }
    }
}
