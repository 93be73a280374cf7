/// The sections that netroot reads.
enum RecipeSection: String, CaseIterable {
    case setup, files, post, test, environment, labels, help

    /// Sections of Apptainer that netroot does not read yet: the rest of the build, what runs a container, SCIF apps.
    static let unsupported = [
        "pre", "arguments", "runscript", "startscript", "appinstall", "applabels", "appfiles", "appenv", "apptest",
        "apphelp", "apprun", "appstart",
    ]
}

/// Reads what stands below a recipe's header.
struct RecipeSections {
    /// The recipe's path, for errors.
    let path: String
    private(set) var scripts: [RecipeSection: Recipe.Script] = [:]
    private(set) var files: [Recipe.FileCopy] = []
    private(set) var labels: [Recipe.ImageLabel] = []

    init(path: String) { self.path = path }

    private func error(_ line: Int, _ problem: String, _ hint: String? = nil) -> ConfigError {
        ConfigError(file: path, line: line, problem: problem, hint: hint)
    }

    /// Reads sections; the first line begins one.
    mutating func read(_ lines: ArraySlice<SourceLine>) throws(ConfigError) {
        var current: RecipeSection?
        for line in lines {
            if line.trimmed.first == UInt8(ascii: "%") {
                current = try open(line)
                continue
            }
            // Apptainer cuts a file into stages at every such line, also inside a script.
            if String(decoding: line.bytes.prefix(10), as: UTF8.self).lowercased() == "bootstrap:" {
                throw error(
                    line.number, "a second Bootstrap: (several stages) is not supported yet", "keep one stage a file")
            }
            switch current {
            case .files: try addFile(line)
            case .labels: addLabel(line)
            case let section?: scripts[section]?.text += line.bytes.text + "\n"
            case nil: break
            }
        }
    }

    /// Opens the section of a line that begins with `%`.
    private mutating func open(_ line: SourceLine) throws(ConfigError) -> RecipeSection {
        let header = line.trimmed.drop { $0 == UInt8(ascii: "%") }
        let name = header.prefix { !$0.isBlank }
        let arguments = header[name.endIndex...].trimmingBlanks.text
        let lowered = name.text.lowercased()
        guard let section = RecipeSection(rawValue: lowered) else {
            if RecipeSection.unsupported.contains(lowered) {
                throw error(line.number, "section %\(lowered) is not supported yet", "remove the section")
            }
            let all = RecipeSection.allCases.map(\.rawValue) + RecipeSection.unsupported
            throw error(
                line.number, "unknown section '%\(name.text)'",
                nearestName(to: lowered, among: all).map { "did you mean %\($0)?" }
                    ?? "every line that begins with '%' begins a section; there are %"
                    + RecipeSection.allCases.map(\.rawValue).joined(separator: ", %"))
        }
        guard line.bytes.first == UInt8(ascii: "%") else {
            throw error(line.number, "section %\(lowered) is indented", "remove the indent")
        }
        // A comment behind a section's name is dropped, as Apptainer does before it runs the section.
        let effective = Array(arguments.utf8).prefix { $0 != UInt8(ascii: "#") }.trimmingBlanks.text
        switch section {
        case .files where effective.blankSeparatedWords.first?.lowercased() == "from":
            throw error(line.number, "%files from a stage is not supported yet", "keep one stage a file")
        case .files, .labels:
            guard effective.isEmpty else {
                throw error(line.number, "%\(lowered) takes no arguments: '\(effective)'", "remove them")
            }
        case .setup, .post, .test, .environment, .help:
            try openScript(section, arguments: arguments, effective: effective, line: line.number)
        }
        return section
    }

    private mutating func openScript(
        _ section: RecipeSection, arguments: String, effective: String, line: Int
    ) throws(ConfigError) {
        let interpreter = try interpreter(effective, section: section, line: line)
        if scripts[section] == nil {
            scripts[section] = Recipe.Script(arguments: arguments, text: "", line: line + 1, interpreter: interpreter)
        } else if !arguments.isEmpty {
            scripts[section]?.arguments = arguments
            scripts[section]?.interpreter = interpreter
        }
    }

    /// Apptainer runs `/bin/sh -ex ARGUMENTS SCRIPT`, and `/bin/sh -ex -c "REST SCRIPT"` where the arguments hold `-c`;
    /// the latter is the same as running REST itself as long as REST needs no shell.
    private func interpreter(
        _ arguments: String, section: RecipeSection, line: Int
    ) throws(ConfigError) -> [String] {
        let words = arguments.blankSeparatedWords
        guard let option = words.firstIndex(of: "-c") else { return ["/bin/sh", "-ex"] + words }
        let rest = words[(option + 1)...].joined(separator: " ")
        guard !rest.isEmpty else {
            throw error(line, "%\(section.rawValue) -c names no program", "such as %\(section.rawValue) -c /bin/bash")
        }
        guard !rest.contains(where: { "$`|&;<>()*?[]~{}".contains($0) }) else {
            throw error(line, "a shell expression after -c is not supported yet: '\(rest)'", "name a program")
        }
        do {
            return try shellWords(rest)
        } catch {
            throw self.error(line, "a quote or backslash after -c has no partner: '\(rest)'", "close the quote")
        }
    }

    /// `SOURCE [DESTINATION]`, either in single or double quotes; a `#` at the start makes a comment.
    private mutating func addFile(_ line: SourceLine) throws(ConfigError) {
        let text = line.trimmed
        guard let first = text.first, first != UInt8(ascii: "#") else { return }
        var words: [[UInt8]] = []
        var quote: UInt8?
        var inWord = false
        for byte in text {
            if let open = quote {
                if byte == open { quote = nil } else { words[words.count - 1].append(byte) }
                continue
            }
            if byte.isBlank {
                inWord = false
                continue
            }
            if !inWord { words.append([]) }
            inWord = true
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
                quote = byte
            } else {
                words[words.count - 1].append(byte)
            }
        }
        guard quote == nil else { throw error(line.number, "a quote has no partner", "close it") }
        guard words.count <= 2 else {
            throw error(
                line.number, "%files takes a source and a destination, here are \(words.count) words",
                "put a name with blanks in quotes")
        }
        guard words.allSatisfy({ !$0.isEmpty }) else { throw error(line.number, "an empty name", "remove the quotes") }
        files.append(
            Recipe.FileCopy(
                source: words[0][...].text, destination: words.count == 2 ? words[1][...].text : nil,
                line: line.number))
    }

    private mutating func addLabel(_ line: SourceLine) {
        let text = line.trimmed
        guard let first = text.first, first != UInt8(ascii: "#") else { return }
        let name = text.prefix { !$0.isBlank }
        let label = Recipe.ImageLabel(name: name.text, value: text[name.endIndex...].trimmingBlanks.text)
        if let index = labels.firstIndex(where: { $0.name == label.name }) {
            labels[index] = label
        } else {
            labels.append(label)
        }
    }
}
