import NetrootConfig
import NetrootStore
public import NetrootSystem
import NetrootTree

/// The last look at a root before it is published: every client can read all of it, and all clients share it.
struct SecretLint: Sendable {
    /// What goes by itself.
    let identities: Identities
    /// What the label allows: `ALLOW_SECRETS`.
    let allowed: PathPatterns
    /// The label, for messages.
    let label: String
    /// What the root had before, which is nobody's fault now.
    var before = Before()
    /// What may have brought a secret into the root.
    var source = SecretsError.Source.recipe

    /// A root before a recipe's scripts, or before a shell.
    struct Before: Sendable {
        /// Identities that stay where they are: the recipe brought them, or the only client made them.
        var identities: Set<String> = []
        /// The passwords that a container's image or a package brought.
        var passwords = AccountPasswords()
        /// The paths of findings that no longer count.
        var findings: Set<[UInt8]> = []
        /// Whether the root belongs to one client, whose machine ID it keeps.
        var isOfOneClient = false
    }

    /// - Parameter label: that of the root, with its `ALLOW_SECRETS`.
    init(tree: RootTree, shipped: ShippedFiles, label: Label) {
        allowed = PathPatterns(label.allowSecrets)
        identities = Identities(tree: tree, list: Self.list(shipped), allowed: allowed)
        self.label = label.name
    }

    /// The list of what goes by itself.
    static func list(_ shipped: ShippedFiles) -> String { shipped.rootFiles + "/removed-paths" }

    private var tree: RootTree { identities.tree }

    /// The root as it is before a shell.
    /// - Parameter isOfOneClient: whether clients write to it (`RW = Y`), or it is edited in place: what is there stays.
    /// - Throws: `RootPathError`, `SystemError`, `CancellationError`.
    func looked(isOfOneClient: Bool) throws -> Before {
        // What the build published, the recipe brought.
        let present = try identities.present().union(["etc/hostname"])
        guard isOfOneClient else { return Before(identities: present) }
        return Before(identities: present, findings: Set(try findings().map(\.path)), isOfOneClient: true)
    }

    /// Removes what goes by itself, and refuses what nobody allowed.
    /// - Parameter whom: who left it, for the notes.
    /// - Returns: what was allowed, for the manifest.
    /// - Throws: `SecretsError`, `RootPathError`, `SystemError`, `CancellationError`.
    func run(after whom: String, note: (String) -> Void) throws -> [Manifest.AllowedSecret] {
        try tidy(after: whom, note: note)
        let found = try newFindings()
        if let refused = refusal(of: found) { throw refused }
        let paths = Set(found.map(\.path))
        let names = try identities.allowedToStay().map { Array($0.utf8) }.filter { !paths.contains($0) }
            .map { SecretFinding(path: $0, kind: .identity, isWorldReadable: false) }
        let stayed = (found + names).sorted { $0.path.lexicographicallyPrecedes($1.path) }
        for pattern in allowed.unused(by: stayed.map(\.path)) {
            note("ALLOW_SECRETS: \(TerminalText.line(pattern)) allows nothing: the root has no such finding")
        }
        return stayed.map { Manifest.AllowedSecret(path: $0.display, kind: $0.kind.rawValue) }
    }

    /// The same for a root that is served already: nothing is taken back.
    /// - Throws: `RootPathError`, `SystemError`, `CancellationError`.
    func refused(after whom: String, note: (String) -> Void) throws -> SecretsError? {
        try tidy(after: whom, note: note)
        return refusal(of: try newFindings())
    }

    /// What a shell's copy has before anybody has worked in it: the work would be for nothing.
    /// - Parameter generation: whose copy it is.
    /// - Throws: `RootPathError`, `SystemError`, `CancellationError`.
    func refused(inCopyOf generation: Int) throws -> SecretsError? {
        var refused = refusal(of: try newFindings())
        refused?.source = .generation(generation)
        return refused
    }

    private func newFindings() throws -> [SecretFinding] {
        try findings().filter { !before.findings.contains($0.path) }
    }

    private func refusal(of found: [SecretFinding]) -> SecretsError? {
        let refused = found.filter { allowed.matching($0.path).isEmpty }
        return refused.isEmpty ? nil : SecretsError(findings: refused, label: label, source: source)
    }

