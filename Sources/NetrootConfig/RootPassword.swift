public import NetrootSystem

/// Root's password, as a file of `ROOTPW_FILE` or `--root-password-file` has it, or as netroot makes one.
///
/// A caller reads the file with `SecretFile`, which refuses what others can read.
public enum RootPassword: Sendable, Equatable {
    /// The password itself.
    case plain([UInt8])
    /// What somebody hashed already; the file has `hashed:` in front of it.
    case hashed(PasswordHash)

    /// The most bytes that such a file may have.
    public static let longestFile = 4096

    private static let mark = "hashed:"

    /// Reads the first line of such a file.
    /// - Parameter file: its path, for errors.
    /// - Throws: `ConfigError`; it never repeats what the file has.
    public init(text: [UInt8], file: String) throws(ConfigError) {
        let line = Array(text.prefix { $0 != UInt8(ascii: "\n") })
        func wrong(_ problem: String, _ hint: String) -> ConfigError {
            ConfigError(file: file, line: 1, problem: problem, hint: hint)
        }
        guard !line.isEmpty else {
            throw wrong("there is no password on the first line", "write one there, or hashed: and a hash of crypt(5)")
        }
        guard line.last != UInt8(ascii: "\r") else {
            throw wrong(
                "the line ends with a carriage return, which nobody types at a login",
                "save the file with line ends of Unix: sed -i 's/\\r$//' \(TerminalText.line(file))")
        }
        guard !line.starts(with: [0xEF, 0xBB, 0xBF]) else {
            throw wrong(
                "the file begins with a byte order mark, which nobody types at a login", "save it without one")
        }
        guard line.starts(with: Self.mark.utf8) else {
            guard !line.contains(0) else { throw wrong("there is a NUL in the password", "write another") }
            guard line.count <= PasswordHash.longestPassword else {
                throw wrong(
                    "the password has more than \(PasswordHash.longestPassword) bytes", "write a shorter one")
            }
            self = .plain(line)
            return
        }
        let hash = String(decoding: line.dropFirst(Self.mark.utf8.count), as: UTF8.self)
        do {
            self = .hashed(try PasswordHash(made: hash))
        } catch {
            throw ConfigError(file: file, line: 1, problem: "behind hashed: \(error)")
        }
    }

    /// A password that nobody guesses: twenty of 32 letters and digits that nobody confuses, which are 100 bits.
    public static func random() -> String {
        // Without l, o, 0 and 1.
        let letters = Array("abcdefghijkmnpqrstuvwxyz23456789")
        return (0..<4).map { _ in
            String((0..<5).map { _ in letters[Int.random(in: letters.indices)] })
        }.joined(separator: "-")
    }

    /// The hash, with a new salt where it is not made yet.
    /// - Throws: `PasswordHashError.unavailable`.
    public func hash() throws(PasswordHashError) -> PasswordHash {
        switch self {
        case .plain(let password): try PasswordHash(of: password)
        case .hashed(let hash): hash
        }
    }
}
