import Glibc
public import NetrootConfig
import NetrootImage
import NetrootStore
public import NetrootSystem
import NetrootTree

/// Whether root can log in with a password, and who says so.
public enum RootLogin: Sendable, Equatable {
    /// The recipe: netroot leaves the account as it is.
    case ofRecipe
    /// netroot: no password is root's. Everybody can read an archive, and takes it from machine to machine.
    case locked
    /// `ROOTPW_FILE` of the label.
    case file(PasswordHash)
    /// netroot, which made the password and shows it once.
    case generated(PasswordHash)

    /// What holds where nobody gives a password.
    public init(of label: Label) { self = label.makesArchive ? .locked : .ofRecipe }

    /// Reads `ROOTPW_FILE`, where the label has one.
    /// - Parameter handed: what another process of this run has read already, in the caller's name.
    /// - Throws: `ConfigError`, `SecretFileError`, `FileKindError`, `PasswordHashError`, `SystemError`.
    public init(readFor label: Label, handed: [UInt8]? = nil) throws {
        guard let file = label.rootPasswordFile else {
            self.init(of: label)
            return
        }
        if let handed {
            self = .file(try PasswordHash(made: String(decoding: handed, as: UTF8.self)))
        } else {
            let text = try SecretFile.read(file, limit: RootPassword.longestFile)
            self = .file(try RootPassword(text: text, file: file).hash())
        }
    }

    /// A password that netroot makes for the label.
    /// - Parameter password: `RootPassword.random()`.
    /// - Throws: `RootLoginError` where the label has a password already, `PasswordHashError`.
    public init(generated password: String, for label: Label) throws {
        guard label.rootPasswordFile == nil else { throw RootLoginError(label: label.name) }
        self = .generated(try RootPassword.plain(Array(password.utf8)).hash())
    }

    /// What another process of this run needs to know, since it cannot read the caller's file.
    public var handing: [UInt8]? {
        if case .file(let hash) = self { Array(hash.text.utf8) } else { nil }
    }

    /// What the manifest says of it; never the hash.
    var record: Manifest.RootPassword? {
        switch self {
        case .ofRecipe: nil
        case .locked: .locked
        case .file: .file
        case .generated: .generated
        }
    }

    /// Changes the account in a root that nothing else will change.
    /// - Returns: what its author should know; nil for nothing.
    /// - Throws: `RootPathError`, `PackError`, `SystemError`.
    func apply(to tree: RootTree) throws -> String? {
        let now = try SourceDateEpoch.current().map(Int64.init) ?? Int64(time(nil))
        let account = RootAccount(in: tree, now: now)
        switch self {
        case .ofRecipe: return nil
        case .file(let hash), .generated(let hash): try account.set(hash)
        case .locked where try account.lock():
            return "took root's password away: in a system for RAM only ROOTPW_FILE gives one"
        case .locked: break
        }
        return nil
    }
}

/// What the end of a verb makes of root's account.
enum RootLoginStep: Sendable {
    /// What the build was told.
    case set(RootLogin)
    /// What the generation had with which a shell began: what its manifest says, and what the files said then.
    case keep(Manifest.RootPassword?, RootAccount.Passwords)

    /// Reads what a shell is about to change.
    /// - Throws: `RootPathError`, `SystemError`.
    init(keeping record: Manifest.RootPassword?, in tree: RootTree) throws {
        self = .keep(record, try RootAccount(in: tree, now: 0).passwords())
    }

    /// Locks the account again where it was locked, and leaves no copies of what was there before. A password that somebody
    /// changed is not the one that the manifest speaks of.
    /// - Returns: what the manifest says of the password, and what is to be noted; nil for nothing.
    /// - Throws: `RootPathError`, `PackError`, `SystemError`.
    func run(in tree: RootTree) throws -> (record: Manifest.RootPassword?, note: String?) {
        switch self {
        case .set(let login): return (login.record, try login.apply(to: tree))
        case .keep(nil, _): return (nil, nil)
        case .keep(.locked, _): return (.locked, try RootLogin.locked.apply(to: tree))
        case .keep(let record?, let before):
            let account = RootAccount(in: tree, now: 0)
            try account.removeBackups()
            guard try account.passwords() != before else { return (record, nil) }
            return (nil, "root's password is not the one of the build any more; the manifest says so")
        }
    }
}

/// A password was to be made for a label that has one.
public struct RootLoginError: ReportableError, Equatable {
    let label: String

    /// Always `.usage`.
    public var exitStatus: ExitStatus { .usage }

    /// One line: what contradicts what, and what to do.
    public var description: String {
        "--rootpw-generate, but [\(label)] has ROOTPW_FILE in the hosts file; leave out the option, or remove the key"
    }
}
