/// The sections of a recipe that are not a SCIF app's.
public enum RecipeSection: String, CaseIterable, Sendable {
    case arguments, pre, setup, files, environment, post, test, labels, help, runscript, startscript

    /// Those that a build runs, in its order.
    public static let run: [RecipeSection] = [.pre, .setup, .post, .test]

    /// The sections of SCIF apps; each is followed by the app's name.
    static let ofApps = [
        "appinstall", "applabels", "appfiles", "appenv", "apptest", "apphelp", "apprun", "appstart",
    ]
}

/// Reads what stands below a stage's header.
struct RecipeSections {
    private let path: String
    /// The stage's own name, which it cannot copy from.
    private let stage: String?
    private let earlier: [String: Int]
    private(set) var scripts: [RecipeSection: Recipe.Script] = [:]
    private(set) var files: [Recipe.Files] = []
    private(set) var labels: [Recipe.ImageLabel] = []
    private(set) var apps: [Recipe.AppSection] = []
    private(set) var appOrder: [String] = []
    // Where the names above are in the arrays: a recipe may have many thousands.
    private var filesIndex: [String: Int] = [:]
    private var labelIndex: [String: Int] = [:]
    private var appIndex: [String: Int] = [:]
    private var knownApps: Set<String> = []

    init(path: String, stage: String?, earlier: [String: Int]) {
        self.path = path
        self.stage = stage
        self.earlier = earlier
    }

    /// There is nothing in the sections.
    var isEmpty: Bool {
        files.isEmpty && apps.isEmpty && scripts.values.allSatisfy { $0.bytes.isEmpty && $0.arguments.isEmpty }
    }

    private enum Target {
        case script(RecipeSection)
        case files(Int)
        case app(Int)
    }

    private func error(_ line: Int, _ problem: String, _ hint: String? = nil) -> ConfigError {
        ConfigError(file: path, line: line, problem: problem, hint: hint)
    }

    /// Reads sections; the first line begins one.
    mutating func read(_ lines: ArraySlice<SourceLine>) throws(ConfigError) {
        var target: Target?
        for line in lines {
            if line.trimmed.first == UInt8(ascii: "%") {
                target = try open(line)
                continue
            }
            switch target {
            case .files(let index):
                if let copy = try RecipeFileLine.copy(line, path: path) { files[index].copies.append(copy) }
            case .script(let section):
                if section == .labels { try addLabel(line) }
                scripts[section]?.bytes += line.bytes
                scripts[section]?.bytes.append(UInt8(ascii: "\n"))
            case .app(let index):
                apps[index].script.bytes += line.bytes
                apps[index].script.bytes.append(UInt8(ascii: "\n"))
            case nil: break
            }
        }
        // A section that a build runs and that names no program is wrong for whoever reads it.
        for section in RecipeSection.run {
            guard let script = scripts[section] else { continue }
            let words = script.arguments.prefix { $0 != "#" }.description.blankSeparatedWords
            if words.last == "-c", words.firstIndex(of: "-c") == words.count - 1 {
                throw error(
                    script.line - 1, "%\(section.rawValue) -c names no program",
                    "such as %\(section.rawValue) -c /bin/bash")
            }
        }
    }

    /// Opens the section of a line that begins with `%`.
    private mutating func open(_ line: SourceLine) throws(ConfigError) -> Target {
        guard String(validating: line.bytes, as: UTF8.self) != nil else {
            throw error(line.number, "the line of a section's name is not UTF-8 text", "save it as UTF-8")
        }
        let header = line.bytes.drop(while: \.isBlank).drop { $0 == UInt8(ascii: "%") }
        let name = header.prefix { !$0.isBlank }
        let lowered = name.text.lowercased()
        // nil where nothing at all follows: such a line does not take away the arguments of an earlier one.
        let arguments = name.endIndex < header.endIndex ? header[(name.endIndex + 1)...].text : nil
        let isApp = RecipeSection.ofApps.contains(lowered)
        let section = RecipeSection(rawValue: lowered)
        guard isApp || section != nil else { throw unknown(line: line.number, name: name.text) }
        guard line.bytes.first == UInt8(ascii: "%") else {
            throw error(line.number, "section %\(lowered) is indented", "remove the indent")
        }
        if isApp { return try openApp(lowered, arguments: arguments ?? "", line: line.number) }
        switch section {
        case .files: return try openFiles(arguments ?? "", line: line.number)
        case let section?:
            if scripts[section] == nil {
                scripts[section] = Recipe.Script(arguments: arguments ?? "", bytes: [], line: line.number + 1)
            } else if let arguments {
                scripts[section]?.arguments = arguments
            }
            return .script(section)
        case nil: throw unknown(line: line.number, name: name.text)
        }
    }

    private func unknown(line: Int, name: String) -> ConfigError {
        let all = RecipeSection.allCases.map(\.rawValue) + RecipeSection.ofApps
        return error(
            line, "unknown section '%\(excerpt(name))'",
            nearestName(to: name, among: all).map { "did you mean %\($0)?" }
                ?? "every line that begins with '%' begins a section; there are %"
                + all.joined(separator: ", %"))
    }

