import Glibc
public import NetrootSystem
import SystemPackage

/// The account of root in a root: its lines in /etc/passwd and /etc/shadow (passwd(5), shadow(5)).
public struct RootAccount: Sendable {
    private static let shadow = "etc/shadow"
    private static let passwd = "etc/passwd"
    /// The copies that shadow(5)'s tools leave, with what was there before.
    private static let backups = ["etc/shadow-", "etc/passwd-"]

    private let tree: RootTree
    /// Days since 1970, for the field that says when the password was changed.
    private let day: Int

    /// - Parameter now: seconds since 1970.
    public init(in tree: RootTree, now: Int64) {
        self.tree = tree
        // On day 0 a password must be changed at the first login.
        day = max(1, Int(clamping: now / 86_400))
    }

    /// Gives root a password, and keeps no other: neither in /etc/passwd nor in the copies.
    /// - Throws: `RootPathError` where the root has no such account, `SystemError`.
    public func set(_ password: PasswordHash) throws { try set(field: password.text) }

    /// Takes the password from root, so that nobody logs in with one; keys are not touched.
    /// - Returns: whether there was a password, or a login without one.
    /// - Throws: `RootPathError`, `SystemError`.
    public func lock() throws -> Bool {
        // Nobody can log in where there are no accounts.
        guard try field(of: Self.passwd) != nil else { return false }
        let fields = try [Self.passwd, Self.shadow].compactMap { try field(of: $0) }.filter { $0 != Self.elsewhere }
        let isLocked = !fields.isEmpty && fields.allSatisfy(Self.isLocked)
        // sshd without PAM takes no key of an account whose field begins with an exclamation mark (sshd(8)).
        if !isLocked { try set(field: "*") } else { try removeBackups() }
        return !isLocked && !fields.isEmpty
    }

    /// What the files say of root's password.
    public struct Passwords: Sendable, Equatable {
        /// Root's field in /etc/passwd, then in /etc/shadow; nil where there is no such line.
        fileprivate let fields: [String?]
    }

    /// What the files say now.
    /// - Throws: `RootPathError`, `SystemError`.
    public func passwords() throws -> Passwords {
        Passwords(fields: try [Self.passwd, Self.shadow].map { try field(of: $0) })
    }

    /// Removes the copies, which would hold the password that was there before.
    /// - Throws: `RootPathError`, `SystemError`.
    public func removeBackups() throws {
        for file in Self.backups { try tree.remove(file) }
    }

    /// In /etc/passwd: the password is in /etc/shadow.
    private static let elsewhere = "x"

    /// No password has such a hash, and there is none behind the mark that passwd(1) could bring back.
    private static func isLocked(_ field: String) -> Bool {
        (field.hasPrefix("!") || field.hasPrefix("*")) && !AccountPasswords.isHash(field)
    }

    private func field(of file: String) throws -> String? {
        guard try tree.contains(file) else { return nil }
        return Self.lines(try tree.read(file)).first(where: Self.isRoots).map {
            String(decoding: Self.fields($0)[1], as: UTF8.self)
        }
    }

    private func set(field: String) throws {
        guard try self.field(of: Self.passwd) != nil else {
            throw RootPathError(path: "/" + Self.passwd, reason: "there is no account root that could have a password")
        }
        let line = "root:\(field):\(day):0:99999:7:::\n"
        if try tree.contains(Self.shadow) {
            if try self.field(of: Self.shadow) != nil {
                try rewrite(Self.shadow, [field, "\(day)"])
            } else {
                try tree.rewrite(Self.shadow, Array(line.utf8) + (try tree.read(Self.shadow)))
            }
        } else {
            try tree.write(Self.shadow, line, mode: 0o600)
        }
        try rewrite(Self.passwd, [Self.elsewhere])
        try removeBackups()
    }

    /// Changes the fields behind the name on root's lines; all else stays byte for byte. Comments (passwd(5)) are in
    /// any encoding.
    private func rewrite(_ file: String, _ fields: [String]) throws {
        let lines = Self.lines(try tree.read(file)).map { line -> [UInt8] in
            guard Self.isRoots(line) else { return Array(line) }
            let kept = Self.fields(line).dropFirst(1 + fields.count).map(Array.init)
            return Array(([Array("root".utf8)] + fields.map { Array($0.utf8) } + kept).joined(separator: ":".utf8))
        }
        try tree.rewrite(file, Array(lines.joined(separator: "\n".utf8)))
    }

    private static func lines(_ bytes: [UInt8]) -> [ArraySlice<UInt8>] {
        bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    }

    private static func fields(_ line: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
        line.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
    }

    private static func isRoots(_ line: ArraySlice<UInt8>) -> Bool { line.starts(with: "root:".utf8) }
}

extension RootTree {
    /// Replaces the content of a regular file, which keeps its permissions and its owner.
    /// - Throws: `RootPathError`, `SystemError`.
    func rewrite(_ path: String, _ bytes: [UInt8]) throws {
        let place = try regularFile(path)
        let (above, name) = DirectoryHandle.split(Array(place.utf8.dropFirst(directory.utf8.count)))
        let folder = try DirectoryHandle(directory).below(above)
        let status = try folder.status(name)
        let file = try FileReplacement(of: name, in: folder)
        try SystemError.wrap("write", folder.display(name)) { _ = try file.descriptor.writeAll(bytes) }
        guard fchown(file.descriptor.rawValue, status.st_uid, status.st_gid) == 0 else {
            throw folder.failure("give away", name)
        }
        try file.publish(mode: UInt32(status.st_mode) & 0o7777)
    }
}
