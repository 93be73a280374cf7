import Glibc
import NetrootSystem
import TestSupport
import Testing

@testable import NetrootImage

@Suite struct SIFTests {
    let scratch: ScratchDirectory
    let image: [UInt8]

    init() async throws {
        scratch = try ScratchDirectory()
        try Files.makeDirectory(scratch.path + "/tree/etc")
        try Files.replace(scratch.path + "/tree/etc/motd", with: Array("hello\n".utf8))
        _ = try await scratch.output("mksquashfs", ["tree", "root.squashfs", "-noappend", "-no-progress", "-quiet"])
        image = try Files.read(scratch.path + "/root.squashfs")
    }

    private func sif(_ sample: SIFSample) throws -> SIF {
        try SIF(try scratch.write("x.sif", sample.bytes()))
    }

    private func motd(_ reader: SquashfsReader) throws -> String {
        var found: [UInt8] = []
        try reader.scan { directory in
            for entry in directory.entries where entry.inode.type == .regular {
                found = try reader.contents(entry.inode)
            }
        }
        return String(decoding: found, as: UTF8.self)
    }

    @Test func objectsAndTheRootAreFound() throws {
        let sif = try sif(SIFSample(image: image))
        #expect(sif.objects.map(\.kind) == [.definition, .partition])
        let root = try sif.root()
        #expect(root.id == 2 && root.filesystem == .squashfs && root.role == .primarySystem)
        #expect(root.bytes == 36864..<UInt64(36864 + image.count))
        #expect(try motd(sif.openRoot()) == "hello\n")
    }

    /// Written by the reference implementation's own tool.
    @Test func siftoolsFilesAreRead() async throws {
        _ = try await scratch.output("siftool", ["new", "x.sif"])
        _ = try scratch.write("labels", Array("{}".utf8))
        _ = try await scratch.output("siftool", ["add", "--datatype", "3", "--groupid", "1", "x.sif", "labels"])
        let partition = [
            "add", "--datatype", "4", "--partfs", "1", "--partarch", "2", "--groupid", "1", "x.sif", "root.squashfs",
        ]
        _ = try await scratch.output("siftool", partition + ["--parttype", "2"])
        _ = try await scratch.output("siftool", partition + ["--parttype", "3"])
        let sif = try SIF(scratch.path + "/x.sif")
        #expect(sif.objects.map(\.kind) == [.labels, .partition, .partition])
        #expect(try sif.root().id == 2)
        #expect(try motd(sif.openRoot()) == "hello\n")
        _ = try await scratch.output("siftool", ["del", "1", "x.sif"])
        let fewer = try SIF(scratch.path + "/x.sif")
        #expect(fewer.objects.map(\.id) == [2, 3])
    }

    @Test(arguments: [
        (Int32(2), "an ext3 filesystem"), (3, "an archive"), (4, "raw data"), (5, "encrypted"),
        (77, "of an unknown kind"),
    ])
    func otherFilesystemsAreNamed(filesystem: Int32, words: String) throws {
        let sif = try sif(SIFSample(image: image, filesystem: filesystem))
        let error = #expect(throws: SIFError.self) { try sif.root() }
        #expect(error?.description.contains("its root is \(words), not squashfs; ") == true)
    }

    @Test func aFileWithoutARootSaysSo() throws {
        var sample = SIFSample(image: image, role: 3)
        let none = #expect(throws: SIFError.self) { try sif(sample).root() }
        #expect(none?.description.contains("no primary system partition") == true)
        sample.objects.append(.init(kind: 0x400A, id: 3, bytes: Array("{}".utf8)))
        let oci = #expect(throws: SIFError.self) { try sif(sample).root() }
        #expect(oci?.description.contains("an OCI image") == true)
        var two = SIFSample(image: image)
        two.objects.append(.init(kind: 0x4004, id: 3, extra: [1, 2], bytes: image))
        let both = #expect(throws: SIFError.self) { try sif(two).root() }
        #expect(both?.description.contains("2 primary system partitions") == true)
        let ext3 = SIFSample(image: [UInt8](repeating: 0, count: 1080) + [0x53, 0xEF])
        let label = #expect(throws: SIFError.self) { try sif(ext3).openRoot() }
        #expect(label?.description.contains("said to be squashfs, and is zeros") == true)
    }

    typealias Lie = (what: String, change: @Sendable (inout SIFSample) -> Void)

