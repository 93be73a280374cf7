/// The exit statuses of the command line, after `sysexits.h` where it has one.
public enum ExitStatus: Int32, Sendable {
    /// The work was tried and failed.
    case failed = 1
    /// The command line, the hosts file or the recipe is wrong (`EX_USAGE`).
    case usage = 64
    /// A tool or a service is missing (`EX_UNAVAILABLE`).
    case unavailable = 69
    /// Another run holds the lock (`EX_TEMPFAIL`).
    case locked = 75
    /// Ctrl-C; what was started has been undone.
    case interrupted = 130
}

/// An error that a user reads: `description` is one or two lines that name the thing, the place and the next step.
public protocol ReportableError: Error, CustomStringConvertible, Sendable {
    /// The exit status of a command that ends with this error.
    var exitStatus: ExitStatus { get }
}
