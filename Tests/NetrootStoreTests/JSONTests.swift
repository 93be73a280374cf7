import NetrootSystem
import Testing

@testable import NetrootStore

@Suite struct JSONTests {
    /// Printed on a terminal it steers nothing; read, it is the value as it was.
    @Test func hostileText() throws {
        let values = [
            "\u{1B}[31m\u{9B}1m\u{7F}\u{85}", "a\u{202E}b\u{2066}\u{61C}", "\u{2028}\u{2029}\n\t\r\0", "ä\\u001b",
        ]
        let text = try JSON.text([values[1]: values])
        #expect(!text.unicodeScalars.contains { TerminalText.isSteering($0) && $0 != "\n" })
        #expect(text.contains(#"a\u202eb\u2066\u061c"#) && text.contains(#"\u009b1m\u007f\u0085"#))
        #expect(try JSON.value([String: [String]].self, from: Array(text.utf8)) == [values[1]: values])
    }
}
