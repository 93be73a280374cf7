public import FoundationEssentials

/// JSON as netroot writes it: sorted keys, two spaces, a final newline.
public enum JSON {
    /// The text of a value.
    /// - Throws: `EncodingError`.
    public static func text(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self) + "\n"
    }

    /// The value of a text.
    /// - Throws: `DecodingError`.
    public static func value<T: Decodable>(_ type: T.Type, from bytes: [UInt8]) throws -> T {
        try JSONDecoder().decode(type, from: Data(bytes))
    }

    /// A point in time as ISO 8601 text, UTC, whole seconds.
    public static func timestamp(_ date: Date = Date()) -> String { date.formatted(.iso8601) }
}
