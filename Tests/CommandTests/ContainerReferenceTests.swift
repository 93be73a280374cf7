import Glibc
import NetrootSystem
import NetrootTree
import TestSupport
import Testing

@testable import NetrootImage

/// Layers unpacked by netroot and by umoci, which must make the same root.
@Suite struct ContainerReferenceTests {
    private typealias Image = ContainerImage

    let scratch: Scratch

    init() throws {
        try #require(Place.isRoot, "owners need root")
        try #require(Tool("umoci", package: "umoci").path != nil, "the reference")
        scratch = try Scratch()
    }

    private var ours: String { scratch.path + "/ours" }
    private var theirs: String { scratch.path + "/theirs" }

    /// Unpacks the image by both.
    private func unpack(_ image: ContainerImage, _ text: String) async throws {
        expectSuccess(try await run(["rm", "-rf", ours, theirs, scratch.path + "/image"]))
        let layout = scratch.path + "/image"
        try await image.write(to: layout)
        try Files.makeDirectory(ours)
        var unpack = try LayerUnpack(directory: ours, keepsDevices: true)
        for (number, layer) in image.layers.enumerated() {
            let file = "\(scratch.path)/layer"
            try Files.replace(file, with: layer.bytes)
            let digest = try layer.bytes.withUnsafeBytes { try SHA256Hasher().digest($0) }.text
            try await unpack.add(file, layer: "layer \(number + 1)", digest: digest, limit: 1 << 30)
        }
        _ = try unpack.finish()
        let raw = ["umoci", "raw", "unpack", "--image", layout + ":test", theirs]
        let outcome = try await run(raw)
        #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors) \(text)")
    }

    /// What differs: types, modes, owners, targets, devices, attributes and contents; and, by find(1), times and hard links.
    private func differences(times: Bool = true) async throws -> [String] {
        let found = try await FileListing(directory: theirs).differences(to: FileListing(directory: ours))
        let differences = found.map { difference in
            "\(String(decoding: difference.path, as: UTF8.self)): umoci \(String(describing: difference.before)), "
                + "netroot \(String(describing: difference.after))"
        }
        let format = "%P %y %n" + (times ? " %T@" : "") + "\\n"
        func listing(_ folder: String) async throws -> Set<Substring> {
            // umoci gives the root itself no time.
            Set(try await run(["find", folder, "-mindepth", "1", "-printf", format]).output.split(separator: "\n"))
        }
        let (a, b) = (try await listing(theirs), try await listing(ours))
        return differences + a.subtracting(b).map { "umoci \($0)" } + b.subtracting(a).map { "netroot \($0)" }
    }

    /// Everything that a layer can do to those below it.
    @Test func layersThatChangeWhatIsBelow() async throws {
        let capability: [UInt8] = [1, 0, 0, 2, 0, 0x20, 0, 0] + [UInt8](repeating: 0, count: 12)
        let base = Image.Layer([
            Image.directory("./", mode: 0o755), Image.directory("etc", mode: 0o750), Image.file("etc/a", "a"),
            Image.file("etc/b", "b", mode: 0o4755, uid: 12, gid: 34), Image.directory("opaque"),
            Image.directory("opaque/sub"), Image.file("opaque/sub/x", "x"), Image.file("opaque/old", "old"),
            Image.directory("gone"), Image.file("gone/deep/er/f", "f"), Image.directory("dir"),
            Image.file("dir/f", "f"),
            Image.symlink("link", "dir"), Image.file("file", "file"), Image.file("linked", "linked"),
            Image.hardLink("linked2", "linked"), Image.directory("usr/lib"), Image.symlink("lib", "usr/lib"),
            Image.member("usr/ping", .regular, mode: 0o755, xattrs: [("security.capability", capability)]),
            Image.device("dev/null"), Image.member("fifo", .fifo, mode: 0o600), Image.directory("todir", mode: 0o700),
            Image.file("todir/x", "x"), Image.symlink("dangling", "nowhere"), Image.file("gone2", "x"),
        ])
        let next = Image.Layer([
            Image.file("etc/.wh.a"), Image.directory("opaque", mode: 0o711), Image.file("opaque/.wh..wh..opq"),
            Image.file("opaque/new", "new"), Image.file(".wh.gone"), Image.file("dir/f", "longer", mode: 0o600),
            // A file over a symlink to a directory, a directory over a symlink and over a file, a symlink over a directory.
            Image.file("link", "no symlink any more"), Image.directory("dangling"), Image.file("dangling/x", "x"),
            Image.directory("file"), Image.file("file/x", "x"), Image.symlink("todir", "dir"),
            Image.file("todir/y", "y"),
            // Hard links to a file of a lower layer, and to one whose other name goes.
            Image.hardLink("usr/linked3", "linked"), Image.file(".wh.linked2"), Image.file("lib/through", "x"),
            Image.hardLink("kept", "gone2"), Image.file(".wh.gone2"), Image.hardLink("dev/zero", "dev/null"),
            Image.file("fifo", "no fifo any more"), Image.directory("usr", mode: 0o751, uid: 5),
        ])
        let last = Image.Layer([
            Image.file("linked", "other"), Image.file("opaque/new", "newer"), Image.file("gone", "a file now"),
            Image.member("etc/b", .regular, mode: 0o644), Image.symlink("kept", "etc/b"), Image.directory("new/er/est"),
            Image.file("etc/.wh..wh..opq"), Image.file("etc/c", "c"),
        ])
        for count in 1...3 {
            try await unpack(ContainerImage(Array([base, next, last].prefix(count))), "\(count) layers")
            // A directory without a member of its own, or above such a one: umoci leaves it the time of the moment.
            let found = try await differences().filter { line in
                !["gone ", "gone/deep ", "gone/deep/er ", "usr ", "dev ", "new ", "new/er "].contains {
                    line.contains(" \($0)d ")
                }
            }
            #expect(found == [], "\(count) layers")
        }
        #expect(try Files.names(in: ours + "/opaque") == ["new"] && Files.names(in: ours + "/etc") == ["b", "c"])
    }

