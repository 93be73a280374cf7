/// The header keywords of Apptainer 1.4, in its documentation's spelling, and one more; a recipe may write them in any case.
public enum RecipeKeyword: String, CaseIterable, Sendable {
    case bootstrap = "Bootstrap"
    case from = "From"
    case includeCmd = "IncludeCmd"
    case mirrorURL = "MirrorURL"
    case updateURL = "UpdateURL"
    case osVersion = "OSVersion"
    case include = "Include"
    case library = "Library"
    case registry = "Registry"
    case namespace = "Namespace"
    case stage = "Stage"
    case product = "Product"
    case user = "User"
    case regCode = "RegCode"
    case productPGP = "ProductPGP"
    case registerURL = "RegisterURL"
    case modules = "Modules"
    /// Numbered: `OtherURL1`, `OtherURL2`.
    case otherURL = "OtherURL"
    case fingerprints = "Fingerprints"
    case confURL = "ConfURL"
    case setOpt = "Setopt"
    /// Netroot's own, beside Apptainer's.
    case aptOpt = "AptOpt"

    init?(spelling: String) {
        var name = spelling.lowercased()
        let digits = name.reversed().prefix { $0.isASCII && $0.isNumber }.count
        if digits > 0 {
            name.removeLast(digits)
            guard name == "otherurl" else { return nil }
        } else if name == "otherurl" {
            return nil
        }
        guard let keyword = Self.allCases.first(where: { $0.rawValue.lowercased() == name }) else { return nil }
        self = keyword
    }

    /// What a mistyped keyword is compared with.
    static let spellings = allCases.map { $0 == .otherURL ? "OtherURL1" : $0.rawValue }
}

/// A recipe's header: what stands above its first section.
public struct RecipeHeader: Sendable, Equatable {
    /// A keyword and its value.
    public struct Entry: Sendable, Equatable {
        /// Which keyword.
        public let keyword: RecipeKeyword
        /// In lower case: the number of `otherurl1` is part of it.
        public let key: String
        /// As the recipe has it.
        public let spelling: String
        /// With continuation lines joined; `%{OSVERSION}` stands as it is.
        public internal(set) var value: String
        /// The line of the recipe.
        public let line: Int

        /// The value without the user and the password of a mirror's URL, for reports.
        public var shownValue: String {
            let isURL = [.mirrorURL, .updateURL, .otherURL, .confURL].contains(keyword)
            return isURL ? MirrorAddress(value).url : value
        }
    }

    /// The recipe's path, for errors.
    let path: String
    /// The entries, in the recipe's order.
    public private(set) var entries: [Entry] = []
    private var index: [String: Int] = [:]

    /// Reads header lines: `Keyword: value`, `#` comments, a backslash at the end to go on in the next line.
    init(lines: ArraySlice<SourceLine>, path: String) throws(ConfigError) {
        self.path = path
        var continued = false
        for line in lines {
            // As in Apptainer a comment starts anywhere, so no value can hold a '#'.
            let content = line.trimmed.prefix { $0 != UInt8(ascii: "#") }.trimmingBlanks
            if content.isEmpty {
                continued = false
                continue
            }
            guard String(validating: content, as: UTF8.self) != nil else {
                throw ConfigError(
                    file: path, line: line.number, problem: "the header is not UTF-8 text", hint: "save it as UTF-8")
            }
            let goesOn = content.last == UInt8(ascii: "\\")
            var text = (goesOn ? content.dropLast() : content).text
            // Apptainer's way to a value of several lines.
            if goesOn, text.hasSuffix("\\n") { text = text.dropLast(2) + "\n" }
            if continued {
                entries[entries.count - 1].value += text
            } else {
                try add(text, line: line.number)
            }
            continued = goesOn
        }
        for index in entries.indices { entries[index].value = entries[index].value.trimmingBlanks }
    }

    /// There is no keyword.
    public var isEmpty: Bool { entries.isEmpty }

    /// The line of the first entry.
    var line: Int? { entries.first?.line }

    /// The entry of a keyword; of `OtherURL` the first.
    public subscript(keyword: RecipeKeyword) -> Entry? {
        keyword == .otherURL
            ? entries.first { $0.keyword == .otherURL } : index[keyword.rawValue.lowercased()].map { entries[$0] }
    }

    func error(_ entry: Entry, _ problem: String, _ hint: String? = nil) -> ConfigError {
        ConfigError(file: path, line: entry.line, problem: problem, hint: hint)
    }

    /// What is wrong whatever is done with the recipe.
    func check() throws(ConfigError) {
        guard let first = entries.first else { return }
        guard let bootstrap = self[.bootstrap] else {
            throw error(
                first, "the recipe has no Bootstrap: keyword above '\(first.spelling):'",
                "begin with Bootstrap: debootstrap")
        }
        try checkAgentName(bootstrap)
        if let stage = self[.stage], stage.value.blankSeparatedWords.count > 1 || stage.value.contains("\n") {
            throw error(
                stage, "Stage: '\(excerpt(stage.value))' holds a blank, so no %files can name it", "write one word")
        }
    }

    private mutating func add(_ text: String, line: Int) throws(ConfigError) {
        let bytes = Array(text.utf8)[...]
        guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")) else {
            throw ConfigError(
                file: path, line: line, problem: "neither a section nor Keyword: value: '\(excerpt(text))'",
                hint: "begin a section with '%'")
        }
        let spelling = bytes[..<colon].trimmingBlanks.text
        guard let keyword = RecipeKeyword(spelling: spelling) else {
            let nearest = nearestName(to: spelling, among: RecipeKeyword.spellings)
            throw ConfigError(
                file: path, line: line, problem: "unknown header keyword '\(excerpt(spelling))'",
                hint: nearest.map { "did you mean \($0):?" } ?? "the keywords are in docs/formats.md")
        }
        let key = spelling.lowercased()
        if let earlier = index[key] {
            throw ConfigError(
                file: path, line: line, problem: "\(keyword.rawValue): is already in line \(entries[earlier].line)",
                hint: "remove one of the two lines")
        }
        index[key] = entries.count
        let value = bytes[(colon + 1)...]
        entries.append(Entry(keyword: keyword, key: key, spelling: spelling, value: value.text, line: line))
    }

    /// The value of an entry with the version put in for `%{OSVERSION}`, in any case; there is no other variable.
    func expanded(_ entry: Entry) throws(ConfigError) -> String {
        var result = ""
        var rest = entry.value[...]
        while let open = rest.firstRange(of: "%{") {
            result += rest[..<open.lowerBound]
            rest = rest[open.upperBound...]
            guard let close = rest.firstIndex(of: "}") else { throw error(entry, "'%{' without '}'", "close it") }
            let name = String(rest[..<close])
            guard name.lowercased() == "osversion" else {
                throw error(entry, "unknown variable '%{\(excerpt(name))}'", "there is %{OSVERSION} only")
            }
            guard entry.keyword != .osVersion, let version = self[.osVersion]?.value, !version.isEmpty else {
                throw error(entry, "%{\(name)} without a value of OSVersion:", "add OSVersion: to the header")
            }
            result += version
            guard result.utf8.count <= ExpansionCost.limit else {
                throw error(entry, "%{OSVERSION} makes the value larger than 16 MiB", "shorten OSVersion:")
            }
            rest = rest[rest.index(after: close)...]
        }
        return result + rest
    }
}

extension String {
    /// The text without blanks around it.
    var trimmingBlanks: String { Array(utf8)[...].trimmingBlanks.text }
}
