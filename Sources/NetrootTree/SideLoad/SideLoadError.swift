public import NetrootSystem

/// Why a side-load cannot be made, or is not joined to an image.
public enum SideLoadError: ReportableError, Equatable {
    /// A file that goes into it is not what it should be.
    case wrongFile(path: String, line: Int?, problem: String)
    /// Two of the options bring the same file.
    case twice(path: String)
    /// A host name that is none.
    case badHostname(name: String, problem: String)

    /// `.usage` for a host name, else `.failed`.
    public var exitStatus: ExitStatus {
        if case .badHostname = self { .usage } else { .failed }
    }

    /// One line: what, where, and what to do.
    public var description: String {
        switch self {
        case .wrongFile(let path, let line, let problem):
            "\(TerminalText.line(path)): \(line.map { "line \($0): " } ?? "")\(problem)"
        case .twice(let path):
            "/\(TerminalText.line(path)) comes from --tree and from another option; take it out of the tree"
        case .badHostname(let name, let problem): "--hostname '\(TerminalText.line(name))': \(problem)"
        }
    }
}