    /// Takes everything: only the check's word counts.
    private struct NoTarget: LayerTarget {
        mutating func remove(_ path: [UInt8], isDirectory: Bool) {}
        mutating func makeDirectory(_ path: [UInt8], modified: UInt32) {}
        mutating func make(_ entry: TarEntry) {}
        mutating func change(_ entry: TarEntry) {}
        mutating func content(_ bytes: ArraySlice<UInt8>) {}
        mutating func endContent() {}
    }

    /// Layers at random, of members that the check takes.
    @Test(.timeLimit(.minutes(5))) func randomLayers() async throws {
        var random = SeededRandom(seed: 7)
        for round in 0..<40 {
            var check = LayerFilter(NoTarget(), keepsDevices: true)
            var layers: [Image.Layer] = []
            var text = "round \(round)"
            for number in 0..<Int.random(in: 2...4, using: &random) {
                check.beginLayer("layer \(number)")
                text += "; layer \(number):"
                var members: [Image.Member] = []
                for _ in 0..<20 {
                    let member = Self.member(&random)
                    do {
                        try check.begin(member.entry)
                        members.append(member)
                        text += " \(String(decoding: member.entry.path, as: UTF8.self)) \(member.entry.kind.shown),"
                    } catch is LayerError {}
                }
                layers.append(Image.Layer(members))
            }
            try await unpack(ContainerImage(layers), text)
            #expect(try await differences(times: false) == [], "\(text)")
        }
    }

    private static func member(_ random: inout SeededRandom) -> Image.Member {
        let names = ["a", "b", "a/a", "a/b", "b/a", "b/b", "a/a/a", "a/b/a", "l", "l/a"]
        let name = names.randomElement(using: &random) ?? "a"
        let folder = name.contains("/") ? name.dropLast() : ""
        switch Int.random(in: 0..<12, using: &random) {
        case 0: return Image.symlink("l", ["a", "b", "/b", "a/b"].randomElement(using: &random) ?? "a")
        case 1...3: return Image.directory(name, mode: UInt32.random(in: 0o700...0o777, using: &random))
        case 4: return Image.file(folder + ".wh." + (name.last.map { String($0) } ?? ""))
        case 5: return Image.file(folder + ".wh..wh..opq")
        case 6: return Image.hardLink(name, names.randomElement(using: &random) ?? "a")
        default:
            let content = String(repeating: "x", count: Int.random(in: 0...9, using: &random))
            return Image.file(name, content, mode: UInt32.random(in: 0o600...0o777, using: &random), uid: 7, gid: 8)
        }
    }
}

extension TarEntry.Kind {
    /// For the message of a test that fails.
    fileprivate var shown: String {
        switch self {
        case .hardLink(let target): "=> \(String(decoding: target, as: UTF8.self))"
        case .symlink(let target): "-> \(String(decoding: target, as: UTF8.self))"
        default: "\(self)"
        }
    }
}
