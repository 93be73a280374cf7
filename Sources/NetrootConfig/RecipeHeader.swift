/// The header keywords of Apptainer 1.4, in its documentation's spelling; a recipe may write them in any case.
enum RecipeKeyword: String, CaseIterable {
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
struct RecipeHeader {
    struct Entry: Equatable {
        let keyword: RecipeKeyword
        /// As the recipe has it: the number of `OtherURL1` is part of it.
        let spelling: String
        /// With continuation lines joined and `%{OSVERSION}` expanded.
        var value: String
        let line: Int
    }

    /// The recipe's path, for errors.
    let path: String
    private(set) var entries: [Entry] = []

    /// Reads header lines: `Keyword: value`, `#` comments, a backslash at the end to go on in the next line.
    init(lines: ArraySlice<SourceLine>, path: String) throws(ConfigError) {
        self.path = path
        var continued = false
        for line in lines {
            let trimmed = line.trimmed
            // As in Apptainer a comment starts anywhere, so no value can hold a '#'.
            let content = trimmed.prefix { $0 != UInt8(ascii: "#") }.trimmingBlanks
            if content.isEmpty {
                continued = false
                continue
            }
            let goesOn = content.last == UInt8(ascii: "\\")
            let text = goesOn ? content.dropLast() : content
            if continued {
                entries[entries.count - 1].value += text.text
            } else {
                try add(text, line: line.number)
            }
            continued = goesOn
        }
        for index in entries.indices { entries[index].value = entries[index].value.trimmingBlanks }
        try expandVersion()
    }

    /// The entry of a keyword.
    subscript(keyword: RecipeKeyword) -> Entry? { entries.first { $0.keyword == keyword } }

    func error(_ entry: Entry, _ problem: String, _ hint: String? = nil) -> ConfigError {
        ConfigError(file: path, line: entry.line, problem: problem, hint: hint)
    }

    private mutating func add(_ text: ArraySlice<UInt8>, line: Int) throws(ConfigError) {
        guard let colon = text.firstIndex(of: UInt8(ascii: ":")) else {
            throw ConfigError(
                file: path, line: line, problem: "neither a section nor Keyword: value: '\(text.text)'",
                hint: "begin a section with '%'")
        }
        let spelling = text[..<colon].trimmingBlanks.text
        guard let keyword = RecipeKeyword(spelling: spelling) else {
            let nearest = nearestName(to: spelling, among: RecipeKeyword.spellings)
            throw ConfigError(
                file: path, line: line, problem: "unknown header keyword '\(spelling)'",
                hint: nearest.map { "did you mean \($0):?" })
        }
        if let earlier = entries.first(where: { $0.spelling.lowercased() == spelling.lowercased() }) {
            throw ConfigError(
                file: path, line: line,
                problem: keyword == .bootstrap
                    ? "a second Bootstrap: (several stages) is not supported yet"
                    : "\(keyword.rawValue): is already in line \(earlier.line)",
                hint: keyword == .bootstrap ? "keep one stage a file" : "remove one of the two lines")
        }
        let value = text[(colon + 1)...]
        entries.append(Entry(keyword: keyword, spelling: spelling, value: value.text, line: line))
    }

    /// Puts the version in for `%{OSVERSION}`, in any case; there is no other variable.
    private mutating func expandVersion() throws(ConfigError) {
        let version = self[.osVersion]?.value
        for index in entries.indices {
            let entry = entries[index]
            var result = ""
            var rest = entry.value[...]
            while let open = rest.firstRange(of: "%{") {
                result += rest[..<open.lowerBound]
                rest = rest[open.upperBound...]
                guard let close = rest.firstIndex(of: "}") else { throw error(entry, "'%{' without '}'") }
                let name = String(rest[..<close])
                guard name.lowercased() == "osversion" else {
                    throw error(entry, "unknown variable '%{\(name)}'", "there is %{OSVERSION} only")
                }
                guard entry.keyword != .osVersion, let version, !version.isEmpty else {
                    throw error(entry, "%{\(name)} without a value of OSVersion:", "add OSVersion: to the header")
                }
                result += version
                rest = rest[rest.index(after: close)...]
            }
            entries[index].value = result + rest
        }
    }
}

extension String {
    /// The text without blanks around it.
    var trimmingBlanks: String { Array(utf8)[...].trimmingBlanks.text }
}