    /// What each field can be wrong by, and the words of the error.
    static let lies: [Lie] = [
        ("is not a SIF file: it is a script", { $0.magic = Array("SIF_MAGIK\0".utf8) }),
        ("SIF version '02', not '01'", { $0.version = Array("02\0".utf8) }),
        ("0 descriptors", { $0.total = 0 }),
        ("-1 descriptors", { $0.total = -1 }),
        ("9223372036854775807 descriptors", { $0.total = Int64.max }),
        ("cut off: ", { $0.total = 4096 }),
        ("4097 descriptors", { $0.total = 4097 }),
        ("two objects have the number 2", { $0.objects[0].id = 2 }),
        ("object 1: it overlaps the descriptors", { $0.objects[0].offset = 4096 }),
        ("object 2: it overlaps object 1", { $0.objects[1].offset = 32770 }),
        ("object 1: it overlaps object 2", { $0.objects[0].offset = 36870 }),
        ("object 2: a place before the file", { $0.objects[1].offset = -1 }),
        ("object 2: a place before the file", { $0.objects[1].length = -5 }),
        ("cut off: ", { $0.objects[1].offset = Int64.max }),
        ("cut off: ", { $0.objects[1].length = Int64.max }),
        ("cut off: ", { $0.objects[0].length = 1 << 40 }),
    ]

    @Test(arguments: lies.indices) func aLieIsNamed(index: Int) throws {
        var sample = SIFSample(image: image)
        Self.lies[index].change(&sample)
        let error = #expect(throws: SIFError.self) { try sif(sample) }
        #expect(error?.description.contains(Self.lies[index].what) == true, "\(error?.description ?? "")")
        #expect(error?.description.hasPrefix(scratch.path + "/x.sif") == true)
    }

    /// The descriptors' own place can be anything, and so can each byte: a result or an error, soon.
    @Test func everyByteFlippedAndEveryCut() throws {
        let whole = SIFSample(image: image).bytes()
        let descriptors = 4096..<(4096 + 3 * 585)
        var outcomes = (read: 0, refused: 0)
        func tryOut(_ bytes: [UInt8]) throws {
            do {
                _ = try motd(SIF(try scratch.write("x.sif", bytes)).openRoot())
                outcomes.read += 1
            } catch is SIFError {
                outcomes.refused += 1
            } catch is SquashfsReadError {
                outcomes.refused += 1
            }
        }
        for place in Array(0..<128) + Array(descriptors) {
            var bytes = whole
            bytes[place] ^= 0xFF
            try tryOut(bytes)
        }
        #expect(outcomes.read > 500 && outcomes.refused > 40, "\(outcomes)")
        outcomes = (0, 0)
        for size in Array(0..<140) + stride(from: 140, to: whole.count, by: 509) { try tryOut(Array(whole[..<size])) }
        #expect(outcomes.read == 0, "\(outcomes)")
    }

    @Test func randomChanges() throws {
        let whole = SIFSample(image: image).bytes()
        var random = SeededRandom(seed: 20_261_121)
        let start = ContinuousClock.now
        var read = 0
        for _ in 0..<3000 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let table = Bool.random(using: &random)
                let place =
                    table ? Int.random(in: 4096..<5300, using: &random) : Int.random(in: 80..<128, using: &random)
                let telling: [UInt8] = [0, 1, 0x7F, 0x80, 0xFF]
                bytes[place] =
                    Bool.random(using: &random)
                    ? UInt8.random(in: 0...255, using: &random) : telling.randomElement(using: &random) ?? 0
            }
            do {
                let sif = try SIF(try scratch.write("x.sif", bytes))
                _ = try sif.signedGroup()
                _ = try sif.openRoot()
                read += 1
            } catch is SIFError {
                continue
            } catch is SquashfsReadError {
                continue
            }
        }
        #expect(read > 100 && ContinuousClock.now - start < .seconds(120))
    }

    /// A part of a file is read, and nothing behind it: the image is the whole file for its reader.
    @Test func theReaderStaysInItsPart() throws {
        let path = try scratch.write("parts", [1, 2, 3] + image + [4, 5, 6])
        let whole = UInt64(image.count)
        #expect(try motd(SquashfsReader(path, part: 3..<(whole + 3))) == "hello\n")
        let cut = #expect(throws: SquashfsReadError.self) { try SquashfsReader(path, part: 3..<203) }
        #expect(cut?.description.contains("cut off") == true)
        let beyond = #expect(throws: SquashfsReadError.self) { try SquashfsReader(path, part: 3..<(whole + 7)) }
        #expect(beyond == .truncated(path: path, bytes: whole + 6, expected: whole + 7))
        let part = try SquashfsImageFile(path, part: 0..<3)
        #expect(try part.bytes(at: 0, count: 3) == [1, 2, 3])
        #expect(throws: SquashfsReadError.self) { try part.bytes(at: 1, count: 3) }
        #expect(throws: SquashfsReadError.self) { try part.bytes(at: UInt64.max, count: 3) }
    }
}
