import Glibc
import NetrootSystem
import SystemPackage
import TestSupport
import Testing

@testable import NetrootImage

/// Reads whole archives from memory.
private func read(
    _ bytes: [UInt8], pieces: Int = .max, limits: NewcReader.Limits = .init(), keeping: Bool = true
) throws -> [NewcReader.Entry] {
    var reader = NewcReader(name: "test", limits: limits) { _ in keeping }
    var entries: [NewcReader.Entry] = []
    var rest = bytes[...]
    while !rest.isEmpty {
        let piece = rest.prefix(pieces)
        let taken = try reader.read(piece) { entries.append($0) }
        if taken < piece.count { break }
        rest = rest.dropFirst(piece.count)
    }
    try reader.finish()
    return entries
}

private func sample() throws -> NewcArchive {
    try NewcArchive(entries: [
        NewcEntry("etc/hostname", .bytes(Array("client\n".utf8)), mode: 0o640, uid: 7, gid: 8, mtime: 1_000_000_000),
        NewcEntry("etc", .directory, mode: 0o1700),
        NewcEntry("bin", .symlink(Array("usr/bin".utf8))),
        NewcEntry("dev/console", .characterDevice(major: 5, minor: 1), mode: 0o600),
        NewcEntry("dev/sda", .blockDevice(major: 8, minor: 300), mode: 0o660),
        NewcEntry("run/pipe", .fifo),
        NewcEntry(".hidden", .bytes([])),
        NewcEntry(path: [0x66, 0xFF, 0xFE], content: .bytes([0, 1, 2])),
        NewcEntry("a b/c'd", .bytes([UInt8](repeating: 9, count: 5000)), mode: 0o4755),
    ])
}

@Suite struct NewcArchiveTests {
    @Test func roundTrip() throws {
        let archive = try sample()
        let bytes = try archive.bytes()
        #expect(bytes.count % 512 == 0)
        for pieces in [1, 3, 110, 4096, Int.max] {
            let entries = try read(bytes, pieces: pieces)
            #expect(entries.map(\.path) == archive.entries.map(\.path))
            for (read, written) in zip(entries, archive.entries) {
                #expect(read.mode == written.mode)
                #expect(read.type == written.content.fileType)
                #expect([read.uid, read.gid, read.mtime] == [written.uid, written.gid, written.mtime])
                switch written.content {
                case .bytes(let content), .symlink(let content): #expect(read.content == content)
                default: #expect(read.size == 0)
                }
            }
        }
    }

    @Test func sortedWithParents() throws {
        let archive = try NewcArchive(entries: [
            NewcEntry("b/c/d", .bytes([])), NewcEntry("b-", .bytes([])), NewcEntry("b/c", .directory, mode: 0o700),
            NewcEntry("a", .bytes([])),
        ])
        #expect(archive.entries.map { String(decoding: $0.path, as: UTF8.self) } == ["a", "b", "b-", "b/c", "b/c/d"])
        #expect(archive.entries.map(\.mode) == [0o644, 0o755, 0o644, 0o700, 0o644])
    }

    @Test func sameBytesForAnyOrder() throws {
        let archive = try sample()
        var random = SeededRandom(seed: 3)
        for _ in 0..<10 {
            #expect(try NewcArchive(entries: archive.entries.shuffled(using: &random)).bytes() == archive.bytes())
        }
    }

    /// The kernel reads nothing else: inode, link count and device numbers as they are specified.
    @Test func header() throws {
        let bytes = try NewcArchive(entries: [NewcEntry("ab", .bytes([0x58]), mtime: 0x1234_5678)]).bytes()
        let expected =
            "070701" + "00000001" + "000081a4" + "00000000" + "00000000" + "00000001" + "12345678" + "00000001"
            + "00000000" + "00000000" + "00000000" + "00000000" + "00000003" + "00000000" + "ab\0" + "\0\0\0X\0\0\0"
            + "070701" + "00000000"
        #expect(String(decoding: bytes.prefix(expected.utf8.count), as: UTF8.self) == expected)
    }

