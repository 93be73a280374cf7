public import FoundationEssentials
import NetrootSystem

/// JSON as netroot writes it: sorted keys, two spaces, a final newline.
public enum JSON {
    /// The text of a value. What would steer a terminal that it is printed on stands as `\uXXXX`, the same value.
    /// - Throws: `EncodingError`.
    public static func text(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return escaped(String(decoding: try encoder.encode(value), as: UTF8.self)) + "\n"
    }

    /// The encoder escapes what JSON does not allow in a string, and there are such characters in strings only.
    private static func escaped(_ text: String) -> String {
        func isEscaped(_ scalar: Unicode.Scalar) -> Bool { scalar != "\n" && TerminalText.isSteering(scalar) }
        guard text.unicodeScalars.contains(where: isEscaped) else { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            guard isEscaped(scalar) else {
                result.unicodeScalars.append(scalar)
                continue
            }
            // All of them are in Unicode's basic plane.
            let digits = String(scalar.value, radix: 16)
            result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        }
        return result
    }

    /// The value of a text.
    /// - Throws: `DecodingError`.
    public static func value<T: Decodable>(_ type: T.Type, from bytes: [UInt8]) throws -> T {
        try JSONDecoder().decode(type, from: Data(bytes))
    }

    /// A point in time as ISO 8601 text, UTC, whole seconds.
    public static func timestamp(_ date: Date = Date()) -> String { date.formatted(.iso8601) }
}
