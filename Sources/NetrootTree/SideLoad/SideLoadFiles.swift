import NetrootImage
import NetrootSystem

/// The entries of a side-load in the making, by their places in the root.
struct SideLoadFiles {
    private var entries: [[UInt8]: NewcEntry] = [:]
    private var ofTree: Set<[UInt8]> = []
    private var password: String?
    /// Whether a file is among them that not everybody may read.
    private(set) var isSecret = false
    /// What of the tree is no error, but good to know.
    private(set) var notes: [String] = []

    // MARK: - Files

    /// - Throws: `SideLoadError.twice`.
    mutating func add(_ path: String, _ text: String, mode: UInt32 = 0o644) throws(SideLoadError) {
        try add(path, Array(text.utf8), mode: mode)
    }

    /// - Throws: `SideLoadError.twice`.
    mutating func add(_ path: String, _ bytes: [UInt8], mode: UInt32) throws(SideLoadError) {
        let path = Array(path.utf8)
        guard entries[path] == nil else { throw .twice(path: String(decoding: path, as: UTF8.self)) }
        entries[path] = NewcEntry(path: path, content: .bytes(bytes), mode: mode)
    }

    /// A directory with a mode that it must have, also where the tree has it with another one.
    mutating func addDirectory(_ path: String, mode: UInt32) {
        let path = Array(path.utf8)
        entries[path] = NewcEntry(path: path, content: .directory, mode: mode)
    }

    /// Root's password. It is not laid as a file of the root.
    mutating func set(password: String) {
        self.password = password
        isSecret = true
    }

    /// Keys, and the lines of sshd_config(5) that name them: roots of netroot's have a line for one kind alone.
    mutating func add(_ keys: HostKeys) throws(SideLoadError) {
        var lines = "# The host keys of the side-load.\n"
        for file in keys.files {
            try add("etc/ssh/\(file.name)", file.bytes, mode: file.isPrivate ? 0o600 : 0o644)
            if file.isPrivate { lines += "HostKey /etc/ssh/\(file.name)\n" }
            if file.name.hasSuffix("-cert.pub") { lines += "HostCertificate /etc/ssh/\(file.name)\n" }
        }
        try add("etc/ssh/sshd_config.d/05-netroot-host-keys.conf", lines)
        isSecret = true
    }

    // MARK: - Network

    /// - Throws: `SideLoadError`, `SystemError`, `FileKindError`.
    mutating func add(network paths: [String]) throws {
        for path in paths {
            let name = Files.name(path)
            let kind = name.split(separator: ".").last.map(String.init) ?? ""
            guard let (directory, section, mode) = try Self.place(of: kind, path) else { continue }
            let bytes = try Files.read(path, limit: 1 << 20)
            let text = String(decoding: bytes, as: UTF8.self)
            guard text.split(whereSeparator: \.isNewline).contains(where: { $0.hasPrefix("[\(section)]") }) else {
                throw Self.wrong(path, "it has no section [\(section)], without which it does nothing")
            }
            if kind == "netdev",
                SecretContent.setting(["privatekey", "presharedkey"]).isIn(bytes)
            {
                throw Self.wrong(
                    path,
                    "it has a key, which systemd-networkd reads as a user whose number only the image knows; "
                        + "put it into --tree with its owner and mode 0640, and give --keep-owners")
            }
            if mode == 0o600 { isSecret = true }
            let target = Array("\(directory)/\(name)".utf8)
            guard entries[target] == nil || ofTree.contains(target) else {
                throw Self.wrong(path, "another file of --network has the same name")
            }
            try add("\(directory)/\(name)", bytes, mode: mode)
        }
    }

