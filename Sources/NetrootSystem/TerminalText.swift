/// Text from an image, a recipe, a host or a client, made so that a terminal shows it and does not obey it.
///
/// Each byte of a character that steers a terminal, or changes the direction of text, is written `\xHH`; so is each byte of
/// invalid UTF-8. The escaped text holds no such character, and escaping it again leaves it as it is.
public enum TerminalText {
    /// Whether a character steers a terminal or changes the direction of text: control characters (ECMA-48), the marks, embeddings,
    /// overrides and isolates of bidirectional text (UAX #9, `Bidi_Control`), the separators of lines and paragraphs.
    public static func isSteering(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7F...0x9F: true
        case 0x061C, 0x200E, 0x200F, 0x202A...0x202E, 0x2066...0x2069: true
        case 0x2028, 0x2029: true
        default: false
        }
    }

    /// A text of several lines: line feeds and tabs stay.
    public static func lines(_ text: String) -> String {
        text.unicodeScalars.contains { isSteering($0) && !isOfLines($0) } ? lines(Array(text.utf8)) : text
    }

    /// Bytes that are a text of several lines: line feeds and tabs stay.
    public static func lines(_ bytes: [UInt8]) -> String { escaped(bytes) { isSteering($0) && !isOfLines($0) } }

    /// A name or a value, which cannot end its line.
    public static func line(_ text: String) -> String {
        text.unicodeScalars.contains(where: isSteering) ? line(Array(text.utf8)) : text
    }

    /// Bytes that are a name or a value, which cannot end its line.
    public static func line(_ bytes: [UInt8]) -> String { escaped(bytes, isSteering) }

    /// As `line`, with each backslash doubled: no other bytes give the same text.
    public static func reversible(_ bytes: [UInt8]) -> String { escaped(bytes, backslash: "\\\\", isSteering) }

    private static func isOfLines(_ scalar: Unicode.Scalar) -> Bool { scalar == "\n" || scalar == "\t" }

    private static func escaped(
        _ bytes: [UInt8], backslash: String = "\\", _ isEscaped: (Unicode.Scalar) -> Bool
    ) -> String {
        var text = ""
        text.reserveCapacity(bytes.count)
        var parser = Unicode.UTF8.ForwardParser()
        var input = bytes.makeIterator()
        // The parser reads ahead.
        var position = bytes.startIndex
        while true {
            let length: Int
            switch parser.parseScalar(from: &input) {
            case .emptyInput: return text
            case .error(let count):
                length = count
                text += hexadecimal(bytes[position..<position + length])
            case .valid(let encoded):
                length = encoded.count
                let scalar = Unicode.UTF8.decode(encoded)
                if scalar == "\\" {
                    text += backslash
                } else if isEscaped(scalar) {
                    text += hexadecimal(bytes[position..<position + length])
                } else {
                    text.unicodeScalars.append(scalar)
                }
            }
            position += length
        }
    }

    private static func hexadecimal(_ bytes: ArraySlice<UInt8>) -> String {
        bytes.map { ($0 < 16 ? "\\x0" : "\\x") + String($0, radix: 16) }.joined()
    }
}
