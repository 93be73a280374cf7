extension Recipe {
    /// A section that is a script or a text.
    public struct Script: Sendable, Equatable {
        /// What follows the section's name, such as `-c /bin/bash`, as it is written behind the first blank. Of a
        /// repeated section, the last that has a blank there.
        public internal(set) var arguments: String
        /// The lines below, byte for byte, each with a line feed at its end (a CRLF becomes one, as in Apptainer).
        /// A repeated section's text is appended.
        public internal(set) var bytes: [UInt8]
        /// The line of the recipe where the text begins.
        public let line: Int

        /// The bytes as text; what is not UTF-8 is replaced by U+FFFD.
        public var text: String { String(decoding: bytes, as: UTF8.self) }
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

    /// The `%files` sections with the same arguments.
    public struct Files: Sendable, Equatable {
        /// What follows the section's name, as it is written behind the first blank.
        public let arguments: String
        /// The earlier stage that is copied from; nil for the host.
        public let stage: String?
        /// The line of the first such section.
        public let line: Int
        /// The lines, in the recipe's order.
        public internal(set) var copies: [FileCopy]
    }

    /// A line of `%labels`.
    public struct ImageLabel: Sendable, Equatable {
        /// The first word.
        public let name: String
        /// The rest of the line; may be empty.
        public let value: String
    }

    /// A section of a SCIF app, such as `%appinstall foo`.
    public struct AppSection: Sendable, Equatable {
        /// The section's name: `appinstall`.
        public let section: String
        /// The app's name.
        public let app: String
        /// Its text.
        public internal(set) var script: Script
    }

    /// One stage of a recipe: a header, and the sections below it.
    public struct Stage: Sendable, Equatable {
        /// The recipe's path, as it was given.
        public let path: String
        /// The line where it begins.
        public let line: Int
        /// What stands above the sections; empty in a file without a header.
        public let header: RecipeHeader
        /// The sections that are scripts or texts, `%labels` among them.
        public let scripts: [RecipeSection: Script]
        /// `%files`, one element for each spelling of the arguments.
        public let allFiles: [Files]
        /// `%labels`, in the recipe's order; a label that is repeated has its last value, at its first place.
        public let labels: [ImageLabel]
        /// The sections of SCIF apps, in the recipe's order.
        public let appSections: [AppSection]
        /// The apps, in the order in which they appear.
        public let appOrder: [String]

        /// `Stage:`; nil where the stage has no name.
        public var name: String? { header[.stage].flatMap { $0.value.isEmpty ? nil : $0.value } }
        /// `Bootstrap:`, in lower case; nil in a stage without a header.
        public var agentName: String? { header[.bootstrap]?.value.lowercased() }
        /// What is copied from the host.
        public var files: [FileCopy] { allFiles.filter { $0.stage == nil }.flatMap(\.copies) }
        /// `%pre`: runs on the host, before the base system is installed.
        public var pre: Script? { scripts[.pre] }
        /// `%setup`: runs on the host, after the base system is installed.
        public var setup: Script? { scripts[.setup] }
        /// `%post`: runs inside the root.
        public var post: Script? { scripts[.post] }
        /// `%test`: runs inside the root when all is done; its failure is the build's.
        public var test: Script? { scripts[.test] }
        /// `%environment`: variables for who uses the root.
        public var environment: Script? { scripts[.environment] }
        public var help: Script? { scripts[.help] }
    }
}

extension Recipe.Stage {
    /// Reads the lines of one stage.
    ///
    /// - Parameter earlier: the stages above, by name, with their lines.
    /// - Returns: nil where there is nothing but blanks, comments and empty sections.
    init?(lines: [SourceLine], path: String, earlier: [String: Int]) throws(ConfigError) {
        let headerEnd = lines.firstIndex { $0.trimmed.first == UInt8(ascii: "%") } ?? lines.endIndex
        let header = try RecipeHeader(lines: lines[..<headerEnd], path: path)
        var sections = RecipeSections(path: path, stage: header[.stage]?.value, earlier: earlier)
        try sections.read(lines[headerEnd...])
        if header.isEmpty, sections.isEmpty { return nil }
        try header.check()
        self.path = path
        self.line = header.line ?? lines[headerEnd].number
        self.header = header
        self.scripts = sections.scripts
        self.allFiles = sections.files
        self.labels = sections.labels
        self.appSections = sections.apps
        self.appOrder = sections.appOrder
    }

    /// The agent that `Bootstrap:` names, with its keywords checked.
    /// - Throws: `ConfigError` where it is none that netroot can build with.
    public func agent() throws(ConfigError) -> AgentHeader { try header.agent() }

    /// What a build of this stage cannot do.
    /// - Throws: `ConfigError` with the line of the first part that is not supported.
    public func checkBuildable() throws(ConfigError) {
        _ = try agent()
        for section in RecipeSection.run { _ = try interpreter(section) }
    }

    /// The sections that a build of this stage leaves alone, as the recipe names them: what runs a container, SCIF apps.
    public var ignoredSections: [String] {
        [RecipeSection.runscript, .startscript].filter { scripts[$0] != nil }.map { "%\($0.rawValue)" }
            + appSections.map { "%\($0.section) \($0.app)" }
    }

    /// The program and options that run a section; the script's path is to be appended.
    ///
    /// `/bin/sh -ex` and the section's arguments, or what follows `-c` in them. Apptainer runs the latter as
    /// `/bin/sh -ex -c "REST SCRIPT"`; a REST that needs no shell is run itself.
    /// - Throws: `ConfigError` where it names nothing, or a quote has no partner.
    public func interpreter(_ section: RecipeSection) throws(ConfigError) -> [String] {
        guard let script = scripts[section] else { return ["/bin/sh", "-ex"] }
        // A comment behind a section's name is dropped, as Apptainer does before it runs the section.
        let words = script.arguments.prefix { $0 != "#" }.description.blankSeparatedWords
        guard let option = words.firstIndex(of: "-c") else { return ["/bin/sh", "-ex"] + words }
        let rest = words[(option + 1)...].joined(separator: " ")
        let line = script.line - 1
        guard !rest.isEmpty else {
            throw ConfigError(
                file: path, line: line, problem: "%\(section.rawValue) -c names no program",
                hint: "such as %\(section.rawValue) -c /bin/bash")
        }
        // The recipe's own line of shell, with the script's path as its last word.
        if rest.contains(where: { "$`|&;<>()*?[]~{}".contains($0) }) { return ["/bin/sh", "-ec", rest + " \"$0\""] }
        do {
            return try shellWords(rest)
        } catch {
            throw ConfigError(
                file: path, line: line, problem: "a quote or backslash after -c has no partner: '\(excerpt(rest))'",
                hint: "close the quote")
        }
    }
}
