/// A definition file of one stage, read and checked: what is installed into a root.
///
/// The format is Apptainer's ("Definition Files" in its user guide, version 1.4). What netroot does not support yet
/// is an error, never left out.
public struct Recipe: Sendable, Equatable {
    /// A section that is a script or a text.
    public struct Script: Sendable, Equatable {
        /// What follows the section's name, such as `-c /bin/bash`; without blanks around it. Of a repeated section,
        /// the last that has any.
        public internal(set) var arguments: String
        /// The lines below, byte for byte, each with a line feed at its end (a CRLF becomes one, as in Apptainer).
        /// A repeated section's text is appended.
        public internal(set) var text: String
        /// The line of the recipe where the text begins.
        public let line: Int
        /// The program and options that run the script; its path is to be appended. `/bin/sh -ex` and the section's
        /// arguments, or what follows `-c` in them.
        public internal(set) var interpreter: [String]
    }

    /// A line of `%files`.
    public struct FileCopy: Sendable, Equatable {
        /// What is copied, as the recipe writes it: relative to the recipe's directory, and perhaps a glob pattern.
        public let source: String
        /// Where to, inside the root; nil means the same path as the source.
        public let destination: String?
        /// The line in the recipe.
        public let line: Int
    }

    /// A line of `%labels`.
    public struct ImageLabel: Sendable, Equatable {
        /// The first word.
        public let name: String
        /// The rest of the line; may be empty.
        public let value: String
    }

    /// The file's path, as it was given; errors name it.
    public let path: String
    /// What installs the base system, with its header keywords.
    public let agent: BootstrapAgent
    /// `%setup`: runs on the host, after the base system is installed.
    public let setup: Script?
    /// `%files`: copied from the host into the root.
    public let files: [FileCopy]
    /// `%post`: runs inside the root.
    public let post: Script?
    /// `%test`: runs inside the root when all is done; its failure is the build's.
    public let test: Script?
    /// `%environment`: variables for who uses the root.
    public let environment: Script?
    /// `%labels`, in the recipe's order; a label that is repeated has its last value, at its first place.
    public let labels: [ImageLabel]
    /// `%help`.
    public let help: Script?

    /// Reads and checks a recipe.
    ///
    /// - Parameters:
    ///   - bytes: the file's content.
    ///   - path: the file's path, for errors.
    /// - Throws: `ConfigError` with the line of the first mistake.
    public init(bytes: [UInt8], path: String) throws(ConfigError) {
        let text = try checkedText(bytes, path: path)
        guard text.contains(where: { !$0.isBlank && $0 != UInt8(ascii: "\n") }) else {
            throw ConfigError(file: path, problem: "the recipe is empty", hint: "begin with Bootstrap: debootstrap")
        }
        let lines = SourceLine.lines(of: text)
        let headerEnd = lines.firstIndex { $0.trimmed.first == UInt8(ascii: "%") } ?? lines.endIndex
        let header = try RecipeHeader(lines: lines[..<headerEnd], path: path)
        var sections = RecipeSections(path: path)
        try sections.read(lines[headerEnd...])
        try rejectBuildArguments(text, path: path)
        self.agent = try header.agent()
        self.path = path
        self.setup = sections.scripts[.setup]
        self.files = sections.files
        self.post = sections.scripts[.post]
        self.test = sections.scripts[.test]
        self.environment = sections.scripts[.environment]
        self.labels = sections.labels
        self.help = sections.scripts[.help]
    }
}

/// Finds `{{ NAME }}`, which Apptainer replaces anywhere in the file, comments included.
private func rejectBuildArguments(_ text: [UInt8], path: String) throws(ConfigError) {
    var line = 1
    var index = 0
    func skip(_ matches: (UInt8) -> Bool) { while index < text.count, matches(text[index]) { index += 1 } }
    while index < text.count {
        if text[index] == UInt8(ascii: "\n") { line += 1 }
        guard text[index...].prefix(2).elementsEqual("{{".utf8) else {
            index += 1
            continue
        }
        skip { $0 == UInt8(ascii: "{") }
        skip(\.isBlank)
        let start = index
        skip { $0.isASCIILetter || $0.isASCIIDigit || $0 == UInt8(ascii: "_") }
        let name = text[start..<index]
        skip(\.isBlank)
        if !name.isEmpty, text[index...].prefix(2).elementsEqual("}}".utf8) {
            throw ConfigError(
                file: path, line: line, problem: "build argument {{ \(name.text) }} is not supported yet",
                hint: "write its value")
        }
    }
}
