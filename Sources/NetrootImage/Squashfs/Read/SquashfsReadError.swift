public import NetrootSystem

/// Why a squashfs image, or something in it, cannot be read.
public enum SquashfsReadError: ReportableError, Equatable {
    /// It begins with something else; `looks` says what.
    case foreign(path: String, looks: String)
    /// A squashfs that this reader, or the kernel's, does not read.
    case unsupported(path: String, problem: String)
    /// The file ends before the image does; both in bytes.
    case truncated(path: String, bytes: UInt64, expected: UInt64)
    /// Contradictions or damage; `place` is a table, or a path in the image.
    case corrupt(path: String, place: String, problem: String)
    /// The operating system's error.
    case system(SystemError)

    /// Always `.failed`: the arguments are right, the file is not.
    public var exitStatus: ExitStatus { .failed }

    /// One line: which image, where in it, what is wrong, what to do.
    public var description: String {
        switch self {
        case .foreign(let path, let looks): "\(path) is not a squashfs image: it is \(looks)"
        case .unsupported(let path, let problem): "\(path): \(problem); pack it again: netroot pack TREE IMAGE"
        case .truncated(let path, let bytes, let expected):
            "\(path) is cut off: \(bytes) bytes of \(expected); copy or build it again"
        case .corrupt(let path, let place, let problem):
            "\(path) is corrupt: \(TerminalText.line(place)): \(TerminalText.line(problem)); copy or build it again"
        case .system(let error): error.description
        }
    }
}