    static let badPaths: [[UInt8]] = [
        [], Array("/a".utf8), Array("a//b".utf8), Array("a/".utf8), Array("./a".utf8), Array(".".utf8),
        Array("..".utf8), Array("a/../b".utf8), Array("a/..".utf8), [0x61, 0], Array("TRAILER!!!".utf8),
        [UInt8](repeating: 0x61, count: 4096),
    ]

    @Test(arguments: badPaths)
    func rejectsPath(path: [UInt8]) {
        #expect(throws: NewcError.self) { try NewcArchive(entries: [NewcEntry(path: path, content: .bytes([]))]) }
    }

    @Test func rejectsEntries() {
        #expect(throws: NewcError.self) {
            try NewcArchive(entries: [NewcEntry("a", .directory), NewcEntry("a", .directory)])
        }
        #expect(throws: NewcError.self) {
            try NewcArchive(entries: [NewcEntry("a/b/c", .directory), NewcEntry("a", .symlink([0x62]))])
        }
        #expect(throws: NewcError.self) { try NewcArchive(entries: [NewcEntry("a", .symlink([]))]) }
        #expect(throws: NewcError.self) { try NewcArchive(entries: [NewcEntry("a", .bytes([]), mode: 0o100644)]) }
    }

    @Test func rejectsFileOfFourGiB() throws {
        let scratch = try ScratchDirectory()
        let file = try scratch.write("big", [])
        try SystemError.check("grow", file, truncate(file, 1 << 32))
        let archive = try NewcArchive(entries: [NewcEntry("big", .file(FilePath(file)))])
        let target = scratch.path + "/out"
        #expect(throws: NewcError.self) { try archive.write(toFile: target) }
        #expect(try Files.names(in: scratch.path) == ["big"])
    }

    @Test func missingFileLeavesTheTargetAlone() throws {
        let scratch = try ScratchDirectory()
        let target = try scratch.write("out", [1, 2, 3])
        let archive = try NewcArchive(entries: [NewcEntry("x", .file("/nonexistent/x"))])
        #expect(throws: SystemError.self) { try archive.write(toFile: target) }
        #expect(try Files.read(target) == [1, 2, 3])
        #expect(try Files.names(in: scratch.path) == ["out"])
    }
}

@Suite struct NewcReferenceToolTests {
    @Test func cpioListsTheSame() async throws {
        let scratch = try ScratchDirectory()
        try sample().write(toFile: scratch.path + "/a.cpio")
        let list = try await scratch.output(
            "cpio", ["-itv", "--quiet", "--numeric-uid-gid"], input: scratch.path + "/a.cpio")
        let rows = list.split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") }
        #expect(rows.contains("-rw-r----- 1 7 8 7 Sep 9 2001 etc/hostname"))
        #expect(rows.contains("drwx-----T 2 0 0 0 Jan 1 1970 etc"))
        #expect(rows.contains("lrwxrwxrwx 1 0 0 7 Jan 1 1970 bin -> usr/bin"))
        #expect(rows.contains("crw------- 1 0 0 5, 1 Jan 1 1970 dev/console"))
        #expect(rows.contains("brw-rw---- 1 0 0 8, 300 Jan 1 1970 dev/sda"))
        #expect(rows.contains("prw-r--r-- 1 0 0 0 Jan 1 1970 run/pipe"))
        #expect(rows.contains("-rwsr-xr-x 1 0 0 5000 Jan 1 1970 a b/c'd"))
        #expect(rows.count == (try sample()).entries.count)
    }

