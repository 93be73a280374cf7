/// A definition file, read and checked: what is installed into a root.
///
/// The format is Apptainer's ("Definition Files" in its user guide, version 1.4). Nothing is run or looked up here.
public struct Recipe: Sendable, Equatable {
    /// What a reader should know of a recipe that is right.
    public struct Warning: Sendable, Equatable, CustomStringConvertible {
        /// The recipe's path, as it was given.
        public let file: String
        /// The line, counted from 1; nil where it is about no line.
        public let line: Int?
        /// What it is about, without a full stop.
        public let text: String

        /// `FILE:LINE: TEXT`.
        public var description: String { "\(file)\(line.map { ":\($0)" } ?? ""): \(text)" }
    }

    /// The file's path, as it was given; errors name it.
    public let path: String
    /// The stages, in the file's order; at least one.
    public let stages: [Stage]
    /// The names of the given build arguments that the recipe uses, sorted.
    public let usedArguments: [String]
    /// What is odd, and yet no error.
    public let warnings: [Warning]

    /// The stage that a build makes a root of: the last.
    public var built: Stage { stages[stages.count - 1] }

    /// The stages that a build needs, in the file's order: the last, and those that it copies from, and they in turn.
    public var needed: [Stage] {
        var wanted: Set<String> = []
        var needed: [Stage] = []
        for stage in stages.reversed() {
            guard needed.isEmpty || stage.name.map(wanted.contains) == true else { continue }
            needed.append(stage)
            wanted.formUnion(stage.allFiles.compactMap(\.stage))
        }
        return needed.reversed()
    }

    /// What a build of this recipe cannot do, in any of the stages that it needs.
    /// - Throws: `ConfigError` with the line of the first part that is not supported.
    public func checkBuildable() throws(ConfigError) {
        for stage in needed { try stage.checkBuildable() }
    }

    /// Reads and checks a recipe.
    ///
    /// - Parameters:
    ///   - bytes: the file's content; what is not a script must be UTF-8.
    ///   - path: the file's path, for errors.
    ///   - arguments: the build arguments, by name; they go before the defaults of `%arguments`.
    /// - Throws: `ConfigError` with the line of the first mistake.
    public init(bytes: [UInt8], path: String, arguments: [String: String] = [:]) throws(ConfigError) {
        if let nul = bytes.firstIndex(of: 0) {
            throw ConfigError(
                file: path, line: lineNumber(of: nul, in: bytes), problem: "the file is binary (it holds a NUL byte)",
                hint: "give a text file")
        }
        let start = bytes.starts(with: byteOrderMark) ? byteOrderMark.count : 0
        var stages: [Stage] = []
        var named: [String: Int] = [:]
        var used: Set<String> = []
        var warnings: [Warning] = []
        var cost = ExpansionCost()
        for piece in Self.pieces(of: bytes[start...]) {
            var expansion = ArgumentExpansion(piece: piece, path: path, given: arguments)
            let lines = try expansion.lines(&cost)
            used.formUnion(expansion.used)
            warnings += expansion.warnings
            guard let stage = try Stage(lines: lines, path: path, earlier: named) else { continue }
            if let name = stage.name {
                if let line = named[name] {
                    throw ConfigError(
                        file: path, line: stage.header[.stage]?.line ?? stage.line,
                        problem: "stage '\(name)' is already in line \(line)", hint: "give it another name")
                }
                named[name] = stage.line
            }
            stages.append(stage)
        }
        guard !stages.isEmpty else {
            throw ConfigError(file: path, problem: "the recipe is empty", hint: "begin with Bootstrap: debootstrap")
        }
        // As Apptainer's build.
        if stages.count > 1, let first = stages.first(where: { $0.header.isEmpty }) {
            throw ConfigError(
                file: path, line: first.line, problem: "a section above the first Bootstrap:",
                hint: "move it below, or give it a header of its own")
        }
        for name in arguments.keys.sorted() where !used.contains(name) {
            warnings.append(Warning(file: path, line: nil, text: "build argument \(name) is not used"))
        }
        self.path = path
        self.stages = stages
        self.usedArguments = used.intersection(arguments.keys).sorted()
        self.warnings = warnings
    }

    /// The text of each stage: as in Apptainer each line that begins with `Bootstrap:` begins one, also inside a script.
    private static func pieces(of text: ArraySlice<UInt8>) -> [StageText] {
        var pieces: [StageText] = []
        var begin = (offset: text.startIndex, line: 1)
        for line in SourceLine.lines(of: text) {
            guard line.bytes.prefix(10).lowercasedText == "bootstrap:", line.bytes.startIndex > begin.offset else {
                continue
            }
            pieces.append(StageText(bytes: text[begin.offset..<line.bytes.startIndex], firstLine: begin.line))
            begin = (line.bytes.startIndex, line.number)
        }
        pieces.append(StageText(bytes: text[begin.offset...], firstLine: begin.line))
        return pieces
    }
}

/// The bytes of one stage, and where they stand in the recipe.
struct StageText {
    let bytes: ArraySlice<UInt8>
    /// Counted from 1.
    let firstLine: Int
}
