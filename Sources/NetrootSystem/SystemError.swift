import Glibc
import SystemPackage

/// A system call that failed on a path.
public struct SystemError: ReportableError, Equatable {
    /// What was tried: a verb that fits "cannot VERB PATH".
    public let operation: String
    /// The path it was tried on.
    public let path: String
    /// `errno(3)`.
    public let code: Int32

    /// An error of `code`; read `errno` before another call changes it.
    public init(_ operation: String, _ path: String, code: Int32) {
        self.operation = operation
        self.path = path
        self.code = code
    }

    /// Always `.failed`.
    public var exitStatus: ExitStatus { .failed }

    /// One line: the operation, the path, the system's own words, and advice where there is any.
    public var description: String {
        "cannot \(TerminalText.line(operation)) \(TerminalText.line(path)): \(String(cString: strerror(code)))"
            + (advice.map { "; \($0)" } ?? "")
    }

    /// Whether the disk is full (`ENOSPC`) or the user's quota is used up (`EDQUOT`).
    public var isDiskFull: Bool { code == ENOSPC || code == EDQUOT }

    private var advice: String? {
        switch code {
        case EACCES, EPERM: geteuid() == 0 ? nil : "run netroot as root, or give the user access to it"
        case ENOSPC: "free space there"
        case ENOTSUP: "its filesystem does not support it; use another one, such as ext4"
        case EROFS: "the filesystem is mounted read-only"
        default: nil
        }
    }

    /// Runs `body` and turns swift-system's `Errno` into a `SystemError`.
    public static func wrap<R>(_ operation: String, _ path: String, _ body: () throws -> R) throws -> R {
        do {
            return try body()
        } catch let errno as Errno {
            throw SystemError(operation, path, code: errno.rawValue)
        }
    }

    /// Throws where a call of the C library returned -1.
    @discardableResult
    public static func check(_ operation: String, _ path: String, _ result: Int32) throws -> Int32 {
        guard result != -1 else { throw SystemError(operation, path, code: errno) }
        return result
    }
}
