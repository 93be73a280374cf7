/// How much text the build arguments of a recipe have made: a short recipe must not become gigabytes.
struct ExpansionCost {
    /// Four times the largest recipe.
    static let limit = 16 << 20
    private(set) var bytes = 0

    /// Counts text that was put in for a build argument; false past the limit.
    mutating func add(_ count: Int) -> Bool {
        bytes += count
        return bytes <= Self.limit
    }
}

/// Puts the values of build arguments in for `{{ NAME }}`, before a stage is read.
///
/// As Apptainer does: anywhere in the stage, but not behind a `#` (unless followed by `!`, or by the `{{` itself) in the
/// same line. A given value goes before the default in the stage's `%arguments`.
struct ArgumentExpansion {
    private let piece: StageText
    private let path: String
    private let given: [String: String]
    private var defaults: [String: [UInt8]] = [:]
    /// Values in which arguments were put in, by name.
    private var resolved: [String: [UInt8]] = [:]
    /// The names that were put in.
    private(set) var used: Set<String> = []
    private(set) var warnings: [Recipe.Warning] = []

    init(piece: StageText, path: String, given: [String: String]) {
        self.piece = piece
        self.path = path
        self.given = given
        readDefaults()
    }

    /// The stage's lines, with the numbers that they have in the recipe.
    mutating func lines(_ cost: inout ExpansionCost) throws(ConfigError) -> [SourceLine] {
        let text = piece.bytes
        let matches = BuildArgument.all(in: text)
        guard !matches.isEmpty else { return SourceLine.lines(of: text, first: piece.firstLine) }
        var output = ExpandedLines(line: piece.firstLine)
        var done = text.startIndex
        // The comment test looks back to the line's start, or to what was put in last; each byte is looked at once.
        var looked = text.startIndex
        var isComment = false
        for match in matches {
            while looked < match.start {
                if text[looked] == UInt8(ascii: "\n") {
                    isComment = false
                } else if text[looked] == UInt8(ascii: "#"), looked + 1 < match.start,
                    text[looked + 1] != UInt8(ascii: "!")
                {
                    isComment = true
                }
                looked += 1
            }
            if isComment { continue }
            output.copy(text[done..<match.start])
            output.put(try value(match.name, line: output.sourceLine, &cost))
            output.skip(text[match.start..<match.end])
            done = match.end
            looked = match.end
            isComment = false
        }
        output.copy(text[done...])
        return output.finished()
    }

    private mutating func value(_ name: String, line: Int, _ cost: inout ExpansionCost) throws(ConfigError) -> [UInt8] {
        let whole: [UInt8]
        if let known = resolved[name] {
            whole = known
        } else {
            whole = try resolve(name, line: line, &cost)
            resolved[name] = whole
        }
        used.insert(name)
        try count(whole.count, line: line, &cost)
        return whole
    }

    private func count(_ bytes: Int, line: Int, _ cost: inout ExpansionCost) throws(ConfigError) {
        guard cost.add(bytes) else {
            throw ConfigError(
                file: path, line: line, problem: "build arguments make the recipe larger than 16 MiB",
                hint: "shorten their values")
        }
    }

    /// A value may itself hold `{{ NAME }}`, as Apptainer's `%arguments` may; what is put in there is not looked at again.
    private mutating func resolve(
        _ name: String, line: Int, _ cost: inout ExpansionCost
    ) throws(ConfigError) -> [UInt8] {
        let raw = try plain(name, line: line)[...]
        var result: [UInt8] = []
        var done = raw.startIndex
        for match in BuildArgument.all(in: raw) {
            let inner = try plain(match.name, line: line)
            used.insert(match.name)
            try count(inner.count, line: line, &cost)
            result += raw[done..<match.start]
            result += inner
            done = match.end
        }
        return result + raw[done...]
    }

    private func plain(_ name: String, line: Int) throws(ConfigError) -> [UInt8] {
        if let value = given[name] { return Array(value.utf8) }
        if let value = defaults[name] { return value }
        let known = Set(given.keys).union(defaults.keys)
        let nearest = nearestName(to: name, among: known.sorted().prefix(1000))
        let shown = excerpt(name)
        throw ConfigError(
            file: path, line: line, problem: "build argument {{ \(shown) }} is not defined",
            hint: nearest.map { "did you mean {{ \($0) }}?" }
                ?? "give --build-arg \(shown)=VALUE, or a default in %arguments")
    }

    /// Reads `NAME = VALUE` lines of `%arguments`; as in Apptainer another line there is no error.
    private mutating func readDefaults() {
        var isArguments = false
        for line in SourceLine.lines(of: piece.bytes, first: piece.firstLine) {
            let text = line.trimmed
            if text.first == UInt8(ascii: "%") {
                let name = text.drop { $0 == UInt8(ascii: "%") }.prefix { !$0.isBlank }
                isArguments = name.count == 9 && name.lowercasedText == "arguments"
                continue
            }
            guard isArguments, let first = text.first, first != UInt8(ascii: "#") else { continue }
            guard let (name, value) = BuildArgument.pair(text) else {
                warnings.append(
                    Recipe.Warning(file: path, line: line.number, text: "no NAME=VALUE in %arguments: it is not read"))
                continue
            }
            defaults[name.text] = Array(value)
        }
    }
}

