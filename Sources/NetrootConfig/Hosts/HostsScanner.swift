/// One `KEY = value` of a hosts file, before the value is looked at.
struct HostsEntry {
    let key: HostsKey
    /// With continuation lines joined by one space.
    var value: String
    /// The line of the key.
    let line: Int
    /// Where the text of each continuation line begins in the value, in bytes, and its line.
    var continuations: [(offset: Int, line: Int)] = []

    /// The line of what begins at a byte of the value.
    func line(at offset: Int) -> Int { continuations.last { $0.offset <= offset }?.line ?? line }

    /// Joins a continuation line to the value.
    mutating func append(_ text: String, line: Int) {
        if !value.isEmpty { value += " " }
        continuations.append((value.utf8.count, line))
        value += text
    }
}

/// One section of a hosts file, before the values are looked at.
struct HostsSection {
    let name: String
    let line: Int
    var entries: [HostsKey: HostsEntry] = [:]

    var isDefault: Bool { name == "DEFAULT" }
}

/// Cuts a hosts file's text into sections and entries, and knows the names of both.
struct HostsScanner {
    let path: String
    private var sections: [HostsSection] = []
    /// The line of each section, by its name.
    private var lines: [String: Int] = [:]
    /// The key that an indented line continues.
    private var current: HostsKey?

    init(path: String) { self.path = path }

    /// The sections in the file's order, with names and keys checked and no duplicates.
    mutating func sections(of bytes: [UInt8]) throws(ConfigError) -> [HostsSection] {
        for line in SourceLine.lines(of: bytes[...]) {
            let trimmed = line.trimmed
            guard let first = trimmed.first, first != UInt8(ascii: "#"), first != UInt8(ascii: ";") else { continue }
            if line.isIndented {
                try continueValue(line)
            } else if first == UInt8(ascii: "[") {
                try openSection(trimmed, line: line.number)
            } else {
                try addEntry(trimmed, line: line.number)
            }
        }
        return sections
    }

    private func error(_ line: Int, _ problem: String, _ hint: String? = nil) -> ConfigError {
        ConfigError(file: path, line: line, problem: problem, hint: hint)
    }

    private mutating func continueValue(_ line: SourceLine) throws(ConfigError) {
        guard let key = current, !sections.isEmpty else {
            throw error(line.number, "an indented line with no value above it to continue", "remove the indent")
        }
        let text = line.trimmed.text
        // A list of kernel or QEMU arguments may well hold `rw=1`; in any other value this is an indented key.
        if !key.isList, let equals = text.firstIndex(of: "="),
            HostsKey(spelling: Array(text[..<equals].utf8)[...].trimmingBlanks.text) != nil
        {
            throw error(
                line.number, "an indented line continues \(key.rawValue), but this one reads as a key",
                "remove the indent")
        }
        sections[sections.count - 1].entries[key]?.append(text, line: line.number)
    }

    private mutating func openSection(_ text: ArraySlice<UInt8>, line: Int) throws(ConfigError) {
        guard let close = text.firstIndex(of: UInt8(ascii: "]")) else {
            throw error(line, "the section header has no ']'", "write [label]")
        }
        let rest = text[(close + 1)...].trimmingBlanks
        guard rest.isEmpty || rest.first == UInt8(ascii: "#") || rest.first == UInt8(ascii: ";") else {
            throw error(line, "text after the section header", "put '\(rest.text)' on a line of its own")
        }
        let name = text[(text.startIndex + 1)..<close].trimmingBlanks.text
        if name != "DEFAULT", name.uppercased() == "DEFAULT" {
            throw error(line, "'\(name)' is not a label name", "write [DEFAULT] for the section of defaults")
        }
        guard isLabelName(name) else {
            throw error(
                line, "'\(name)' is not a label name",
                "a label starts with a letter or digit, goes on with letters, digits, '.', '_' or '-', "
                    + "and has at most 63 characters")
        }
        if let earlier = lines.updateValue(line, forKey: name) {
            throw error(line, "[\(name)] is already in line \(earlier)", "remove or rename one of them")
        }
        sections.append(HostsSection(name: name, line: line))
        current = nil
    }

    private mutating func addEntry(_ text: ArraySlice<UInt8>, line: Int) throws(ConfigError) {
        guard let equals = text.firstIndex(of: UInt8(ascii: "=")) else {
            throw error(line, "neither a section nor KEY = value: '\(text.text)'", "indent a line that goes on")
        }
        let spelling = text[..<equals].trimmingBlanks.text
        guard let key = HostsKey(spelling: spelling) else {
            let names = HostsKey.allCases.map(\.rawValue)
            let nearest = nearestName(to: spelling, among: names)
            throw error(
                line, "unknown key '\(spelling)'",
                nearest.map { "did you mean \($0)?" } ?? "known keys: " + names.joined(separator: ", "))
        }
        guard let section = sections.last else {
            throw error(line, "\(key.rawValue) stands before the first section", "put it below [DEFAULT] or a [label]")
        }
        if let earlier = section.entries[key] {
            throw error(
                line, "\(key.rawValue) is already set in line \(earlier.line)", "remove one of the two lines")
        }
        let value = text[(equals + 1)...].trimmingBlanks.text
        sections[sections.count - 1].entries[key] = HostsEntry(key: key, value: value, line: line)
        current = key
    }

    private func isLabelName(_ name: String) -> Bool {
        guard let first = name.utf8.first, first.isASCIILetter || first.isASCIIDigit, name.utf8.count <= 63 else {
            return false
        }
        return name.utf8.allSatisfy { $0.isASCIILetter || $0.isASCIIDigit || "._-".utf8.contains($0) }
    }
}