    /// A directory with every kind of name goes through our writer and cpio, and comes out the same.
    @Test func cpioExtractsADirectory() async throws {
        let scratch = try ScratchDirectory()
        let source = scratch.path + "/source"
        try Files.makeDirectory(source + "/etc/ssh")
        try Files.replace(source + "/etc/ssh/key", with: Array("secret".utf8), mode: 0o600)
        try Files.replace(source + "/.dotfile", with: [], mode: 0o644)
        try Files.replace(source + "/big", with: (0..<700_001).map { UInt8(truncatingIfNeeded: $0 &* 7) })
        try SystemError.check("link", source, symlink("etc/../nowhere", source + "/link"))
        try SystemError.check("change", source, chmod(source + "/etc", 0o2751))
        try SystemError.check("change", source, chmod(source, 0o700))
        let archive = try NewcArchive(directory: source, prefix: "netroot/overlay")
        let paths = archive.entries.map { String(decoding: $0.path, as: UTF8.self) }
        #expect(
            paths == [
                "netroot", "netroot/overlay", "netroot/overlay/.dotfile", "netroot/overlay/big", "netroot/overlay/etc",
                "netroot/overlay/etc/ssh", "netroot/overlay/etc/ssh/key", "netroot/overlay/link",
            ])
        // The directory's own mode must not become the root's.
        #expect(archive.entries[1].mode == 0o755)
        #expect(archive.entries.allSatisfy { $0.uid == 0 && $0.gid == 0 && $0.mtime == 0 })
        try archive.write(toFile: scratch.path + "/a.cpio")
        #expect(try Files.read(scratch.path + "/a.cpio") == archive.bytes())
        try Files.makeDirectory(scratch.path + "/target")
        _ = try await scratch.output("cpio", ["-id", "--quiet", "-D", "target"], input: scratch.path + "/a.cpio")
        _ = try await scratch.output("diff", ["-r", "--no-dereference", "source", "target/netroot/overlay"])
        var status = stat()
        #expect(stat(scratch.path + "/target/netroot/overlay/etc", &status) == 0)
        #expect(status.st_mode & 0o7777 == 0o2751)
    }

    @Test func clampsTimes() throws {
        let scratch = try ScratchDirectory()
        _ = try scratch.write("x", [])
        let archive = try NewcArchive(directory: scratch.path, prefix: "", owner: .asOnDisk, latest: 1000)
        #expect(archive.entries.map(\.mtime) == [1000])
        #expect(archive.entries.map(\.uid) == [geteuid()])
    }

    @Test func namesOfAnyBytes() throws {
        let scratch = try ScratchDirectory()
        let name: [CChar] = Array(scratch.path.utf8CString.dropLast()) + [0x2F, -1, -2, 0]
        let descriptor = open(name, O_CREAT | O_WRONLY, 0o644)
        #expect(descriptor >= 0)
        close(descriptor)
        let entries = try read(try NewcArchive(directory: scratch.path, prefix: "p").bytes())
        #expect(entries.last?.path == [0x70, 0x2F, 0xFF, 0xFE])
    }

    @Test func rejectsASocketAndAMissingDirectory() async throws {
        let scratch = try ScratchDirectory()
        #expect(throws: SystemError.self) { try NewcArchive(directory: scratch.path + "/none", prefix: "") }
        _ = try await scratch.output(
            "python3", ["-c", "import socket; socket.socket(socket.AF_UNIX).bind('s')"])
        #expect(throws: NewcError.self) { try NewcArchive(directory: scratch.path, prefix: "") }
    }

    /// dracut's own archives come from GNU cpio.
    @Test func readsWhatCpioWrites() async throws {
        let scratch = try ScratchDirectory()
        try Files.makeDirectory(scratch.path + "/d")
        try Files.replace(scratch.path + "/d/f", with: [1, 2, 3])
        try SystemError.check("link", "f", link(scratch.path + "/d/f", scratch.path + "/d/g"))
        let names = try scratch.write("names", Array(".\nd\nd/f\nd/g\n".utf8))
        _ = try await scratch.output("cpio", ["-o", "-H", "newc", "--quiet", "-F", "out"], input: names)
        let entries = try read(try Files.read(scratch.path + "/out"))
        #expect(entries.map { String(decoding: $0.path, as: UTF8.self) } == [".", "d", "d/f", "d/g"])
        #expect(entries.compactMap(\.content).contains([1, 2, 3]))
    }
}

