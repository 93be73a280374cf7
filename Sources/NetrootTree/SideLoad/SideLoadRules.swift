import NetrootSystem

/// What makes a side-load useless or dangerous whatever the kernel does with it: secrets that others can read, private keys of
/// people, and files that sshd does not take.
enum SideLoadRules {
    /// Of one entry, by its place in the root.
    /// - Returns: the reasons against it.
    static func reasons(against entry: SideLoadEntry, at path: [UInt8]) -> [String] {
        guard entry.node.type == .regular else { return [] }
        let text = String(decoding: path, as: UTF8.self)
        let name = Files.name(text)
        let mode = entry.node.mode
        let isHostKey = isHostKey(text)
        if entry.secret == .privateKey, !isHostKey, isUsers(path, name) {
            return [
                "a private key of a user, whom everybody who has the archive could be; authorized_keys takes the public one"
            ]
        }
        if isHostKey {
            guard mode & 0o077 != 0 || entry.node.uid != 0 else { return [] }
            return [
                "a host key with mode \(octal(mode)), owner \(entry.node.uid): sshd takes it with 0600 of root alone"
            ]
        }
        if name.hasSuffix(".nmconnection"), mode & 0o077 != 0 || entry.node.uid != 0 {
            return ["NetworkManager takes it with mode 0600 of root alone, and it has \(octal(mode))"]
        }
        guard mode & 0o004 != 0 else { return [] }
        if shadows.contains(text) {
            return ["every user of the machine could read the passwords: its mode is \(octal(mode))"]
        }
        guard let secret = entry.secret, secret != .identity else { return [] }
        return ["\(words(secret)) that every user of the machine could read: its mode is \(octal(mode)); give it 0600"]
    }

    private static let shadows: Set<String> = ["etc/shadow", "etc/gshadow", "etc/shadow-", "etc/gshadow-"]

    private static func isHostKey(_ path: String) -> Bool {
        let name = Files.name(path)
        return path.hasPrefix("etc/ssh/") && name.hasPrefix("ssh_host_") && name.hasSuffix("_key")
    }

    private static func isUsers(_ path: [UInt8], _ name: String) -> Bool {
        let names = path.split(separator: RootModel.slash)
        return names.contains { $0.elementsEqual(".ssh".utf8) } || name.hasPrefix("id_")
            || names.first.map { $0.elementsEqual("root".utf8) || $0.elementsEqual("home".utf8) } ?? false
    }

    private static func words(_ kind: SecretFinding.Kind) -> String {
        switch kind {
        case .privateKey: "a private key"
        case .sharedKey: "a shared key"
        case .passwordHash: "a password's hash"
        case .emptyPassword: "an account without a password"
        case .credentials: "a password"
        case .token: "a token"
        case .identity: "an identity"
        }
    }

    // MARK: - sshd

    /// An account whose keys sshd may be asked for.
    struct Account: Equatable {
        let name: String
        let uid: UInt32
        /// Without a slash at either end.
        let home: [UInt8]
    }

    /// The accounts of a file of passwd(5), or root alone.
    static func accounts(_ passwd: [UInt8]?) -> [Account] {
        let root = Account(name: "root", uid: 0, home: Array("root".utf8))
        guard let passwd else { return [root] }
        let found = String(decoding: passwd, as: UTF8.self).split(separator: "\n").compactMap { line -> Account? in
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            guard fields.count >= 7, let uid = UInt32(fields[2]) else { return nil }
            let home = fields[5].split(separator: "/").joined(separator: "/")
            return home.isEmpty ? nil : Account(name: String(fields[0]), uid: uid, home: Array(home.utf8))
        }
        return found.isEmpty ? [root] : found
    }

    /// Why sshd would not read the keys of an account: `safe_path` in its `misc.c`, which StrictModes asks, and the user's own
    /// rights.
    /// - Returns: paths in the root, each with its reason.
    static func strictModes(_ account: Account, _ root: RootModel) -> [(path: [UInt8], reason: String)] {
        guard let home = root.resolved(account.home),
            let keys = root.resolved(account.home + Array("/.ssh/authorized_keys".utf8)),
            let file = root[keys]
        else { return [] }
        guard file.type == .regular else { return [(keys, "sshd reads no \(file.type.word)")] }
        var found: [([UInt8], String)] = []
        var path = keys
        while let node = root[path] {
            let place = path.isEmpty ? "/" : ""
            if node.uid != 0 && node.uid != account.uid {
                found.append((path, "\(place)sshd refuses every login of \(account.name): its owner is \(node.uid)"))
            } else if node.mode & 0o022 != 0 {
                found.append(
                    (
                        path,
                        "\(place)sshd refuses every login of \(account.name): others can write to it (\(octal(node.mode)))"
                    ))
            } else if node.uid != account.uid, node.mode & (node.type == .directory ? 0o001 : 0o004) == 0 {
                found.append(
                    (path, "\(place)sshd reads it as \(account.name), who cannot (\(octal(node.mode)) of \(node.uid))"))
            }
            if path == home || path.isEmpty { break }
            path = DirectoryHandle.split(path).directory
        }
        return found
    }
}
