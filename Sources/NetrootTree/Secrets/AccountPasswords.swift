import NetrootSystem

/// The passwords of a root's accounts and groups, as /etc/shadow, /etc/gshadow and /etc/passwd have them (shadow(5)).
public struct AccountPasswords: Sendable, Equatable {
    /// The second field of each line, by file and name.
    private var fields: [Place: String] = [:]

    private struct Place: Hashable, Sendable {
        let file: String
        let name: String
    }

    /// Where they are, from the root.
    public static let files = ["etc/shadow", "etc/gshadow", "etc/passwd"]

    /// No accounts.
    public init() {}

    /// Reads those of a root; a file that is missing has none.
    /// - Throws: `RootPathError`, `SystemError`.
    public init(of tree: RootTree) throws {
        for file in Self.files where try tree.contains(file) { add(try tree.text(file), of: file) }
    }

    mutating func add(_ text: String, of file: String) {
        for line in text.split(whereSeparator: \.isNewline) {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3, !parts[0].isEmpty else { continue }
            fields[Place(file: file, name: String(parts[0]))] = String(parts[1])
        }
    }

    /// No longer knows what password root had: it was set anew.
    public mutating func forgetRoot() { fields[Place(file: "etc/shadow", name: "root")] = nil }

    /// A password that was there before and is there still.
    public struct Kept: Sendable, Equatable {
        /// The path of the file, without a slash at its beginning.
        public let file: String
        /// Of the account or group.
        public let name: String
        /// A hash, or no password at all.
        public let kind: SecretFinding.Kind
    }

    /// The passwords that are as they were, and that let somebody in: hashes, and accounts that need no password.
    public func kept(from earlier: AccountPasswords) -> [Kept] {
        fields.compactMap { place, field -> Kept? in
            guard earlier.fields[place] == field else { return nil }
            if Self.isHash(field) { return Kept(file: place.file, name: place.name, kind: .passwordHash) }
            // A group without a password is closed to all but its members.
            guard field.isEmpty, place.file != "etc/gshadow" else { return nil }
            return Kept(file: place.file, name: place.name, kind: .emptyPassword)
        }.sorted { ($0.file, $0.name) < ($1.file, $1.name) }
    }

    /// Whether a field holds a hash (crypt(5)), also behind the `!` of a locked account.
    static func isHash(_ field: String) -> Bool {
        let bare = field.drop { $0 == "!" || $0 == "*" }
        if bare.hasPrefix("$") || bare.hasPrefix("_") { return bare.utf8.count > 3 }
        // DES: two characters of salt, eleven of hash.
        return bare.utf8.count == 13 && bare.utf8.allSatisfy { $0.isBase64 || $0 == UInt8(ascii: ".") }
    }
}

extension UInt8 {
    /// A letter, digit, `+` or `/`.
    var isBase64: Bool {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "+"), UInt8(ascii: "/"):
            true
        default: false
        }
    }
}
