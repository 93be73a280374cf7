public import NetrootSystem

/// Why an archive cannot be written or read.
public enum NewcError: ReportableError, Equatable {
    /// An entry that the format, or the kernel that unpacks it, cannot take.
    case badEntry(path: String, problem: String)
    /// A byte sequence that is not a newc archive, or not a whole one.
    case badArchive(name: String, offset: UInt64, problem: String)
    /// The archive goes beyond a bound that keeps the reader's memory and time in check.
    case tooLarge(name: String, problem: String)

    /// The exit status of a command that ends with this error.
    public var exitStatus: ExitStatus { .failed }

    /// One line: what, where and what to do next.
    public var description: String {
        switch self {
        case .badEntry(let path, let problem): "cannot put '\(path)' into an archive: \(problem)"
        case .badArchive(let name, let offset, let problem): "\(name): \(problem) at byte \(offset)"
        case .tooLarge(let name, let problem): "\(name): \(problem)"
        }
    }
}
