public import NetrootSystem

/// What is wrong in a hosts file or a recipe, where, and what to do about it.
public struct ConfigError: ReportableError, Equatable {
    /// The file's path, as it was given.
    public let file: String
    /// The line, counted from 1; nil where the file as a whole is wrong.
    public let line: Int?
    /// What is wrong, without a full stop.
    public let problem: String
    /// The next step, without a full stop; nil where the problem says it.
    public let hint: String?

    /// The values as they are named; nothing is checked yet.
    public init(file: String, line: Int? = nil, problem: String, hint: String? = nil) {
        self.file = file
        self.line = line
        self.problem = problem
        self.hint = hint
    }

    /// Always `.usage`: the text is wrong, nothing was tried.
    public var exitStatus: ExitStatus { .usage }

    /// `FILE:LINE: PROBLEM`, and the hint after a semicolon.
    public var description: String {
        let place = line.map { "\(file):\($0)" } ?? file
        return "\(place): \(problem)" + (hint.map { "; \($0)" } ?? "")
    }
}

/// A text as an error shows it: one line, and not a long one, whatever a file holds.
func excerpt(_ text: String) -> String {
    let short = text.unicodeScalars.prefix(64)
    let isWhole = short.endIndex == text.unicodeScalars.endIndex
    return TerminalText.line(String(short)) + (isWhole ? "" : "…")
}
