import Glibc
import SystemPackage

/// A file with a secret, which is refused where others than its owner could read it.
public enum SecretFile {
    /// The whole file.
    /// - Parameter limit: the most bytes that it may have.
    /// - Throws: `SecretFileError`, `FileKindError`, `SystemError`.
    public static func read(_ path: String, limit: Int) throws -> [UInt8] {
        let file = try SystemError.wrap("read", path) {
            try FileDescriptor.open(FilePath(path), .readOnly, options: [.closeOnExec, .nonBlocking])
        }
        defer { close(file.rawValue) }
        let size = try FileKindError.requireRegular(file.rawValue, path)
        var status = stat()
        try SystemError.check("read", path, fstat(file.rawValue, &status))
        guard status.st_mode & 0o077 == 0 else {
            throw SecretFileError.readable(path: path, mode: UInt32(status.st_mode) & 0o777)
        }
        guard Self.callers().contains(status.st_uid) else {
            throw SecretFileError.foreign(path: path, owner: status.st_uid)
        }
        guard size <= limit else { throw SecretFileError.tooLong(path: path, limit: limit) }
        return try SystemError.wrap("read", path) { try Files.read(file, limit: limit) }
    }

    /// Whose file it may be: the caller's, root's, and that of who became root by sudo(8).
    private static func callers() -> Set<uid_t> {
        var users: Set<uid_t> = [0, geteuid()]
        if geteuid() == 0, let user = getenv("SUDO_UID").flatMap({ uid_t(String(cString: $0)) }) { users.insert(user) }
        return users
    }
}

/// Why a file with a secret is not taken.
public enum SecretFileError: ReportableError, Equatable {
    /// Its mode lets others read or change it.
    case readable(path: String, mode: UInt32)
    /// It belongs to another user, who knows what is in it and can change it.
    case foreign(path: String, owner: UInt32)
    /// It is longer than any such secret.
    case tooLong(path: String, limit: Int)

    /// Always `.usage`.
    public var exitStatus: ExitStatus { .usage }

    /// One line: what, where, and the command that corrects it.
    public var description: String {
        switch self {
        case .readable(let path, let mode):
            let octal = String(mode, radix: 8)
            return "\(TerminalText.line(path)) has mode \(String(repeating: "0", count: 4 - octal.count))\(octal), "
                + "so that others could read the password; chmod 600 \(TerminalText.line(path))"
        case .foreign(let path, let owner):
            return "\(TerminalText.line(path)) belongs to user \(owner), who could change the password; "
                + "chown \(geteuid()) \(TerminalText.line(path))"
        case .tooLong(let path, let limit):
            return "\(TerminalText.line(path)) has more than \(limit) bytes; give the password alone on its first line"
        }
    }
}
