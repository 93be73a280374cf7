public import NetrootSystem

/// Why a configuration that netroot shares with its owner cannot be changed.
public enum SharedConfigError: ReportableError, Equatable {
    /// A marker without its partner, or a section that is named twice; line counted from 1.
    case brokenMarkers(file: String, line: Int, problem: String)
    /// An entry of the same name that netroot did not write.
    case foreignEntry(file: String, entry: String, line: Int)
    /// A value that the syntax cannot hold.
    case badValue(file: String, what: String, value: String)
    /// The kernel command line is too long with what the boot loader adds to it.
    case tooLong(file: String, entry: String, bytes: Int)

    /// The exit status of a command that ends with this error.
    public var exitStatus: ExitStatus { .failed }

    /// One line: what, where and what to do next.
    public var description: String {
        switch self {
        case .brokenMarkers(let file, let line, let problem):
            "\(file):\(line): \(problem); repair or remove netroot's marker comments"
        case .foreignEntry(let file, let entry, let line):
            "\(file):\(line): the entry \(entry) is not netroot's; rename or remove it"
        case .badValue(let file, let what, let value):
            "\(file) cannot hold '\(value)' as a \(what)"
        case .tooLong(let file, let entry, let bytes):
            "\(file): the kernel command line of \(entry) has \(bytes) bytes with what the boot loader adds, "
                + "\(KernelCommandLine.limit) is the most; shorten EXTRA_CMDLINE"
        }
    }
}
