import FoundationEssentials
import Glibc
import NetrootConfig
import NetrootImage
import NetrootStore
import NetrootSystem
import Testing

/// `diff` on generations of a few bytes, with trees and with images.
@Suite struct DiffVerbTests {
    let scratch: Scratch

    init() async throws {
        scratch = try Scratch()
        try scratch.writeHosts("a", "b")
    }

    struct Row: Decodable {
        struct Side: Decodable, Equatable {
            var generation: Int
            var read, kernel: String
            var packages, files: Int
        }
        struct Package: Decodable, Equatable {
            var name, architecture, version: String
        }
        struct ChangedPackage: Decodable, Equatable {
            var before, after: Package
        }
        struct Packages: Decodable {
            var added, removed: [Package]
            var changed: [ChangedPackage]
        }
        struct File: Decodable, Equatable {
            var path, type, mode: String
            var uid, gid: UInt32
            var bytes: Int
            var target, device: String?
        }
        struct Change: Decodable {
            var path: String
            var changes: [String]
            var before, after: File
            var bytes: Int
            var xattrs: [String]
        }
        struct Files: Decodable {
            var added, removed: [File]
            var changed: [Change]
        }
        struct Bytes: Decodable, Equatable {
            var before, after, difference: Int
            var imageBefore, imageAfter, imageDifference: Int?
        }
        var label: String
        var before, after: Side
        var packages: Packages
        var files: Files
        var bytes: Bytes
    }

    private func diff(_ before: Int, _ after: Int) async throws -> Row {
        try expectJSON(Row.self, try await scratch.run("diff", "a", "\(before)", "\(after)", "--json"))
    }

    /// The plain output's lines.
    private func lines(_ before: Int, _ after: Int) async throws -> [String] {
        let outcome = try await scratch.run("diff", "a", "\(before)", "\(after)")
        expectSuccess(outcome)
        #expect(outcome.errors.isEmpty && outcome.output.hasSuffix("\n"))
        return outcome.output.split(separator: "\n").map(String.init)
    }

    /// Two generations that differ in every way; of both the root is a tree.
    private func generations() async throws -> [Generation] {
        let label = try scratch.label("a")
        let before = try await Fabricated.generation(of: label)
        let after = try await Fabricated.generation(of: label, kernel: "6.1.0-2")
        for (generation, version) in [(before, 1), (after, 2)] {
            let root = generation.root
            let file = generation.number == 1 ? "removed" : "added"
            try Files.replace("\(root)/\(file)", with: Array("12345\(version == 1 ? "" : "6")".utf8))
            try SystemError.check("make", root, symlink("target \(version)", root + "/link"))
            try SystemError.check("make", root, mkfifo("\(root)/\(file)-fifo", 0o600))
            try Files.makeDirectory("\(root)/\(file)-directory")
            try Files.replace(root + "/mode", with: [1], mode: version == 1 ? 0o644 : 0o4755)
            try Files.replace(root + "/larger", with: [UInt8](repeating: 7, count: version * 100))
            let bytes = root.utf8CString.dropLast() + [0x2F, 0x5C, 0x0A, -1, 0x41, -61, -92, -62, -101, 0]
            if version == 2 { try SystemError.check("make", root, mkdir(Array(bytes), 0o700)) }
            var manifest = generation.manifest
            manifest.packages = [
                .init(name: "libc6", version: "2.\(version)", architecture: "amd64"),
                .init(name: "libc6", version: "2.\(version)", architecture: "i386"),
                .init(name: "tzdata", version: "1", architecture: version == 1 ? "all" : "amd64"),
                .init(name: "bash", version: "5.\(version)", architecture: "amd64"),
                .init(name: "same", version: "1", architecture: "all"),
                .init(name: file, version: "3", architecture: "all"),
            ]
            try scratch.store("a").rewrite(manifest, of: generation)
        }
        return [before, after]
    }

    /// Packs the root, and leaves the tree or removes it.
    private func pack(_ generation: Generation, keepingTree: Bool) async throws {
        _ = try await SquashfsWriter(tree: generation.root, image: generation.image).write()
        var manifest = try scratch.store("a").generation(generation.number).manifest
        manifest.artifacts.removeAll { $0.kind == .squashfs }
        manifest.artifacts.append(.init(.squashfs, bytes: 1, sha256: String(repeating: "0", count: 64)))
        if !keepingTree {
            manifest.formats = ["squashfs"]
            manifest.artifacts.removeAll { $0.kind == .tree }
            expectSuccess(try await CommandTests.run(["rm", "-r", generation.root]))
        }
        try scratch.store("a").rewrite(manifest, of: generation)
    }

    private static let plain = [
        #"+ added 3"#, #"- removed 3"#, #"~ bash 5.1 -> 5.2"#, #"~ libc6:amd64 2.1 -> 2.2"#,
        #"~ libc6:i386 2.1 -> 2.2"#, #"~ tzdata all -> amd64"#, #"+ /\\\x0a\xffAä\xc2\x9b/"#, #"+ /added 6 bytes"#,
        #"+ /added-directory/"#, #"+ /added-fifo fifo"#, #"- /removed 5 bytes"#, #"- /removed-directory/"#,
        #"- /removed-fifo fifo"#, #"~ /larger content, +100 bytes"#, #"~ /link target target 1 -> target 2"#,
        #"~ /mode mode 0644 -> 4755"#, #"~ /sbin/init content"#,
    ]
    private static let totals = ["packages: 1 added, 1 removed, 4 changed", "files: 4 added, 3 removed, 4 changed"]