    private static func place(of kind: String, _ path: String) throws -> (String, String, UInt32)? {
        switch kind {
        case "network", "link": return ("etc/systemd/network", "Match", 0o644)
        case "netdev": return ("etc/systemd/network", "NetDev", 0o644)
        case "nmconnection": return ("etc/NetworkManager/system-connections", "connection", 0o600)
        case "yaml", "yml":
            throw wrong(
                path,
                "it is netplan's, and nothing in the root reads it; run netplan generate where it is, and give the "
                    + "files of /run/systemd/network")
        default:
            throw wrong(
                path,
                "it is none of *.network, *.netdev, *.link (systemd-networkd) and *.nmconnection (NetworkManager); "
                    + "for another file use --tree")
        }
    }

    private static func wrong(_ path: String, _ problem: String) -> SideLoadError {
        .wrongFile(path: path, line: nil, problem: problem)
    }

    // MARK: - Tree

    /// - Throws: `SideLoadError`, `SystemError`, `CancellationError`.
    mutating func add(tree: String, keepsOwners: Bool) throws {
        let archive: NewcArchive
        do {
            archive = try NewcArchive(directory: tree, prefix: "", owner: .asOnDisk)
        } catch let error as NewcError {
            guard case .badEntry(let path, let problem) = error else { throw error }
            throw Self.wrong(path.hasPrefix("/") ? path : "\(tree)/\(path)", problem)
        }
        var hidden: Set<String> = []
        for var entry in archive.entries {
            let path = "\(tree)/\(TerminalText.line(entry.path))"
            switch entry.content {
            case .characterDevice, .blockDevice:
                throw Self.wrong(path, "it is a device; the kernel and udev make those, leave it out")
            case .bytes, .file:
                if entry.mode & 0o004 == 0 { isSecret = isSecret || !entry.path.ends(with: "/authorized_keys") }
                if !keepsOwners { noteTaken(entry, path) }
            case .symlink, .directory, .fifo: break
            }
            if !keepsOwners { (entry.uid, entry.gid) = (0, 0) }
            if let mount = SideLoad.mountPoint(above: entry.path), hidden.insert(mount).inserted {
                notes.append(
                    "\(tree)/\(mount): a filesystem of the running system is mounted over /\(mount), and in most images it hides "
                        + "what is in it; netroot sideload check says of an image whether it does")
            }
            entries[entry.path] = entry
            ofTree.insert(entry.path)
        }
        try judge(tree)
    }

    /// A program of somebody's that would run with the rights of root.
    private mutating func noteTaken(_ entry: NewcEntry, _ path: String) {
        let bits = [(0o4000, "setuid", entry.uid), (0o2000, "setgid", entry.gid)]
        for (bit, name, owner) in bits where entry.mode & UInt32(bit) != 0 && owner != 0 {
            notes.append(
                "\(path): \(name), and root's in the archive: whoever runs it has root's rights; take the bit off, or give "
                    + "--keep-owners as root")
        }
    }

    /// What the check would refuse in any image.
    private func judge(_ tree: String) throws {
        let secrets = try SecretScan.findings(in: try DirectoryHandle(tree))
        let kinds = Dictionary(secrets.map { ($0.path, $0.kind) }, uniquingKeysWith: { first, _ in first })
        for (path, entry) in entries.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            let reasons = SideLoadRules.reasons(against: SideLoadEntry(entry, secret: kinds[path]), at: path)
            if let reason = reasons.first { throw Self.wrong("\(tree)/\(TerminalText.line(path))", reason) }
        }
    }

    // MARK: - Archive

    /// - Throws: `NewcError`.
    func archive() throws(NewcError) -> NewcArchive {
        var all = entries.values.map { entry in
            var entry = entry
            entry.path = Array("\(SideLoad.overlay)/".utf8) + entry.path
            return entry
        }
        if let password {
            all.append(NewcEntry(SideLoad.rootPassword, .bytes(Array("\(password)\n".utf8)), mode: 0o600))
        }
        return try NewcArchive(entries: all)
    }
}

extension [UInt8] {
    fileprivate func ends(with text: String) -> Bool { suffix(text.utf8.count).elementsEqual(text.utf8) }
}
