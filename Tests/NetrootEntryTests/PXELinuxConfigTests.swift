import TestSupport
import Testing

@testable import NetrootEntry

private func entry(_ label: String, generation: Int = 7) -> BootEntry {
    BootEntry(
        name: label, kernel: "netroot/\(label)/\(generation)/vmlinuz",
        initrds: ["netroot/\(label)/\(generation)/initrd.img", "netroot/\(label)/site.img"],
        arguments: ["ip=dhcp", "rd.neednet=1", "ro", "rootovl"])
}

private func config(_ text: String) throws(SharedConfigError) -> PXELinuxConfig {
    try PXELinuxConfig(bytes: Array(text.utf8))
}

extension PXELinuxConfig {
    fileprivate var text: String { String(decoding: bytes, as: UTF8.self) }
}

/// By hand, in CRLF, with a menu and no line end at the end.
private let handMade =
    "DEFAULT vesamenu.c32\r\nprompt 0\r\n\r\nLABEL local\r\n  MENU LABEL ^Disk\r\n  LOCALBOOT 0\r\nlabel deb_nfs\r\n  kernel k"

@Suite struct PXELinuxConfigTests {
    @Test func freshFile() throws {
        let one = try config("").replacing(entry("debian12"))
        try expectGolden("pxelinux-fresh", one.text)
        #expect(one.defaultName == "debian12")
        #expect(one.kernelPath(of: "debian12") == "netroot/debian12/7/vmlinuz")
        #expect(one.kernelPath(of: "debian13") == nil)
        let two = try one.replacing(entry("debian13"), makeDefault: false)
        try expectGolden("pxelinux-two", two.text)
        #expect(two.names == ["debian12", "debian13"])
        #expect(two.defaultName == "debian12")
        #expect(try config("\n \r\n").replacing(entry("debian12")) == one)
    }

    @Test func handMadeFile() throws {
        let new = try config(handMade).replacing(entry("deb"))
        try expectGolden("pxelinux-handmade", new.text)
        #expect(new.text.hasPrefix("DEFAULT deb\n" + handMade.drop { $0 != "\r\n" }.dropFirst()))
        let kept = try config(handMade).replacing(entry("deb"), makeDefault: false)
        #expect(kept.text.hasPrefix(handMade + "\n\n# netroot begin deb\n"))
        #expect(kept.defaultName == "vesamenu.c32")
    }

    @Test func withoutDefaultLine() throws {
        let new = try config("LABEL x\n KERNEL y\n").replacing(entry("a"))
        #expect(new.text.hasPrefix("DEFAULT a\nLABEL x\n KERNEL y\n\n# netroot begin a\n"))
        // A section that moves down by the new first line is still found.
        let undone = try config(String(new.text.dropFirst("DEFAULT a\n".count)))
        #expect(try undone.replacing(entry("a")) == new)
    }

    @Test func theLastDefaultHolds() throws {
        let new = try config("DEFAULT x\n default y\n").replacing(entry("a"))
        #expect(new.text.hasPrefix("DEFAULT x\nDEFAULT a\n"))
        #expect(try config("default\ta\r\n").replacing(entry("a")).text.hasPrefix("default\ta\r\n"))
    }

    @Test func similarLabelsLeaveEachOtherAlone() throws {
        var both = try config("").replacing(entry("deb")).replacing(entry("debian")).replacing(entry("deb_nfs"))
        let before = both
        both = try both.replacing(entry("deb", generation: 8))
        #expect(both.kernelPath(of: "deb") == "netroot/deb/8/vmlinuz")
        #expect(both.kernelPath(of: "debian") == "netroot/debian/7/vmlinuz")
        #expect(both.kernelPath(of: "deb_nfs") == "netroot/deb_nfs/7/vmlinuz")
        #expect(try both.replacing(entry("deb")).replacing(entry("deb_nfs")) == before)
        both = try both.removing("deb")
        #expect(both.names == ["debian", "deb_nfs"])
        #expect(both.defaultName == "debian")
    }

