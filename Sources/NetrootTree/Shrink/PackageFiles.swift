import Glibc
import NetrootSystem

/// Which package brought a file, and how many bytes of each package's files are still there.
public struct PackageFiles: Sendable {
    /// The names of the packages, as `NAME` or `NAME:ARCHITECTURE`, by path without a slash at its beginning.
    private var owners: [String: String] = [:]

    /// No files yet.
    public init() {}

    /// Reads dpkg's lists, `NAME.list` and `NAME:ARCHITECTURE.list` (dpkg(1), `/var/lib/dpkg/info`).
    /// - Throws: `RootPathError`, `SystemError`.
    public init(dpkgIn tree: RootTree) throws {
        let lists = "var/lib/dpkg/info"
        for file in try tree.names(in: lists) where file.hasSuffix(".list") {
            for path in try tree.text("\(lists)/\(file)").split(separator: "\n") {
                add(path, of: String(file.dropLast(".list".count)))
            }
        }
    }

    /// Reads pacman's lists: below `%FILES%` a path a line, up to an empty one.
    /// - Throws: `RootPathError`, `SystemError`.
    public init(pacmanIn tree: RootTree) throws {
        let database = "var/lib/pacman/local"
        for folder in try tree.names(in: database) where try tree.contains("\(database)/\(folder)/files") {
            // NAME-VERSION-RELEASE.
            let name = folder.split(separator: "-").dropLast(2).joined(separator: "-")
            let lines = try tree.text("\(database)/\(folder)/files")
                .split(separator: "\n", omittingEmptySubsequences: false)
            guard let start = lines.firstIndex(of: "%FILES%") else { continue }
            for path in lines[(start + 1)...].prefix(while: { !$0.isEmpty }) { add(path, of: name) }
        }
    }

    /// Adds a file of a package; what another package has too stays with the first.
    public mutating func add(_ path: some StringProtocol, of package: String) {
        let path = String(path.drop { $0 == "/" })
        if !path.isEmpty, owners[path] == nil { owners[path] = package }
    }

    /// The sizes of the regular files of each package that are in a root, in bytes, hard links once.
    /// - Throws: `RootPathError`, `SystemError`, `CancellationError`.
    public func bytes(in tree: RootTree) throws -> [String: Int64] {
        guard !owners.isEmpty else { return [:] }
        let owners = try throughLinks(of: tree)
        var bytes: [String: Int64] = [:]
        var inodes: Set<UInt64> = []
        try DirectoryHandle(tree.directory).walk { entry in
            guard entry.type == .regular, let package = owners[String(decoding: entry.path, as: UTF8.self)] else {
                return
            }
            let isFirst = entry.status.st_nlink < 2 || inodes.insert(UInt64(entry.status.st_ino)).inserted
            if isFirst { bytes[package, default: 0] += Int64(entry.status.st_size) }
        }
        return bytes
    }

    /// Lists name `/lib/…` though `/lib` is a symlink to `usr/lib`.
    private func throughLinks(of tree: RootTree) throws -> [String: String] {
        var tops: [String: String] = [:]
        for name in try tree.names(in: "/") {
            let place = try tree.resolve(name)
            let inRoot = String(place.dropFirst(tree.directory.count + 1))
            if inRoot != name { tops[name] = inRoot }
        }
        return Dictionary(
            owners.map { path, package in
                let top = String(path.prefix { $0 != "/" })
                return (tops[top].map { $0 + path.dropFirst(top.count) } ?? path, package)
            }, uniquingKeysWith: { first, _ in first })
    }
}
