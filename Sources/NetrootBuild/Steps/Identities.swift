import Glibc
import NetrootSystem
import NetrootTree

/// The files of a root that tell one machine from another, and that are made again where they are missing:
/// `root-files/removed-paths`.
struct Identities: Sendable {
    let tree: RootTree
    /// The list's path.
    let list: String
    /// What stays though it is on the list.
    let allowed: PathPatterns
    /// The name of the building host.
    var hostName = Self.hostName()

    /// Those that are in the root, by their paths without a slash at the beginning.
    /// - Throws: `RootPathError`, `SystemError`.
    func present() throws -> Set<String> { try all().filter { !isAllowed($0) } }

    /// Those that are in the root by the label's leave, and the machine ID if it is.
    /// - Throws: `RootPathError`, `SystemError`.
    func allowedToStay() throws -> Set<String> {
        var stayed = try all().filter(isAllowed)
        if isAllowed(Self.machineID), try tree.contains(Self.machineID), try !tree.text(Self.machineID).isEmpty {
            stayed.insert(Self.machineID)
        }
        return stayed
    }

    private static let machineID = "etc/machine-id"

    private func isAllowed(_ path: String) -> Bool { !allowed.matching(Array(path.utf8)).isEmpty }

    private func all() throws -> Set<String> {
        var found: Set<String> = []
        for rule in try rules() {
            for path in try tree.glob(rule.pattern) {
                if let text = rule.text, try !holds(path, text) { continue }
                found.insert(String(path.dropFirst()))
            }
        }
        return found
    }

    /// Those of them that are files, with the digests of what they hold.
    /// - Throws: `RootPathError`, `DigestError`, `SystemError`.
    func digests() throws -> [String: Digest] {
        var digests: [String: Digest] = [:]
        for path in try present() {
            do { digests[path] = try Digest.of(try tree.read(path)) } catch is RootPathError {
                // It is a directory, a FIFO or the like.
            }
        }
        return digests
    }

    /// Removes them, and empties the machine ID: what a package's script makes while building, all clients would share.
    /// - Parameter kept: those that stay.
    /// - Returns: what was removed, sorted.
    /// - Throws: `RootPathError`, `SystemError`.
    func remove(keeping kept: Set<String>) throws -> [String] {
        let removed = try present().subtracting(kept).sorted()
        for path in removed {
            try tree.removeAll(path)
            try removeLinks(to: path)
        }
        if !isAllowed(Self.machineID) { try tree.write(Self.machineID, "") }
        return removed
    }

    /// What is said of one that was removed.
    static func note(_ path: String, by whom: String) -> String {
        "removed \(TerminalText.line(path)), which \(whom) left: all clients would share it"
    }

    /// A line of the list.
    private struct Rule {
        let pattern: String
        /// What the file must hold; nil takes it whatever it holds.
        let text: String?
    }

    private func rules() throws -> [Rule] {
        try Files.text(list).split(separator: "\n").compactMap { line in
            let words = line.prefix { $0 != "#" }.split(separator: " ", maxSplits: 1)
            guard let pattern = words.first else { return nil }
            return Rule(
                pattern: String(pattern),
                text: words.count > 1 ? words[1].trimmingBlanks.replacing("%h", with: hostName) : nil)
        }
    }

    private func holds(_ path: String, _ text: String) throws -> Bool {
        guard !text.isEmpty else { return false }
        do {
            return try tree.read(path, limit: 1 << 20).split(separator: UInt8(ascii: "\n")).contains { line in
                let line = String(decoding: line, as: UTF8.self)
                return line.hasPrefix(text) && (text.hasSuffix("=") || line == text || line.hasPrefix(text + "."))
            }
        } catch is RootPathError {
            // It is a directory, a FIFO or the like.
            return false
        }
    }

    /// OpenSSL's names of a certificate are symlinks beside it.
    private func removeLinks(to path: String) throws {
        let folder = Files.parent(path)
        for name in try tree.names(in: folder) {
            let link = "\(folder)/\(name)"
            guard try Files.linkTarget(try tree.resolve(link, followLast: false)) == Files.name(path) else { continue }
            try tree.remove(link)
        }
    }

    private static func hostName() -> String {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return "" }
        let whole = name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        // A build host without a name of its own gives none away.
        let short = String(decoding: whole.prefix { $0 != UInt8(ascii: ".") }, as: UTF8.self)
        return short == "localhost" ? "" : short
    }
}

extension Identities {
    /// What a bootstrap left of them. `%post` may need it still, as a program does that checks its configuration: it goes
    /// afterwards.
    struct Left: Sendable {
        /// What is told apart from what the recipe brings in its place.
        private let digests: [String: Digest]
        private let isPublished: Bool

        /// - Parameters:
        ///   - identities: those of the root after the bootstrap; nil in a root that only lends files.
        ///   - isPublished: whether another build took out already what no recipe brought.
        /// - Throws: `RootPathError`, `DigestError`, `SystemError`.
        init(in identities: Identities?, isPublished: Bool) throws {
            digests = try identities?.digests() ?? [:]
            self.isPublished = isPublished
            kept = isPublished ? try identities?.present() ?? [] : Set(digests.keys).subtracting([Self.hostName])
        }

        /// Those that stay in the root until `%post` was run. The name of the building host does not: `%post` may set one.
        let kept: Set<String>

        private static let hostName = "etc/hostname"

        /// Those that the recipe brought, by `%setup`, by `%files` or in another label's recipe.
        /// - Throws: `RootPathError`, `DigestError`, `SystemError`.
        func brought(since identities: Identities?) throws -> Set<String> {
            guard let identities else { return [] }
            let now = try identities.digests()
            return try identities.present().filter { path in
                isPublished || digests[path] == nil || digests[path] != now[path]
            }.union([Self.hostName])
        }

        func holds(_ path: String) -> Bool { digests[path] != nil }
    }
}

extension Substring {
    fileprivate var trimmingBlanks: String {
        String(drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
    }
}
