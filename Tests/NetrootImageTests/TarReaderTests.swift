import NetrootSystem
import TestSupport
import Testing

@testable import NetrootImage

private func read(_ bytes: [UInt8], pieces: Int = .max, limits: TarReader.Limits = .init()) throws -> EntryList {
    var reader = TarReader(name: "test", limits: limits)
    var list = EntryList()
    var rest = bytes[...]
    while !rest.isEmpty {
        let piece = rest.prefix(pieces)
        try reader.read(piece, &list)
        rest = rest.dropFirst(piece.count)
    }
    try reader.finish()
    return list
}

private func problem(_ bytes: [UInt8], limits: TarReader.Limits = .init()) -> String {
    do {
        _ = try read(bytes, limits: limits)
        return "no error"
    } catch {
        return "\(error)"
    }
}

@Suite struct TarReaderTests {
    /// Archives of GNU tar in every format that a layer can have, with long names, large numbers and every kind of file.
    @Test(arguments: ["posix", "gnu", "ustar", "v7"], [1, 511, 512, 100_000])
    func archivesOfGNUTar(format: String, pieces: Int) async throws {
        let scratch = try ScratchDirectory()
        let isOld = format == "ustar" || format == "v7"
        let long =
            String(repeating: "d", count: isOld ? 20 : 120) + "/" + String(repeating: "f", count: isOld ? 20 : 130)
        _ = try await scratch.output(
            "sh",
            [
                "-c",
                """
                set -e; mkdir t; cd t; mkdir -p "$(dirname "$1")"; echo content >"$1"; ln "$1" hard; ln -s "$1" soft
                [ "$2" = v7 ] || mkfifo pipe
                head -c 100000 /dev/zero | tr '\\0' x >large; chmod 4755 large; printf 1 >"$(printf 'caf\\351')"
                tar --format="$2" --sort=name --owner=$3 --group=$3 --mtime=@1000000000 -cf ../t.tar .
                """, "sh", long, format, isOld ? "1000" : "3000000",
            ])
        let list = try read(try Files.read(scratch.path + "/t.tar"), pieces: pieces)
        let names = list.entries.map { $0.path }
        func entry(_ name: String) throws -> TarEntry {
            try #require(list.entries.first { $0.path == Array("./\(name)".utf8) })
        }
        #expect(names.contains([0x2E, 0x2F, 0x63, 0x61, 0x66, 0xE9]))
        let large = try entry("large")
        #expect(large.mode == 0o4755 && large.size == 100_000 && large.mtime == 1_000_000_000)
        #expect(large.uid == (isOld ? 1000 : 3_000_000) && large.gid == large.uid)
        let index = try #require(list.entries.firstIndex(of: large))
        #expect(list.contents[index].count == 100_000 && list.contents[index].allSatisfy { $0 == UInt8(ascii: "x") })
        #expect(try entry("soft").kind == .symlink(to: Array(long.utf8)))
        // The first name in the archive is the file, the second the link.
        let hard = try [entry("hard"), entry(long)].filter { if case .hardLink = $0.kind { true } else { false } }
        #expect(hard.count == 1)
        if format != "v7" { #expect(try entry("pipe").kind == .fifo) }
        let directory = try #require(list.entries.first { $0.path == Array("./".utf8) })
        #expect(directory.kind == .directory)
    }

    @Test func paxAttributesAndNumbers() throws {
        var sample = LayerSample()
        sample.addPax([
            ("path", Array("a/long".utf8)), ("uid", Array("4000000000".utf8)), ("mtime", Array("1234.567".utf8)),
            ("SCHILY.xattr.security.capability", [1, 0, 0x0A, 0xFF]), ("comment", Array("any".utf8)),
            ("size", Array("3".utf8)),
        ])
        sample.add(LayerSample.block(Array("short".utf8), "0"))
        sample.add(LayerSample.padded(Array("abc".utf8)))
        sample.addPax([("mtime", Array("-5.5".utf8)), ("linkpath", [0xFF])])
        sample.add("link", "2", link: "short")
        let list = try read(sample.whole)
        #expect(list.entries.count == 2)
        let first = list.entries[0]
        #expect(first.path == Array("a/long".utf8) && first.uid == 4_000_000_000 && first.mtime == 1234)
        #expect(list.contents[0] == Array("abc".utf8))
        #expect(first.xattrs == [.init(name: Array("security.capability".utf8), value: [1, 0, 0x0A, 0xFF])])
        #expect(list.entries[1].kind == .symlink(to: [0xFF]) && list.entries[1].mtime == 0)
        #expect(list.entries[1].xattrs.isEmpty)
    }

    @Test func writtenHeadersReadBack() throws {
        let long = [UInt8](repeating: UInt8(ascii: "n"), count: 200)
        let entries = [
            TarEntry(path: long, kind: .regular, mode: 0o4755, uid: 4_000_000_000, gid: 1 << 21, mtime: .max, size: 0),
            TarEntry(path: [0xE9], kind: .symlink(to: long), mode: 0o777, uid: 1, gid: 2, mtime: 3, size: 0),
            TarEntry(path: [1], kind: .hardLink(to: [0xE9]), mode: 0o777, uid: 1, gid: 2, mtime: 3, size: 0),
            TarEntry(
                path: [2], kind: .blockDevice(major: 4095, minor: 1_048_575), mode: 0, uid: 0, gid: 0, mtime: 0, size: 0
            ),
            TarEntry(
                path: Array("x".utf8), kind: .directory, mode: 0o1777, uid: 0, gid: 0, mtime: 0, size: 0,
                xattrs: [.init(name: Array("user.a".utf8), value: [UInt8](repeating: 0x0A, count: 980))]),
        ]
        #expect(try read(entries.flatMap(TarOutput.header) + TarOutput.end).entries == entries)
        // A content that no test writes: the number alone must come through.
        var huge = entries[0]
        huge.size = 1 << 40
        var reader = TarReader(name: "huge")
        var list = EntryList()
        try reader.read(TarOutput.header(huge)[...], &list)
        #expect(list.entries == [huge])
    }

    @Test func endsAsArchivesEnd() throws {
        var sample = LayerSample()
        sample.add("a", "0", content: "x")
        let zeros = [UInt8](repeating: 0, count: 512)
        for end in [[], zeros, zeros + zeros, zeros + zeros + Array("a tape's rest".utf8)] {
            #expect(try read(sample.bytes + end).entries.count == 1)
        }
        #expect(try read([]).entries.isEmpty)
        #expect(problem(sample.bytes + zeros + sample.bytes).contains("a single block of zeros at byte 2048"))
    }

    /// Whatever byte it ends at, an archive that is cut off within a member is called so.
    @Test func everyCutIsFound() throws {
        var sample = LayerSample()
        sample.addPax([("path", Array("long".utf8))])
        sample.add("a", "0", content: "content")
        sample.add("b", "5")
        let boundaries = [0, 4 * 512, 5 * 512]
        for count in 0...sample.bytes.count where !boundaries.contains(count) {
            #expect(problem(Array(sample.bytes.prefix(count))).contains("the archive is cut off"))
        }
        for count in boundaries { #expect(problem(Array(sample.bytes.prefix(count))) == "no error") }
    }

    @Test func corruptHeaders() {
        var wrongSum = LayerSample.block(Array("a".utf8), "0")
        wrongSum[0] = UInt8(ascii: "b")
        #expect(problem(wrongSum).contains("test: a header with a wrong checksum at byte 512"))
        #expect(problem(Array(repeating: 0x41, count: 512)).contains("checksum with other than octal digits"))
        func changed(_ offset: Int, _ bytes: [UInt8]) -> [UInt8] {
            var block = LayerSample.block(Array("a".utf8), "0")
            block.replaceSubrange(offset..<(offset + bytes.count), with: bytes)
            return LayerSample.summed(block)
        }
        #expect(problem(changed(124, Array("89".utf8))).contains("a size with other than octal digits"))
        #expect(problem(changed(124, [UInt8](repeating: 0xFF, count: 12))).contains("a negative size"))
        #expect(
            problem(changed(124, [0x80] + [UInt8](repeating: 0xFF, count: 11))).contains("a size that is too large"))
        #expect(problem(changed(108, [0x80, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF])).contains("an owner that is too large"))
        #expect(problem(changed(156, [UInt8(ascii: "S")])).contains("sparse"))
        #expect(problem(changed(156, [UInt8(ascii: "M")])).contains("unknown type 77"))
        #expect(problem(LayerSample.block([1], "2", size: LayerSample.octal(5))).contains("what is not a regular file"))
        let device = LayerSample.block([1], "3", device: ("7777777", "0000000"))
        #expect(problem(device).contains("numbers that are too large"))
    }

    @Test func corruptExtendedHeaders() {
        func extended(_ flag: Character, _ text: String) -> String {
            var sample = LayerSample()
            sample.addExtended(flag, Array(text.utf8))
            sample.add("a", "0")
            return problem(sample.whole)
        }
        #expect(extended("x", "5 path=a\n").contains("extended header"))
        #expect(extended("x", "99 path=a\n").contains("with a wrong length"))
        #expect(extended("x", "x path=a\n").contains("with a wrong length"))
        #expect(extended("x", "10 path=ab").contains("without KEY=VALUE"))
        #expect(extended("x", "9 pathab\n").contains("without KEY=VALUE"))
        #expect(extended("x", "10 path=\u{0}\n").contains("a name with a NUL"))
        #expect(extended("x", "9 size=x\n").contains("with a bad size"))
        #expect(extended("x", "22 GNU.sparse.major=1\n").contains("sparse"))
        #expect(extended("x", "20 SCHILY.xattr.=ab\n").contains("a bad name"))
        #expect(extended("g", "10 path=a\n").contains("with a wrong length") == false)
        #expect(
            extended("g", "10 path=a\n").contains("without KEY=VALUE") || extended("g", "9 path=a\n").contains("global")
        )
        #expect(extended("g", "9 path=a\n").contains("a global header that changes members"))
        #expect(extended("g", "13 comment=a\n") == "no error")
        // A size of which only the number is there.
        let huge = LayerSample.block([1], "x", size: LayerSample.octal(1 << 30))
        #expect(problem(huge).contains("an extended header of 1073741824 bytes"))
        let twice = LayerSample.block([1], "x") + LayerSample.block([1], "x") + LayerSample.block([1], "0")
        #expect(problem(twice).contains("a second extended header"))
        var both = LayerSample()
        both.addExtended("L", Array("one\u{0}".utf8))
        both.addPax([("path", Array("two".utf8))])
        both.add("three", "0")
        #expect(problem(both.whole).contains("two long names"))
        var lonely = LayerSample()
        lonely.addExtended("L", Array("one".utf8))
        #expect(problem(lonely.whole).contains("an extended header at the end"))
    }

    @Test func boundsHold() {
        var sample = LayerSample()
        for _ in 0..<4 { sample.add("a", "0") }
        var limits = TarReader.Limits()
        limits.entries = 3
        #expect(problem(sample.whole, limits: limits).contains("more than 3 members"))
        var many = LayerSample()
        many.addPax((0..<300).map { ("SCHILY.xattr.user.\($0)", []) })
        many.add("a", "0")
        #expect(problem(many.whole).contains("more than 256 extended attributes"))
    }
}