/// `{{ NAME }}` in a text.
public struct BuildArgument {
    let name: String
    let start: Int
    let end: Int

    /// Splits `NAME=VALUE`, without blanks around either.
    /// - Returns: nil where there is no `=`, or no name before it.
    public static func pair(_ text: String) -> (name: String, value: String)? {
        pair(Array(text.utf8)[...]).map { ($0.name.text, $0.value.text) }
    }

    static func pair(_ text: ArraySlice<UInt8>) -> (name: ArraySlice<UInt8>, value: ArraySlice<UInt8>)? {
        guard let equals = text.firstIndex(of: UInt8(ascii: "=")) else { return nil }
        let name = text[..<equals].trimmingBlanks
        return name.isEmpty ? nil : (name, text[(equals + 1)...].trimmingBlanks)
    }

    /// Finds all that Apptainer's pattern `{{\s*(\w+)\s*}}` finds; the blanks may be line ends.
    static func all(in text: ArraySlice<UInt8>) -> [BuildArgument] {
        let (open, close) = (UInt8(ascii: "{"), UInt8(ascii: "}"))
        func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) && byte != 0x0B }
        var found: [BuildArgument] = []
        var index = text.startIndex
        while let start = text[index...].firstIndex(of: open), start + 1 < text.endIndex {
            index = start + 1
            guard text[index] == open else { continue }
            let inner = text[(index + 1)...].drop(while: isSpace)
            let name = inner.prefix { $0.isASCIILetter || $0.isASCIIDigit || $0 == UInt8(ascii: "_") }
            let rest = inner[name.endIndex...].drop(while: isSpace)
            guard !name.isEmpty, rest.prefix(2).elementsEqual([close, close]) else { continue }
            index = rest.startIndex + 2
            found.append(BuildArgument(name: name.text, start: start, end: index))
        }
        return found
    }
}

extension BuildArgument {
    /// Reads a file of `NAME=VALUE` lines, as Apptainer reads that of `--build-arg-file` (`ReadBuildArgs` in
    /// internal/pkg/build/args/args.go): of a name that is there twice the last counts, and a line without `=` is skipped.
    ///
    /// Blank lines and lines that begin with `#` say nothing; Apptainer warns of them.
    /// - Returns: the values by name, and a warning for each line that is skipped.
    /// - Throws: `ConfigError` where it is no text.
    public static func values(
        in bytes: [UInt8], path: String
    ) throws(ConfigError) -> (values: [String: String], warnings: [Recipe.Warning]) {
        var values: [String: String] = [:]
        var warnings: [Recipe.Warning] = []
        for line in SourceLine.lines(of: try checkedText(bytes, path: path)[...]) {
            let text = line.trimmed
            guard let first = text.first, first != UInt8(ascii: "#") else { continue }
            guard let (name, value) = pair(text) else {
                warnings.append(Recipe.Warning(file: path, line: line.number, text: "no NAME=VALUE: it is not read"))
                continue
            }
            values[name.text] = value.text
        }
        return (values, warnings)
    }
}

/// Lines of a text into which other text was put, each with the number of the line it came from.
private struct ExpandedLines {
    private(set) var sourceLine: Int
    private var bytes: [UInt8] = []
    private var starts: [(offset: Int, number: Int)] = []

    init(line: Int) {
        sourceLine = line
        starts = [(0, line)]
    }

    /// Text of the recipe.
    mutating func copy(_ text: ArraySlice<UInt8>) {
        for byte in text {
            bytes.append(byte)
            guard byte == UInt8(ascii: "\n") else { continue }
            sourceLine += 1
            starts.append((bytes.count, sourceLine))
        }
    }

    /// Text of a value.
    mutating func put(_ text: [UInt8]) {
        for byte in text {
            bytes.append(byte)
            if byte == UInt8(ascii: "\n") { starts.append((bytes.count, sourceLine)) }
        }
    }

    /// Text of the recipe that a value stands for.
    mutating func skip(_ text: ArraySlice<UInt8>) {
        for byte in text where byte == UInt8(ascii: "\n") { sourceLine += 1 }
    }

    func finished() -> [SourceLine] {
        starts.indices.compactMap { index in
            let start = starts[index].offset
            let end = index + 1 < starts.count ? starts[index + 1].offset - 1 : bytes.count
            // A line end at the very end starts no further line.
            if index + 1 == starts.count, start == end { return nil }
            return SourceLine(number: starts[index].number, bytes: bytes[start..<end].droppingCarriageReturn)
        }
    }
}
