public import NetrootImage
public import NetrootSystem

/// What goes into a side-load, as a site asks for it.
public struct SideLoadContents: Sendable {
    /// A file of authorized_keys(5) for root.
    public var authorizedKeys: String?
    /// sshd's own keys.
    public var hostKeys: HostKeySource?
    /// The machine's name.
    public var hostname: String?
    /// Files of systemd-networkd and NetworkManager.
    public var network: [String] = []
    /// A directory that is laid over the root.
    public var tree: String?
    /// Whether the files of the tree keep their owners, and are not root's.
    public var keepsOwners = false
    /// Root's password, hashed (crypt(5)).
    public var rootPassword: String?
    /// The public keys of authorities whose certificates users log in with.
    public var sshCA: String?

    /// Nothing.
    public init() {}

    /// Whether nothing is asked for.
    public var isEmpty: Bool {
        authorizedKeys == nil && hostKeys == nil && hostname == nil && network.isEmpty && tree == nil
            && rootPassword == nil && sshCA == nil
    }

    /// What was made of it.
    public struct Result: Sendable {
        /// With names below `netroot/`.
        public let archive: NewcArchive
        /// Whether nobody else may read it.
        public let isSecret: Bool
        /// Those that it has.
        public let hostKeys: [HostKey]
        /// How many keys let somebody in as root.
        public let authorizedKeys: Int
        /// What is no error, but good to know.
        public let notes: [String]
    }

    /// Reads and judges all files, and makes new keys.
    /// - Throws: `SideLoadError`, `NewcError`, `SystemError`, `FileKindError`, `MissingError`, `CommandError`,
    ///   `CancellationError`.
    public func made(runner: CommandRunner = CommandRunner()) async throws -> Result {
        var files = SideLoadFiles()
        if let tree { try files.add(tree: tree, keepsOwners: keepsOwners) }
        if let hostname { try files.add("etc/hostname", try Self.checked(hostname) + "\n") }
        try files.add(network: network)
        var count = 0
        if let authorizedKeys {
            let keys = try await AuthorizedKeys(authorizedKeys, runner: runner).keys
            count = keys.count
            files.addDirectory("root", mode: 0o700)
            files.addDirectory("root/.ssh", mode: 0o700)
            try files.add("root/.ssh/authorized_keys", keys.map { $0.text + "\n" }.joined(), mode: 0o600)
        }
        if let sshCA {
            let keys = try await AuthorizedKeys(sshCA, isForCA: true, runner: runner).keys
            try files.add("etc/ssh/netroot_user_ca.pub", keys.map { $0.text + "\n" }.joined())
            try files.add(
                "etc/ssh/sshd_config.d/05-netroot-user-ca.conf", "TrustedUserCAKeys /etc/ssh/netroot_user_ca.pub\n")
        }
        var hostKeys: [HostKey] = []
        if let source = self.hostKeys {
            let made = try await HostKeys(source, host: hostname ?? HostKey.placeholder, runner: runner)
            hostKeys = made.keys
            try files.add(made)
        }
        if let rootPassword { files.set(password: rootPassword) }
        return Result(
            archive: try files.archive(), isSecret: files.isSecret, hostKeys: hostKeys, authorizedKeys: count,
            notes: files.notes)
    }

    /// RFC 1123, 2.1; Linux has room for 64 characters (HOST_NAME_MAX).
    static func checked(_ name: String) throws(SideLoadError) -> String {
        func bad(_ problem: String) -> SideLoadError { .badHostname(name: name, problem: problem) }
        guard !name.isEmpty, name.utf8.count <= 64 else { throw bad("a host name has 1 to 64 characters") }
        for label in name.split(separator: ".", omittingEmptySubsequences: false) {
            guard (1...63).contains(label.count) else { throw bad("each part between the dots has 1 to 63 characters") }
            guard label.utf8.allSatisfy({ $0.isHostLetter || $0 == UInt8(ascii: "-") }) else {
                throw bad("it may have letters, digits, hyphens and dots")
            }
            guard label.first != "-", label.last != "-" else { throw bad("no part begins or ends with a hyphen") }
        }
        guard !name.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") }) else {
            throw bad("with digits alone it would be an address")
        }
        return name
    }
}

extension UInt8 {
    fileprivate var isHostLetter: Bool { isBase64 && self != UInt8(ascii: "+") && self != UInt8(ascii: "/") }
}
