import CXCrypt
import Glibc

/// A password as shadow(5) keeps it: the output of crypt(3), which says by what method and with what salt it was made.
public struct PasswordHash: Sendable, Equatable {
    /// As crypt(5) has it: `$y$j9T$SALT$HASH`.
    public let text: String

    /// The most bytes that crypt(3) takes of a password.
    public static let longestPassword = 512

    /// Hashes a password with a new salt: by yescrypt, or by SHA-512 where crypt(3) knows no yescrypt.
    /// - Parameter password: without a NUL; as long as crypt(3) takes it.
    /// - Throws: `PasswordHashError.unavailable`.
    public init(of password: [UInt8]) throws(PasswordHashError) {
        guard let setting = Self.setting("$y$") ?? Self.setting("$6$"), let text = Self.crypt(password, setting) else {
            throw .unavailable
        }
        self.text = text
    }

    /// A hash that somebody made, as `mkpasswd` prints it.
    /// - Throws: `PasswordHashError.legacy`, `.malformed`.
    public init(made text: String) throws(PasswordHashError) {
        guard text.utf8.allSatisfy(Self.isAllowed) else { throw .malformed }
        // A hash is a setting too: whatever is hashed with it has the same beginning and the same length. A cut hash, or a
        // setting alone, has not.
        guard let other = Self.crypt([], text), other.utf8.count == text.utf8.count,
            let end = text.lastIndex(of: "$"), other.hasPrefix(text[...end])
        else { throw .malformed }
        guard text.withCString(crypt_checksalt) == CRYPT_SALT_OK else { throw .legacy }
        self.text = text
    }

    /// What the hashes of every method in crypt(5) consist of. crypt(3) takes more in a salt, but `rootovl_password` in
    /// rootovl-root.sh, which gives a machine the password of a side-load, does not.
    private static func isAllowed(_ character: UInt8) -> Bool {
        switch character {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"):
            true
        default: "./$=,_-".utf8.contains(character)
        }
    }

    private static func setting(_ prefix: String) -> String? {
        var output = [CChar](repeating: 0, count: Int(CRYPT_GENSALT_OUTPUT_SIZE))
        // The system's own random bytes, and the method's own cost.
        guard crypt_gensalt_rn(prefix, 0, nil, 0, &output, Int32(output.count)) != nil else { return nil }
        return String(decoding: output.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func crypt(_ password: [UInt8], _ setting: String) -> String? {
        var data: UnsafeMutableRawPointer?
        var size: Int32 = 0
        defer { free(data) }
        return crypt_ra(DirectoryHandle.terminated(password), setting, &data, &size).map { String(cString: $0) }
    }
}

/// Why there is no hash.
public enum PasswordHashError: ReportableError, Equatable {
    /// crypt(3) of this system knows neither of the methods.
    case unavailable
    /// It was made by a method that crypt(3) counts as outdated: DES, MD5, SHA-256.
    case legacy
    /// It is no hash of crypt(5), or only the beginning of one.
    case malformed

    /// `.unavailable` for the system's want, `.usage` for a hash.
    public var exitStatus: ExitStatus { self == .unavailable ? .unavailable : .usage }

    /// One line: what is wrong, and what to do. The hash is not repeated.
    public var description: String {
        let make = "make one with mkpasswd -m yescrypt (package whois) or openssl passwd -6"
        return switch self {
        case .unavailable: "crypt(3) of this system hashes neither by yescrypt nor by SHA-512; install libxcrypt"
        case .legacy: "the hash was made by an outdated method; \(make)"
        case .malformed: "it is no hash of crypt(5); \(make)"
        }
    }
}