    private func tidy(after whom: String, note: (String) -> Void) throws {
        let machineID = before.isOfOneClient ? try text("etc/machine-id") : nil
        for path in try identities.remove(keeping: before.identities) { note(Identities.note(path, by: whom)) }
        if let machineID { try tree.write("etc/machine-id", machineID) }
    }

    private func text(_ path: String) throws -> String? {
        try tree.contains(path) ? try tree.text(path) : nil
    }

    /// Files and accounts, sorted by path.
    private func findings() throws -> [SecretFinding] {
        let kept = try AccountPasswords(of: tree).kept(from: before.passwords)
        let accounts = kept.reduce(into: [SecretFinding]()) { findings, password in
            let finding = SecretFinding(path: Array(password.file.utf8), kind: password.kind, isWorldReadable: false)
            if !findings.contains(finding) { findings.append(finding) }
        }
        let found = try SecretScan.findings(in: DirectoryHandle(tree.directory))
        let packaged = try PackagedFiles(of: tree, paths: found.map(\.path))
        let files = try found.filter { try !packaged.contains($0.path) }
        return (files + accounts).sorted { $0.path.lexicographicallyPrecedes($1.path) }
    }
}

/// What a root holds that is not for all clients.
public struct SecretsError: ReportableError {
    let findings: [SecretFinding]
    /// The label whose `ALLOW_SECRETS` can let them through.
    let label: String
    var source = Source.recipe

    /// What may have brought them.
    enum Source: Sendable, Equatable {
        case recipe
        case shell
        /// A shell began with this generation.
        case generation(Int)
    }

    /// How many are named.
    static let shown = 20

    /// Always `.failed`.
    public var exitStatus: ExitStatus { .failed }

    /// A line for each of the first 20, with what to do about it, and how all of them are allowed.
    public var description: String {
        let count = findings.count == 1 ? "a secret" : "\(findings.count) secrets"
        let root = if case .generation(let number) = source { "generation \(number)" } else { "the root" }
        var lines = ["\(root) has \(count) that every client could read, and that all would share:"]
        for finding in findings.prefix(Self.shown) {
            let readable = finding.isWorldReadable ? ", readable by every user" : ""
            lines.append("  \(finding.display): \(finding.noun)\(readable); \(finding.advice(source))")
        }
        if findings.count > Self.shown { lines.append("  and \(findings.count - Self.shown) more") }
        if case .generation = source {
            lines.append("a shell keeps what its base has: take it out of what the recipe brings, and build again")
        }
        lines.append("or allow it, if it may be known to all: ALLOW_SECRETS = PATH… in [\(label)] of the hosts file")
        return lines.joined(separator: "\n")
    }
}

extension SecretFinding {
    /// In a sentence.
    fileprivate var noun: String {
        switch kind {
        case .privateKey: "a private key"
        case .sharedKey: "a key that machines share"
        case .passwordHash: "the hash of a password" + (isOfAccounts ? " that the recipe did not set" : "")
        case .emptyPassword: "an account without a password"
        case .credentials: "a password"
        case .token: "a token"
        case .identity: "a name that belongs to one machine"
        }
    }

    fileprivate func advice(_ source: SecretsError.Source) -> String {
        let isOfRecipe = source == .recipe
        let place = isOfRecipe ? " in %post" : ""
        return switch kind {
        case .privateKey, .sharedKey: "remove it, and bring or make it when a machine is up"
        case .passwordHash where isOfAccounts:
            "set another\(place) (chpasswd), or lock the account (passwd -d, then passwd -l)"
        case .passwordHash: "remove it, and bring it when a machine is up"
        case .emptyPassword: "set one\(place) (chpasswd), or lock the account (passwd -l)"
        case .credentials, .token: isOfRecipe ? "remove it at the end of %post" : "remove it"
        case .identity: "remove it; it is made at boot"
        }
    }

    /// Whether it is in a file of accounts, and not of GRUB, VNC or a web server.
    private var isOfAccounts: Bool { AccountPasswords.files.contains { path.elementsEqual($0.utf8) } }
}
