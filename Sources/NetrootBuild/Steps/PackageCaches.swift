import NetrootConfig
import NetrootSystem
import NetrootTree

/// What package managers leave behind in a root, and every client would get: caches, lists of repositories, logs.
struct PackageCaches: Sendable {
    let tree: RootTree
    /// The patterns, as `root-files/package-caches` has them: with `!` in front what stays.
    let patterns: [String]

    /// Removes it.
    /// - Returns: the sizes of the regular files that are gone, in bytes.
    /// - Throws: `RootPathError`, `TreeRemovalError`, `SystemError`, `CancellationError`.
    func remove() throws -> Int64 {
        let kept = Set(
            try patterns.filter { $0.hasPrefix("!") }.flatMap { try tree.paths(matching: String($0.dropFirst())) })
        var bytes: Int64 = 0
        for pattern in patterns where !pattern.hasPrefix("!") {
            for path in try tree.paths(matching: pattern) where !kept.contains(path) {
                bytes += try tree.bytes(of: path)
                try tree.removeAll(path)
            }
        }
        return bytes
    }
}

extension ShippedFiles {
    /// What the label lets package managers not leave in a root; nil where it keeps all.
    /// - Throws: `SystemError`.
    func packageCaches(in root: String, of label: Label) throws -> PackageCaches? {
        guard !label.keepsPackageCaches else { return nil }
        return PackageCaches(tree: RootTree(directory: root), patterns: try lines(of: "package-caches"))
    }
}
