import Glibc
import TestSupport
import Testing

@testable import NetrootImage

private typealias Member = (String, Character, String)

private func layer(_ members: Member...) -> [UInt8] { layer(members) }

private func layer(_ members: [Member]) -> [UInt8] {
    var sample = LayerSample()
    for (name, flag, link) in members { sample.add(name, flag, link: link) }
    return sample.whole
}

private func refusal(_ layers: [[UInt8]], devices: Bool = false) -> String {
    do {
        return "passed: \(try Checked.layers(layers, devices: devices).names)"
    } catch {
        return "\(error)"
    }
}

@Suite struct LayerFilterTests {
    @Test func namesComeOutPlain() throws {
        let names = try Checked.layers([
            layer(
                ("./", "5", ""), ("/abs/file", "0", ""), (".//a///b/./c", "0", ""), ("dir/", "5", ""),
                ("hard", "1", "/abs/file"), ("soft", "2", "../../etc/passwd"), ("loop", "2", "loop"))
        ]).names
        #expect(
            names == [
                "./", "abs/file", "a/b/c", "dir", "hard -> abs/file", "soft -> ../../etc/passwd", "loop -> loop",
            ])
    }

    /// A member that goes through a symlink is passed on with the name that it has in the root.
    @Test func symlinksOnTheWay() throws {
        let base = layer(
            ("run", "5", ""), ("var/run", "2", "/run"), ("usr/lib", "5", ""), ("lib", "2", "usr/lib"),
            ("usr/lib64", "2", "../lib/./x/.."), ("far", "2", "/var/run/deep"))
        let next = layer(
            ("var/run/a", "0", ""), ("lib/b", "0", ""), ("usr/lib64/c", "0", ""), ("far/d", "0", ""),
            ("h", "1", "lib/b"), ("lib", "5", ""), ("lib/e", "0", ""))
        #expect(
            try Checked.layers([base, next]).names == [
                "run/a", "usr/lib/b", "usr/lib/c", "run/deep/d", "h -> usr/lib/b", "lib", "lib/e",
            ])
    }

    private static let attacks: [(String, [Member], String)] = [
        ("name with dots", [("../x", "0", "")], "'../x': a name with '..'"),
        ("dots in the middle", [("a/../../x", "0", "")], "a name with '..'"),
        ("absolute name with dots", [("/../x", "0", "")], "a name with '..'"),
        ("dots alone", [("..", "5", "")], "a name with '..'"),
        ("root as a symlink", [("./", "2", "/etc")], "it would replace the root itself"),
        ("root as a file", [("/", "0", "")], "it would replace the root itself"),
        ("root as a hard link", [(".", "1", "etc/passwd")], "it would replace the root itself"),
        (
            "symlink out", [("out", "2", "../../etc"), ("out/passwd", "0", "")],
            "'out/passwd': a symlink on the way leads out"
        ),
        ("symlink out, absolute", [("out", "2", "/../etc"), ("out/passwd", "0", "")], "leads out of the root"),
        ("symlinks in a chain", [("a", "2", "b/.."), ("b", "2", ".."), ("a/x", "0", "")], "leads out of the root"),
        (
            "symlink out by a hard link to it", [("out", "2", ".."), ("h", "1", "out"), ("h/x", "0", "")],
            "'h/x': a symlink on the way leads out"
        ),
        ("loop", [("l", "2", "l"), ("l/x", "0", "")], "more than 40 symlinks"),
        ("symlink without target", [("l", "2", "")], "a symlink with a target of 0 bytes"),
        ("hard link out", [("h", "1", "../../etc/passwd")], "a hard link to '../../etc/passwd': a name with '..'"),
        (
            "hard link through a symlink", [("out", "2", "../.."), ("h", "1", "out/etc/passwd")],
            "leads out of the root"
        ),
        ("hard link to the root", [("h", "1", "/")], "a hard link to '/'"),
        ("hard link to a directory", [("d", "5", ""), ("h", "1", "d")], "a hard link to a directory"),
        ("hard link to nothing", [("h", "1", "f")], "a hard link to 'f', which is not there"),
        (
            "hard link to what a whiteout took",
            [("f", "0", ""), ("d/f", "1", "f"), (".wh.d", "0", ""), ("h", "1", "d/g")],
            "which is not there"
        ),
        (
            "hard link into what it replaces", [("d/f", "0", ""), ("d", "1", "d/f")],
            "'d': a hard link to a file of the directory that it would replace"
        ),
        ("member below a file", [("f", "0", ""), ("f/x", "0", "")], "'f/x': a name below what is not a directory"),
        ("member below a device", [("f", "3", ""), ("f/x", "0", "")], "'f/x': a name below what is not a directory"),
        ("hard link to itself", [("h", "1", "./h")], "a hard link to itself"),
        ("whiteout of the parent", [(".wh...", "0", "")], "'.wh...': a whiteout of '..'"),
        ("whiteout of the directory", [(".wh..", "0", "")], "a whiteout of '.'"),
        ("whiteout of nothing", [(".wh.", "0", "")], "a whiteout of ''"),
        ("whiteout of the parent, deep", [("a/b/.wh...", "0", "")], "a whiteout of '..'"),
        (
            "whiteout through a symlink", [("l", "2", "/etc"), ("l/.wh.passwd", "0", "")],
            "a whiteout through a symlink"
        ),
        ("opaque through a symlink", [("l", "2", "/"), ("l/.wh..wh..opq", "0", "")], "a whiteout through a symlink"),
        ("whiteout as a directory", [(".wh.x", "5", "")], "a whiteout that is not an empty file"),
        ("whiteout with members", [(".wh.x/y", "0", "")], "a whiteout that is a directory"),
        ("opaque as a directory", [("a/.wh..wh..opq/b", "0", "")], "a whiteout that is a directory"),
        (
            "whiteout as a directory, by a symlink", [("l", "2", ".wh.x"), ("l/y", "0", "")],
            "'l/y': a whiteout that is a directory"
        ),
        ("hard link into a whiteout", [("l", "2", ".wh.x"), ("h", "1", "l/y")], "a hard link into a whiteout"),
        ("whiteout as a symlink", [(".wh.x", "2", "/")], "a whiteout that is not an empty file"),
        ("whiteout as a hard link", [("f", "0", ""), (".wh.x", "1", "f")], "a whiteout that is not an empty file"),
        ("whiteout as a device", [(".wh.x", "3", "")], "a whiteout that is not an empty file"),
        ("hard link to a whiteout", [(".wh.x", "0", ""), ("h", "1", ".wh.x")], "a hard link to '.wh.x'"),
        ("whiteout of a whiteout", [(".wh..wh.x", "0", "")], "a whiteout of an unknown kind"),
        ("AUFS's own", [(".wh..wh.plnk", "5", "")], "a whiteout that is not an empty file"),
        ("long component", [(String(repeating: "x", count: 99), "0", "")], "passed"),
    ]

    @Test(arguments: attacks)
    func attackIsRefused(name: String, members: [(String, Character, String)], expected: String) {
        let text = refusal([layer(members)])
        #expect(text.contains(expected))
        if expected != "passed" { #expect(text.hasPrefix("layer 1: '") && text.hasSuffix("do not use this image")) }
    }

    /// The symlink of one layer, the member of the next.
    @Test func attackOverTwoLayers() {
        #expect(
            refusal([layer(("out", "2", "../..")), layer(("out/x", "0", ""))])
                == "layer 2: 'out/x': a symlink on the way leads out of the root; do not use this image")
        // Replaced, it leads nowhere any more.
        #expect(
            refusal([layer(("out", "2", "../..")), layer(("out", "5", ""), ("out/x", "0", ""))]).hasPrefix("passed"))
        #expect(
            refusal([layer(("out", "2", "../..")), layer((".wh.out", "0", ""), ("out/x", "0", ""))]).hasPrefix("passed")
        )
        #expect(
            refusal([layer(("d/out", "2", "../..")), layer(("d/.wh..wh..opq", "0", ""), ("d/out/x", "0", ""))])
                .hasPrefix("passed"))
    }

    /// A whiteout hides what earlier layers brought, never what its own did.
    @Test func whiteoutsSpareTheirOwnLayer() {
        for whiteout in [("d/.wh..wh..opq", "0", ""), (".wh.d", "0", "")] as [Member] {
            let text = refusal([
                layer(("d/old", "2", "../..")), layer(("d/new", "2", "../.."), whiteout, ("d/new/x", "0", "")),
            ])
            #expect(text.contains("'d/new/x': a symlink on the way leads out"))
            let old = refusal([
                layer(("d/old", "2", "../..")), layer(("d/new", "2", "../.."), whiteout, ("d/old/x", "0", "")),
            ])
            #expect(old.hasPrefix("passed"))
        }
    }

    /// What is removed, and in which order: nothing is left, and no directory goes before what is in it.
    @Test func whatIsRemoved() throws {
        let base = layer(
            ("d/a/x", "0", ""), ("d/a/y", "0", ""), ("d/b", "2", "a"), ("e/f/g", "0", ""), ("keep", "0", ""),
            ("s", "2", "d"))
        func removed(_ members: Member...) throws -> Set<String> {
            Set(try Checked.layers([base, layer(members)]).removed)
        }
        let all: Set = ["d", "d/a", "d/a/x", "d/a/y", "d/b"]
        #expect(try removed((".wh.d", "0", "")) == all)
        #expect(try removed(("d/.wh..wh..opq", "0", "")) == all.subtracting(["d"]))
        // Names of its own layer stay, and the directories that lead there.
        #expect(try removed(("d/a/z", "0", ""), (".wh.d", "0", "")) == ["d/a/x", "d/a/y", "d/b"])
        #expect(try removed(("d/a/x", "0", ""), ("d/.wh..wh..opq", "0", "")) == ["d/a/x", "d/a/y", "d/b"])
        #expect(try removed(("d", "0", "")) == all && removed(("d", "2", "e")) == all && removed(("d", "6", "")) == all)
        #expect(try removed(("d", "5", "")) == [] && removed(("s", "5", "")) == ["s"])
        #expect(refusal([base, layer(("keep/x", "5", ""))]).contains("'keep/x': a name below what is not a directory"))
        // One whiteout within another, in either order.
        #expect(try removed(("d/a/.wh..wh..opq", "0", ""), (".wh.d", "0", "")) == all)
        #expect(try removed(("d/.wh..wh..opq", "0", ""), (".wh..wh..opq", "0", "")).count == 10)
        #expect(refusal([base, layer(("keep/.wh.x", "0", ""))]).contains("a name below what is not a directory"))
        #expect(try removed((".wh.nothing", "0", ""), ("no/.wh.thing", "0", "")) == [])
        // The hard link keeps what the whiteout takes the first name of.
        #expect(try removed(("h", "1", "keep"), (".wh.keep", "0", "")) == ["keep"])
    }

    @Test func devicesAreLeftOutUnlessAllowed() throws {
        let first = layer(("dev/null", "3", ""), ("dev/sda", "4", ""), ("dev/h", "1", "dev/sda"), ("f", "0", ""))
        let second = layer(("h2", "1", "dev/h"), ("f", "3", ""), ("dev/null", "0", ""))
        let kept = try Checked.layers([first, second], devices: true)
        #expect(kept.names == ["h2 -> dev/h", "f", "dev/null"] && kept.dropped == 0)
        #expect(kept.removed == ["f", "dev/null"])
        #expect(try Checked.layers([first]).names == ["f"])
        let dropped = try Checked.layers([first, second])
        // The file that a device took the place of is not the image's any more.
        #expect(dropped.names == ["dev/null"] && dropped.removed == ["f"])
        #expect(dropped.dropped == 3)
    }

    @Test func attributesOfAnotherSystemAreLeftOut() throws {
        var sample = LayerSample()
        let names = [
            "security.capability", "security.selinux", "security.ima", "trusted.overlay.redirect",
            "user.overlay.opaque",
            "user.mime_type", "user.rootlesscontainers", "system.posix_acl_access",
        ]
        sample.addPax(names.map { ("SCHILY.xattr.\($0)", [1]) })
        sample.add("a", "0")
        let kept = try Checked.layers([sample.whole]).target.made[0].xattrs.map {
            String(decoding: $0.name, as: UTF8.self)
        }
        #expect(kept == ["security.capability", "user.mime_type", "system.posix_acl_access"])
    }

    @Test func messagesAreOneLine() {
        var sample = LayerSample()
        sample.add(Array("../\n\u{1B}[31m\u{202E}".utf8) + [0xFF] + [UInt8](repeating: 0x61, count: 60), "0")
        let text = refusal([sample.whole])
        #expect(text.hasPrefix(#"layer 1: '../\x0a\x1b[31m\xe2\x80\xae\xffaaa"#))
    }

    /// Whiteouts of one large directory over and over, and symlinks that go a long way: the time stays that of the bytes.
    @Test(.timeLimit(.minutes(5)))
    func timeGrowsWithTheBytes() throws {
        func seconds(_ count: Int) throws -> Double {
            let base = layer(
                (0..<count).map { ("d/l\($0)", "2", "/x") } + [("way", "2", "d/l1/../way2"), ("way2", "2", ".")])
            let next = layer(
                (0..<count).map { number -> Member in ("d/n\(number)", "2", "/x") }
                    + (0..<count).flatMap { number -> [Member] in
                        [(".wh.d", "0", ""), ("d/.wh..wh..opq", "0", ""), ("way/w\(number)", "0", "")]
                    })
            // This thread's own: other tests run beside it.
            func spent() -> Double {
                var time = timespec()
                clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
                return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
            }
            let start = spent()
            _ = try Checked.layers([base, next])
            return spent() - start
        }
        _ = try seconds(100)
        let small = try seconds(500)
        let large = try seconds(4000)
        // Eight times the bytes: quadratic time would be 64 times as long.
        #expect(large < 30 * max(small, 0.01))
    }
}