@Suite struct NewcReaderTests {
    @Test func concatenation() throws {
        let one = try NewcArchive(entries: [NewcEntry("a", .bytes([1]))]).bytes()
        let two = try NewcArchive(entries: [NewcEntry("b", .bytes([2, 3]))]).bytes()
        for zeros in [0, 4, 1024] {
            let entries = try read(one + [UInt8](repeating: 0, count: zeros) + two, pieces: 7)
            #expect(entries.map(\.content) == [[1], [2, 3]])
        }
        #expect(throws: NewcError.self) { try read(one + [0, 0] + two) }
    }

    @Test func stopsAtForeignData() throws {
        let one = try NewcArchive(entries: [NewcEntry("a", .bytes([1]))]).bytes()
        var reader = NewcReader(name: "test")
        #expect(try reader.read((one + [0, 0, 0x28, 0xB5])[...]) { _ in } == one.count + 2)
        try reader.finish()
        #expect(reader.archives == 1)
    }

    @Test func everyTruncationIsAnErrorOrAnEnd() throws {
        let small = try NewcArchive(entries: [
            NewcEntry("a", .bytes([1])), NewcEntry("d/l", .symlink([0x61])), NewcEntry("d/n", .bytes([1, 2, 3, 4, 5])),
        ]).bytes()
        let end = small.lastIndex { $0 != 0 }!
        for length in 0...small.count {
            let cut = Array(small[..<length])
            // The trailer's name is complete with its NUL and three bytes up to a multiple of four.
            if length < end + 1 + 4 {
                #expect(throws: NewcError.self, "cut at \(length)") { try read(cut) }
            } else {
                #expect(try read(cut).count == 4)
            }
        }
    }

    @Test func everyChangedByteIsAnErrorOrAnArchive() throws {
        let small = try NewcArchive(entries: [NewcEntry("a/b", .bytes([1, 2, 3])), NewcEntry("c", .symlink([1]))])
            .bytes()
        var random = SeededRandom(seed: 4)
        for index in small.indices {
            for _ in 0..<8 {
                var damaged = small
                damaged[index] = UInt8.random(in: 0...255, using: &random)
                do { _ = try read(damaged, pieces: 50) } catch { #expect(error is NewcError) }
            }
        }
    }

    @Test func randomBytesNeverCrash() throws {
        var random = SeededRandom(seed: 5)
        let header = try Array(sample().bytes().prefix(300))
        for round in 0..<20_000 {
            var bytes = (0..<Int.random(in: 0..<200, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            if round % 2 == 0 { bytes = Array(header.prefix(Int.random(in: 0...300, using: &random))) + bytes }
            do { _ = try read(bytes) } catch { #expect(error is NewcError) }
        }
    }

    @Test func bounds() throws {
        let bytes = try sample().bytes()
        var limits = NewcReader.Limits()
        limits.entries = 5
        #expect(throws: NewcError.self) { try read(bytes, limits: limits) }
        limits = .init()
        limits.bytes = 1000
        #expect(throws: NewcError.self) { try read(bytes, limits: limits) }
        limits = .init()
        limits.content = 4999
        #expect(throws: NewcError.self) { try read(bytes, limits: limits) }
        #expect(try read(bytes, limits: limits, keeping: false).count == 12)
    }

    @Test(arguments: [
        ("070702zz", "hexadecimal"), ("070707", "old cpio"), ("070701zz", "hexadecimal"), ("0sdjfh", "no newc header"),
        ("hsqs", "no newc archive"), ("", "no newc archive"),
    ])
    func foreignInput(start: String, words: String) throws {
        let bytes = Array(start.utf8) + [UInt8](repeating: 0x30, count: start.isEmpty ? 0 : 200)
        let error = try #require(throws: NewcError.self) { try read(bytes) }
        #expect(error.description.contains(words), "\(error)")
        #expect(error.description.contains("at byte 0"), "\(error)")
    }
}
