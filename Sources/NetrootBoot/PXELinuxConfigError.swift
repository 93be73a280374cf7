public import NetrootSystem

/// Why a PXELINUX configuration cannot be changed.
public enum PXELinuxConfigError: ReportableError, Equatable {
    /// A marker without its partner, or a section that is there twice; line counted from 1.
    case brokenMarkers(line: Int, problem: String)
    /// An entry of the same name that netroot did not write.
    case foreignLabel(label: String, line: Int)
    /// A value that the syntax cannot hold.
    case badValue(what: String, value: String)
    /// The kernel command line is too long with what PXELINUX adds to it.
    case tooLong(label: String, bytes: Int)

    /// The exit status of a command that ends with this error.
    public var exitStatus: ExitStatus { .failed }

    /// One line: what, where and what to do next.
    public var description: String {
        switch self {
        case .brokenMarkers(let line, let problem):
            "pxelinux.cfg/default:\(line): \(problem); repair or remove netroot's marker comments"
        case .foreignLabel(let label, let line):
            "pxelinux.cfg/default:\(line): LABEL \(label) is not netroot's; rename or remove it"
        case .badValue(let what, let value):
            "pxelinux.cfg/default cannot hold '\(value)' as a \(what)"
        case .tooLong(let label, let bytes):
            "the kernel command line of \(label) has \(bytes) bytes with what PXELINUX adds, "
                + "\(KernelCommandLine.limit) is the most; shorten EXTRA_CMDLINE"
        }
    }
}