    @Test func everyKindOfChangeInPlainText() async throws {
        _ = try await generations()
        let words = ["a: generation 1 (tree) -> 2 (tree)", "kernel 6.1.0-1 -> 6.1.0-2"]
        #expect(try await lines(1, 2) == Self.plain + words + Self.totals + ["bytes: 112 -> 213, +101"])
        let back = try await lines(2, 1)
        #expect(back.contains("bytes: 213 -> 112, -101") && back.contains("~ /larger content, -100 bytes"))
    }

    @Test func everyKindOfChangeInJSON() async throws {
        let root = try await generations()[1].root
        expectSuccess(try await CommandTests.run(["setfattr", "-n", "user.x", "-v", "1", root + "/larger"]))
        let row = try await diff(1, 2)
        #expect(row.label == "a")
        #expect(row.before == .init(generation: 1, read: "tree", kernel: "6.1.0-1", packages: 6, files: 4))
        #expect(row.after == .init(generation: 2, read: "tree", kernel: "6.1.0-2", packages: 6, files: 4))
        #expect(row.packages.added == [.init(name: "added", architecture: "all", version: "3")])
        #expect(row.packages.removed == [.init(name: "removed", architecture: "all", version: "3")])
        #expect(row.packages.changed.map(\.before.name) == ["bash", "libc6", "libc6", "tzdata"])
        #expect(
            row.packages.changed.first?.before.version == "5.1" && row.packages.changed.first?.after.version == "5.2")
        #expect(
            row.files.added.map(\.path) == [#"/\\\x0a\xffAä\xc2\x9b"#, "/added", "/added-directory", "/added-fifo"])
        #expect(row.files.added.map(\.type) == ["directory", "file", "directory", "fifo"])
        #expect(row.files.added.map(\.bytes) == [0, 6, 0, 0] && row.files.added.first?.mode == "0700")
        #expect(row.files.removed.map(\.path) == ["/removed", "/removed-directory", "/removed-fifo"])
        #expect(row.files.changed.map(\.path) == ["/larger", "/link", "/mode", "/sbin/init"])
        #expect(row.files.changed.map(\.changes) == [["content", "xattrs"], ["target"], ["mode"], ["content"]])
        #expect(row.files.changed.map(\.bytes) == [100, 0, 0, 0] && row.files.changed[0].xattrs == ["user.x"])
        #expect(row.files.changed[1].before.target == "target 1" && row.files.changed[1].after.target == "target 2")
        #expect(row.files.changed[2].before.mode == "0644" && row.files.changed[2].after.mode == "4755")
        #expect(row.bytes == .init(before: 112, after: 213, difference: 101))
    }

    /// A generation without a tree is read from its image, and is the same there.
    @Test func imagesAndTreesAreComparedAlike() async throws {
        let both = try await generations()
        try await pack(both[0], keepingTree: true)
        #expect(try await lines(1, 2).last == "image bytes: \(try Files.size(both[0].image)) -> none")
        try await pack(both[1], keepingTree: false)
        var text = try await lines(1, 2)
        #expect(Array(text.prefix(Self.plain.count)) == Self.plain)
        #expect(text.contains("a: generation 1 (tree) -> 2 (image)"))
        let row = try await diff(1, 2)
        let sizes = try both.map { Int(try Files.size($0.image)) }
        #expect(
            row.bytes
                == .init(
                    before: 112, after: 213, difference: 101, imageBefore: sizes[0], imageAfter: sizes[1],
                    imageDifference: sizes[1] - sizes[0]))
        #expect(row.before.read == "tree" && row.after.read == "image")
        try await pack(both[0], keepingTree: false)
        text = try await lines(1, 2)
        #expect(Array(text.prefix(Self.plain.count)) == Self.plain)
        #expect(text.contains("a: generation 1 (image) -> 2 (image)"))
        // An image that is cut off is an error that names it.
        try Files.replace(both[0].image, with: Array(try Files.read(both[0].image).prefix(300)))
        let cut = try await scratch.run("diff", "a", "1", "2")
        expectError(cut, .failed, ["generations/1/root.squashfs is cut off"])
    }

    @Test func aGenerationAndItselfDoNotDiffer() async throws {
        _ = try await generations()
        #expect(
            try await lines(1, 1) == [
                "a: generation 1 (tree) -> 1 (tree)", "packages: 0 added, 0 removed, 0 changed",
                "files: 0 added, 0 removed, 0 changed", "bytes: 112 -> 112, 0",
            ])
        let row = try await diff(1, 1)
        #expect(row.files.added.isEmpty && row.files.changed.isEmpty && row.packages.removed.isEmpty)
    }

    @Test func errorsNameTheGeneration() async throws {
        let both = try await generations()
        expectError(try await scratch.run("diff", "a", "1", "7"), .usage, ["a has no generation 7; there are: 1 2"])
        expectError(try await scratch.run("diff", "b", "1", "2"), .usage, ["b has no generation 1; there are: none"])
        expectError(try await scratch.run("diff", "c", "1", "2"), .usage, ["no label 'c'", "labels: a, b"])
        let missing = try await scratch.run("diff", "a", "1")
        #expect(missing.status == 64 && missing.errors.contains("Missing expected argument '<after>'"))
        let word = try await scratch.run("diff", "a", "1", "current")
        #expect(word.status == 64 && word.errors.contains("'current' is invalid"))
        expectSuccess(try await CommandTests.run(["rm", "-r", both[0].root]))
        let gone = try await scratch.run("diff", "a", "1", "2")
        expectError(gone, .failed, ["generations/1 is not a whole generation", "root is missing"])
        expectSuccess(try await CommandTests.run(["rm", both[0].directory + "/manifest.json"]))
        let damaged = try await scratch.run("diff", "a", "2", "1", "--json")
        expectError(damaged, .failed, ["generations/1 is not a whole generation", "no manifest.json"])
    }
}