@Suite struct LayerFuzzTests {
    /// Archives with damaged bytes, names and orders: an error or a layer whose names lead nowhere but into the root.
    @Test(.timeLimit(.minutes(5)))
    func damagedArchives() throws {
        var random = SeededRandom(seed: 42)
        var passed = 0
        for round in 0..<7000 {
            var sample = LayerSample()
            for _ in 0..<Int.random(in: 1...12, using: &random) { Self.addMember(to: &sample, &random) }
            var bytes = sample.whole
            if round % 3 == 0 {
                for _ in 0..<Int.random(in: 1...6, using: &random) {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                }
                if round % 2 == 0 { bytes = Self.summed(bytes) }
            }
            if round % 7 == 0 { bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random)) }
            do {
                let checked = try Checked.layers([bytes, bytes], pieces: Int.random(in: 1...2000, using: &random))
                Self.expectPlain(checked)
                passed += 1
            } catch is LayerError {}
        }
        #expect(passed > 500)
    }

    private static func addMember(to sample: inout LayerSample, _ random: inout SeededRandom) {
        let parts = ["a", "b", "..", ".", "", "l", "m", ".wh.a", ".wh..wh..opq", ".wh...", ".wh.", "\u{FF}"]
        func name() -> [UInt8] {
            let count = Int.random(in: 1...4, using: &random)
            // Most of them are harmless, or no archive would get far.
            return Array(
                (0..<count).map { _ in
                    Int.random(in: 0..<4, using: &random) == 0
                        ? parts.randomElement(using: &random) ?? ""
                        : "abl".randomElement(using: &random).map { String($0) } ?? ""
                }.joined(separator: "/").utf8)
        }
        switch Int.random(in: 0..<12, using: &random) {
        case 0: sample.addPax([("path", name()), ("SCHILY.xattr.user.x", [0, 10])])
        case 1: sample.addExtended("L", name() + [0])
        case 2: sample.addExtended("g", LayerSample.record("comment", name()))
        case 3...5: sample.add(name(), "2", link: name())
        case 6: sample.add(name(), "1", link: name())
        case 7: sample.add(name(), "5")
        case 8: sample.add(name(), "3")
        default:
            sample.add(name(), "0", content: [UInt8](repeating: 1, count: Int.random(in: 0...1500, using: &random)))
        }
    }

    /// Right checksums for every block, so that the damage gets past them.
    private static func summed(_ bytes: [UInt8]) -> [UInt8] {
        stride(from: 0, to: bytes.count, by: 512).flatMap { start -> [UInt8] in
            let block = Array(bytes[start..<(start + 512)])
            return block[257] == UInt8(ascii: "u") ? LayerSample.summed(block) : block
        }
    }

    private static func expectPlain(_ checked: Checked) {
        let target = checked.target
        for path in target.files.keys.filter({ !$0.isEmpty }) + target.removed
            + target.made.filter({ $0.kind == .hardLink(to: $0.link) }).map(\.link)
        {
            let parts = path.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
            #expect(!parts.contains { $0.isEmpty || $0.elementsEqual(".".utf8) || $0.elementsEqual("..".utf8) })
            #expect(!parts.contains { $0.starts(with: ".wh.".utf8) })
        }
    }
}
