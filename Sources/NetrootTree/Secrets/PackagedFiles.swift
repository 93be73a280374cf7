public import NetrootSystem

/// The files of a root that are as their packages brought them, as dpkg's database tells it: everybody can have them.
///
/// What the scripts of packages make is in no list of dpkg's.
public struct PackagedFiles: Sendable {
    private let tree: RootTree
    /// The digests of each path that was asked for.
    private let digests: [String: Set<String>]

    /// Reads what the database has of these paths.
    /// - Parameter paths: from the root, without a slash at their beginning.
    /// - Throws: `RootPathError`, `SystemError`.
    public init(of tree: RootTree, paths: [[UInt8]]) throws {
        self.tree = tree
        let wanted = Set(paths.map { String(decoding: $0, as: UTF8.self) })
        var digests: [String: Set<String>] = [:]
        func add(_ path: Substring, _ digest: Substring) {
            if wanted.contains(String(path)) { digests[String(path), default: []].insert(String(digest)) }
        }
        if !wanted.isEmpty {
            for name in try tree.names(in: Self.lists) where name.hasSuffix(".md5sums") {
                Self.eachSum(try tree.text("\(Self.lists)/\(name)"), add)
            }
            if try tree.contains(Self.status) { Self.eachConffile(try tree.text(Self.status), add) }
        }
        self.digests = digests
    }

    /// Whether a file is as a package brought it.
    /// - Throws: `RootPathError`, `SystemError`.
    public func contains(_ path: [UInt8]) throws -> Bool {
        let path = String(decoding: path, as: UTF8.self)
        guard let known = digests[path] else { return false }
        do {
            return known.contains(try MD5.hexadecimal(of: try tree.read(path)))
        } catch is DigestError {
            // A system that does not trust MD5 does not trust the database either.
            return false
        }
    }

    private static let lists = "var/lib/dpkg/info"
    private static let status = "var/lib/dpkg/status"

    /// A line is a digest, two blanks, and a path without a slash at its beginning (deb-md5sums(5)).
    static func eachSum(_ text: String, _ body: (_ path: Substring, _ digest: Substring) -> Void) {
        for line in text.split(separator: "\n") {
            guard let blank = line.firstIndex(of: " ") else { continue }
            body(line[blank...].drop { $0 == " " }, line[..<blank])
        }
    }

    /// Below `Conffiles:` a line is a blank, the path from `/` on, the digest, and perhaps a word (dpkg-query(1)).
    static func eachConffile(_ text: String, _ body: (_ path: Substring, _ digest: Substring) -> Void) {
        var isList = false
        for line in text.split(separator: "\n") {
            guard line.hasPrefix(" ") else {
                isList = line.hasPrefix("Conffiles:")
                continue
            }
            guard isList, line.hasPrefix(" /") else { continue }
            let words = line.dropFirst(2).split(separator: " ")
            // A path may hold blanks.
            if let digest = words.last(where: { $0.utf8.count == 32 && $0.allSatisfy(\.isHexDigit) }) {
                body(line[..<line.index(before: digest.startIndex)].dropFirst(2), digest)
            }
        }
    }
}
