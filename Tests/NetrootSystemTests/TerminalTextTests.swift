import TestSupport
import Testing

@testable import NetrootSystem

@Suite struct TerminalTextTests {
    /// What a terminal obeys, or what makes a reader see another text than there is.
    @Test(arguments: [
        // Colours, a title, the screen cleared; the bell, a backspace, a carriage return, DEL.
        ("\u{1B}[31mred", #"\x1b[31mred"#), ("\u{1B}]0;title\u{7}", #"\x1b]0;title\x07"#), ("a\u{8}b", #"a\x08b"#),
        ("\u{1B}c", #"\x1bc"#), ("good\rbad", #"good\x0dbad"#), ("a\u{7F}", #"a\x7f"#), ("\0", #"\x00"#),
        ("a\r\nb", #"a\x0d\x0ab"#), ("a\tb\nc", #"a\x09b\x0ac"#),
        // The same as one character: CSI, OSC, NEL.
        ("\u{9B}31mred", #"\xc2\x9b31mred"#), ("\u{9D}0;t\u{9C}", #"\xc2\x9d0;t\xc2\x9c"#), ("\u{80}", #"\xc2\x80"#),
        ("a\u{85}b", #"a\xc2\x85b"#), ("\u{9F}", #"\xc2\x9f"#),
        // "Trojan Source" (CVE-2021-42574): embeddings, overrides, isolates, marks.
        ("\u{202A}\u{202B}\u{202C}", #"\xe2\x80\xaa\xe2\x80\xab\xe2\x80\xac"#),
        ("a\u{202D}b\u{202E}gpj.exe", #"a\xe2\x80\xadb\xe2\x80\xaegpj.exe"#),
        ("\u{2066}\u{2067}\u{2068}\u{2069}", #"\xe2\x81\xa6\xe2\x81\xa7\xe2\x81\xa8\xe2\x81\xa9"#),
        ("\u{200E}\u{200F}\u{61C}", #"\xe2\x80\x8e\xe2\x80\x8f\xd8\x9c"#),
        ("a\u{2028}b\u{2029}", #"a\xe2\x80\xa8b\xe2\x80\xa9"#),
        // What is only text stays, also the neighbours of what does not.
        ("Grüße, 日本語 العربية 👩‍👧 e\u{301}", "Grüße, 日本語 العربية 👩‍👧 e\u{301}"),
        ("~\u{A0}\u{61B}\u{61D}", "~\u{A0}\u{61B}\u{61D}"),
        ("\u{200D}\u{2010}\u{2027}\u{202F}\u{2065}\u{206A}", "\u{200D}\u{2010}\u{2027}\u{202F}\u{2065}\u{206A}"),
        (#"C:\x1b \"#, #"C:\x1b \"#), ("", ""),
    ])
    func names(_ text: String, _ shown: String) {
        #expect(TerminalText.line(text) == shown)
        #expect(TerminalText.line(Array(text.utf8)) == shown)
        #expect(TerminalText.line(shown) == shown)
        let lines = shown.replacing(#"\x0a"#, with: "\n").replacing(#"\x09"#, with: "\t")
        #expect(TerminalText.lines(text) == lines)
        #expect(TerminalText.lines(Array(text.utf8)) == lines)
        #expect(TerminalText.lines(lines) == lines)
    }

    /// Bytes that are no UTF-8: alone, cut off, too long, halves of a pair, beyond Unicode.
    @Test(
        arguments: [
            ([0xFF], #"\xff"#), ([0x61, 0x9B, 0x62], #"a\x9bb"#), ([0xC3], #"\xc3"#), ([0xE2, 0x80], #"\xe2\x80"#),
            ([0xE2, 0x80, 0x41], #"\xe2\x80A"#), ([0xC0, 0x9B], #"\xc0\x9b"#), ([0xE0, 0x80, 0x9B], #"\xe0\x80\x9b"#),
            ([0xED, 0xA0, 0x80], #"\xed\xa0\x80"#), ([0xF4, 0x90, 0x80, 0x80], #"\xf4\x90\x80\x80"#),
            ([0xC3, 0xC3, 0xA4, 0xFE, 0x0A], "\\xc3ä\\xfe\\x0a"),
        ] as [([UInt8], String)])
    func bytes(_ bytes: [UInt8], _ shown: String) { #expect(TerminalText.line(bytes) == shown) }

    /// Whatever the bytes are: nothing that steers is left, and the reversible form gives them back.
    @Test func anyBytes() throws {
        var random = SeededRandom(seed: 4)
        let parts: [[UInt8]] = [
            [0x1B], [0x9B], [0xC2, 0x9B], [0xE2, 0x80, 0xAE], [0xE2, 0x81], [0x5C], Array("x1b".utf8), [0x0A], [0x09],
            Array("ä".utf8), Array("\\x1b".utf8), [0xF0], [0x7F], [0x20],
        ]
        var seen: [String: [UInt8]] = [:]
        for _ in 0..<3000 {
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 0...5, using: &random) {
                bytes += parts.randomElement(using: &random) ?? []
                if Int.random(in: 0..<8, using: &random) == 0 {
                    bytes.append(UInt8.random(in: 0...255, using: &random))
                }
            }
            #expect(!TerminalText.line(bytes).unicodeScalars.contains(where: TerminalText.isSteering))
            #expect(
                !TerminalText.lines(bytes).unicodeScalars.contains {
                    TerminalText.isSteering($0) && $0 != "\n" && $0 != "\t"
                })
            let text = TerminalText.reversible(bytes)
            #expect(!text.unicodeScalars.contains(where: TerminalText.isSteering))
            #expect(Self.reversed(text) == bytes)
            #expect(seen[text] == nil || seen[text] == bytes)
            seen[text] = bytes
        }
    }

    /// As `netroot diff --help` tells a reader to: `\\` is a backslash, `\xHH` a byte.
    private static func reversed(_ text: String) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let first = rest.popFirst() {
            guard first == UInt8(ascii: "\\") else {
                bytes.append(first)
                continue
            }
            if rest.first == UInt8(ascii: "\\") {
                bytes.append(first)
                rest = rest.dropFirst()
            } else {
                let digits = String(decoding: rest.dropFirst().prefix(2), as: UTF8.self)
                bytes.append(UInt8(digits, radix: 16) ?? 0)
                rest = rest.dropFirst(3)
            }
        }
        return bytes
    }

    @Test func errorsAreOneLine() {
        let path = "/a\nb\u{1B}"
        #expect(
            SystemError("read", path, code: 2).description == #"cannot read /a\x0ab\x1b: No such file or directory"#)
        let failed = CommandError.failed(
            argv: ["cat", "a\nb"], termination: .exited(1), lastLines: ["no\u{9B}"], log: "/log")
        #expect(failed.description == "cat a\\x0ab: exit status 1: no\\xc2\\x9b\nlog: /log")
    }
}