    @Test func removing() throws {
        let one = try config(handMade + "\n").replacing(entry("a"), makeDefault: false)
        #expect(try one.removing("a").text == handMade + "\n")
        #expect(try one.removing("b") == one)
        let made = try config("PROMPT 0\n").replacing(entry("a"))
        #expect(try made.removing("a").text == "PROMPT 0\n")
        let local = try config("DEFAULT local\nLABEL local\n").replacing(entry("a"))
        #expect(try local.removing("a").text == "DEFAULT local\nLABEL local\n")
    }

    @Test func foreignLabel() throws {
        #expect(throws: SharedConfigError.foreignEntry(file: PXELinuxConfig.file, entry: "deb_nfs", line: 7)) {
            try config(handMade).replacing(entry("deb_nfs"))
        }
    }

    @Test(arguments: [
        ("# netroot begin a\n", 1), ("# netroot end a\n", 1), ("\n# netroot begin a\n# netroot begin b\n", 3),
        ("# netroot begin a\n# netroot end b\n", 2),
        ("# netroot begin a\n# netroot end a\n# netroot begin a\n# netroot end a\n", 3),
    ])
    func brokenMarkers(text: String, line: Int) throws {
        let error = try #require(throws: SharedConfigError.self) { try config(text) }
        guard case .brokenMarkers(PXELinuxConfig.file, line, _) = error else {
            Issue.record("\(error)")
            return
        }
    }

    @Test func badEntries() throws {
        let empty = try config("")
        for path in ["", "/abs", "a b", "a,b", "srv::a", "a\n"] {
            var bad = entry("a")
            bad.kernel = path
            #expect(throws: SharedConfigError.badValue(file: PXELinuxConfig.file, what: "path", value: path)) {
                try empty.replacing(bad)
            }
        }
        var bad = entry("a")
        bad.arguments = ["a\nb"]
        #expect(throws: SharedConfigError.self) { try empty.replacing(bad) }
        bad = entry("a b")
        #expect(throws: SharedConfigError.self) { try empty.replacing(bad) }
        bad = entry("a")
        bad.arguments = [String(repeating: "x", count: 2000)]
        #expect(throws: SharedConfigError.self) { try empty.replacing(bad) }
    }

    /// Random files, of pieces that could confuse: replaced twice is replaced once, and all else stays.
    @Test func properties() throws {
        var random = SeededRandom(seed: 6)
        let pieces = [
            "DEFAULT x\n", "default y\r\n", "LABEL h\n", "  KERNEL k\n", "\n", "# note\n", "TIMEOUT 9\n", "\t\n",
            "# netroot\n",
            "é\u{301}\n", "PROMPT 1",
        ]
        for round in 0..<3000 {
            let count = Int.random(in: 0...8, using: &random)
            var config = try PXELinuxConfig(
                bytes: Array((0..<count).map { _ in pieces.randomElement(using: &random) ?? "" }.joined().utf8)
                    + (round % 5 == 0 ? [0xFF] : []))
            let hand = handLines(config)
            for label in ["a", "a_nfs", "b"].shuffled(using: &random) {
                let makeDefault = Bool.random(using: &random)
                let once = try config.replacing(entry(label), makeDefault: makeDefault)
                #expect(try once.replacing(entry(label), makeDefault: makeDefault) == once)
                for other in config.names where other != label {
                    #expect(once.kernelPath(of: other) == config.kernelPath(of: other))
                }
                if makeDefault { #expect(once.defaultName == label) }
                config = once
            }
            #expect(config.names.sorted() == ["a", "a_nfs", "b"])
            if !hand.isEmpty { #expect(handLines(config).starts(with: hand)) }
            for label in config.names { config = try config.removing(label) }
            #expect(config.names.isEmpty)
        }
    }

    /// The lines outside all sections that hold something and are no DEFAULT.
    private func handLines(_ config: PXELinuxConfig) -> [[UInt8]] {
        var inside = false
        return config.bytes.split(separator: 10).map(Array.init).filter { line in
            if line.starts(with: SharedConfig.begin.utf8) { inside = true }
            defer { if line.starts(with: SharedConfig.end.utf8) { inside = false } }
            let text = String(decoding: line, as: UTF8.self)
            let word = text.lowercased().split(whereSeparator: \.isWhitespace).first
            return !inside && word != nil && word != "default"
        }
    }
}
