/// What a file in a known place must hold to be a finding. Most of them exist without: empty, or with comments and defaults.
enum SecretContent: Sendable {
    /// Anything at all.
    case anything
    /// A line that is no comment.
    case entries
    /// One of these texts.
    case text([String])
    /// A line, that is no comment, with one of these texts.
    case entry([String])
    /// A line whose third word is a secret, as pppd has them (pppd(8), "Authentication"): not nothing, not `*`, not `-`.
    case thirdWord
    /// A word `NAME=VALUE` with one of these names, between blanks or commas: mount(8).
    case option([String])
    /// These bytes at its beginning.
    case start([UInt8])
    /// A line `NAME=VALUE`, `NAME: VALUE` or `NAME VALUE` whose name ends with one of these, in any case; the value must
    /// be one.
    case setting([String])
    /// A member of a JSON object with one of these names, and a text that is not empty.
    case member([String])
    /// The word, and another one behind it: netrc(5).
    case word(String)
    /// A URL with a name and a password.
    case url

    func isIn(_ bytes: [UInt8]) -> Bool {
        switch self {
        case .anything: return !bytes.isEmpty
        case .start(let start): return bytes.starts(with: start)
        case .text(let texts): return texts.contains { !SecretText.positions(of: $0, in: bytes).isEmpty }
        case .entries: return !Self.lines(bytes).isEmpty
        case .entry(let texts): return Self.lines(bytes).contains { line in texts.contains { line.contains($0) } }
        case .thirdWord:
            return Self.lines(bytes).map(Self.quotedWords).contains { $0.count > 2 && Self.isSecretOfPPP($0[2]) }
        case .option(let names):
            let words = Self.lines(bytes).flatMap { $0.split { $0.isWhitespace || $0 == "," } }
            return words.contains { word in
                let equals = word.firstIndex(of: "=") ?? word.endIndex
                return names.contains(String(word[..<equals])) && Self.isValue(word[equals...].dropFirst())
            }
        case .setting(let names):
            return Self.lines(bytes).flatMap(Self.settings).contains { name, value in
                names.contains { name.hasSuffix($0) } && Self.isValue(value)
            }
        case .member(let names): return names.contains { Self.hasMember($0, String(decoding: bytes, as: UTF8.self)) }
        case .word(let word):
            let words = Self.lines(bytes).flatMap { $0.split(whereSeparator: \.isWhitespace) }
            return zip(words, words.dropFirst()).contains { $0 == word && Self.isValue($1) }
        case .url: return Self.lines(bytes).contains(where: Self.hasPassword)
        }
    }

    /// The lines that are no comments and not blank, without the blanks around them.
    private static func lines(_ bytes: [UInt8]) -> [Substring] {
        String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
            .map { $0.drop(while: \.isWhitespace) }
            .filter { !$0.isEmpty && !$0.hasPrefix("#") && !$0.hasPrefix(";") }
    }

    /// Name, in lower case, and value of a line. There may be two readings of it: a colon may be part of a name, as npm has
    /// it, and an equals sign part of a value, as Base64 has it.
    private static func settings(_ line: Substring) -> [(name: String, value: Substring)] {
        var line = line
        for word in ["export ", "setenv ", "- ", "declare -x ", "Environment="] where line.hasPrefix(word) {
            line = line.dropFirst(word.count).drop(while: \.isWhitespace)
        }
        let ends = [line.firstIndex { "=: \t".contains($0) }, line.firstIndex(of: "=")].compactMap { $0 }
        return ends.map { end in
            let name = line[..<end].filter { !"\"' \t".contains($0) }.lowercased()
            return (name, line[end...].drop { "=: \t".contains($0) })
        }
    }

    /// Whether a value may be a secret: not nothing, a variable, a place to fill in, a path or a switch.
    static func isValue(_ value: Substring) -> Bool {
        let bare = value.prefix { $0 != " " && $0 != "\t" }.filter { !"\"';,".contains($0) }
        guard let first = bare.first, !"$`<%{/*".contains(first) else { return false }
        return !["yes", "no", "true", "false", "none", "null", "0", "1", "changeme", "xxx"].contains(bare.lowercased())
    }

    /// The words of a line, without their quotation marks; blanks within these are part of a word.
    private static func quotedWords(_ line: Substring) -> [String] {
        var words: [String] = []
        var rest = line.drop(while: \.isWhitespace)
        while let first = rest.first, first != "#" {
            if first == "\"" || first == "'" {
                let word = rest.dropFirst().prefix { $0 != first }
                words.append(String(word))
                rest = rest[word.endIndex...].dropFirst()
            } else {
                let word = rest.prefix { !$0.isWhitespace }
                words.append(String(word))
                rest = rest[word.endIndex...]
            }
            rest = rest.drop(while: \.isWhitespace)
        }
        return words
    }

    /// A word with an `@` before it names a file.
    private static func isSecretOfPPP(_ word: String) -> Bool {
        !["", "*", "-"].contains(word) && !word.hasPrefix("@")
    }

    private static func hasMember(_ name: String, _ text: String) -> Bool {
        text.ranges(of: "\"\(name)\"").contains { range in
            let rest = text[range.upperBound...].drop { $0.isWhitespace || $0 == ":" }
            return rest.first == "\"" && rest.dropFirst().first.map { $0 != "\"" } == true
        }
    }

    /// `scheme://name:password@host`
    private static func hasPassword(_ line: Substring) -> Bool {
        line.ranges(of: "://").contains { range in
            let authority = line[range.upperBound...].prefix { !"/ \t\"'?#".contains($0) }
            guard let at = authority.lastIndex(of: "@"), let colon = authority[..<at].firstIndex(of: ":") else {
                return false
            }
            return colon > authority.startIndex && isValue(authority[authority.index(after: colon)..<at])
        }
    }
}