    private mutating func openFiles(_ arguments: String, line: Int) throws(ConfigError) -> Target {
        if let index = filesIndex[arguments] { return .files(index) }
        let words = arguments.prefix { $0 != "#" }.description.blankSeparatedWords
        var from: String?
        if !words.isEmpty {
            guard words[0].lowercased() == "from", words.count == 2 else {
                throw error(
                    line, "%files takes no arguments but 'from STAGE': '\(excerpt(words.joined(separator: " ")))'",
                    "remove them, or write %files from STAGE")
            }
            let name = words[1]
            guard earlier[name] != nil else { throw noStage(name, line: line) }
            from = name
        }
        filesIndex[arguments] = files.count
        files.append(Recipe.Files(arguments: arguments, stage: from, line: line, copies: []))
        return .files(files.count - 1)
    }

    private func noStage(_ name: String, line: Int) -> ConfigError {
        let shown = excerpt(name)
        if name == stage {
            return error(line, "stage '\(shown)' cannot copy from itself", "name an earlier stage")
        }
        let nearest = nearestName(to: name, among: earlier.keys.sorted().prefix(1000))
        return error(
            line, "no stage '\(shown)' above this one",
            nearest.map { "did you mean '\($0)'?" } ?? "an earlier stage needs Stage: \(shown)")
    }

    private mutating func openApp(_ section: String, arguments: String, line: Int) throws(ConfigError) -> Target {
        // As in Apptainer what follows the app's name is not read.
        guard let app = arguments.blankSeparatedWords.first, !app.hasPrefix("#") else {
            throw error(line, "%\(section) names no app", "such as %\(section) foo")
        }
        if knownApps.insert(app).inserted { appOrder.append(app) }
        let key = "\(section) \(app)"
        if let index = appIndex[key] { return .app(index) }
        appIndex[key] = apps.count
        apps.append(
            Recipe.AppSection(
                section: section, app: app,
                script: Recipe.Script(arguments: arguments, bytes: [], line: line + 1)))
        return .app(apps.count - 1)
    }

    private mutating func addLabel(_ line: SourceLine) throws(ConfigError) {
        let text = line.trimmed
        guard let first = text.first, first != UInt8(ascii: "#") else { return }
        guard String(validating: text, as: UTF8.self) != nil else {
            throw error(line.number, "a label is not UTF-8 text", "save it as UTF-8")
        }
        let name = text.prefix { !$0.isBlank }
        let label = Recipe.ImageLabel(name: name.text, value: text[name.endIndex...].trimmingBlanks.text)
        if let index = labelIndex[label.name] {
            labels[index] = label
        } else {
            labelIndex[label.name] = labels.count
            labels.append(label)
        }
    }
}

/// A line of `%files`: `SOURCE [DESTINATION]`, either in single or double quotes; a word that begins with `#` begins a
/// comment.
enum RecipeFileLine {
    /// What the line says; nil where it says nothing.
    static func copy(_ line: SourceLine, path: String) throws(ConfigError) -> Recipe.FileCopy? {
        func error(_ problem: String, _ hint: String) -> ConfigError {
            ConfigError(file: path, line: line.number, problem: problem, hint: hint)
        }
        let text = line.trimmed
        guard let first = text.first, first != UInt8(ascii: "#") else { return nil }
        guard String(validating: text, as: UTF8.self) != nil else {
            throw error("the line is not UTF-8 text", "copy such a name with %setup")
        }
        var words: [ArraySlice<UInt8>] = []
        var count = 0
        var index = text.startIndex
        while index < text.endIndex {
            if text[index].isBlank {
                index += 1
                continue
            }
            if text[index] == UInt8(ascii: "#") { break }
            var word: ArraySlice<UInt8>
            if text[index] == UInt8(ascii: "\"") || text[index] == UInt8(ascii: "'") {
                guard let end = text[(index + 1)...].firstIndex(of: text[index]) else {
                    throw error("a quote has no partner", "close it")
                }
                word = text[(index + 1)..<end]
                index = end + 1
                guard index == text.endIndex || text[index].isBlank else {
                    throw error("a quote ends in the middle of a name", "put the whole name in quotes")
                }
            } else {
                word = text[index...].prefix { !$0.isBlank }
                index = word.endIndex
                guard !word.contains(UInt8(ascii: "\"")), !word.contains(UInt8(ascii: "'")) else {
                    throw error("a quote in the middle of a name", "put the whole name in quotes")
                }
            }
            count += 1
            if count <= 2 { words.append(word) }
        }
        guard count <= 2 else {
            throw error(
                "%files takes a source and a destination, here are \(count) words",
                "put a name with blanks in quotes")
        }
        guard words.allSatisfy({ !$0.isEmpty }) else { throw error("an empty name", "remove the quotes") }
        return Recipe.FileCopy(
            source: words[0].text, destination: words.count == 2 ? words[1].text : nil, line: line.number)
    }
}
