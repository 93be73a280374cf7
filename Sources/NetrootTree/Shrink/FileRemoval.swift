import Glibc
import NetrootSystem

/// Removing the files of a root that patterns mean. Symlinks are removed, and never followed.
public struct FileRemoval: Sendable {
    private let tree: RootTree
    private let patterns: [PathPattern]

    /// A file or directory that goes, with all that is below it.
    struct Doomed: Sendable, Equatable {
        let path: [UInt8]
        /// The first pattern that means it.
        let pattern: Int
    }

    /// What the patterns mean.
    public struct Plan: Sendable {
        /// The paths that nothing above them takes with it.
        let tops: [Doomed]
        /// The indexes of the patterns that mean nothing.
        public let unmatched: [Int]
        /// How many files of any kind go, directories among them.
        public let files: Int
        /// The sizes of their regular files in bytes, hard links once.
        public let bytes: Int64

        /// Whether something goes that is in one of these directories.
        /// - Parameter folders: from the root, without a slash at the beginning.
        public func reaches(into folders: [String]) -> Bool {
            let prefixes = folders.map { Array("\($0)/".utf8) }
            return tops.contains { top in prefixes.contains { top.path.starts(with: $0) } }
        }

        /// The first pattern that would take one of these paths away, and that path.
        /// - Parameter paths: from the root, without a slash at the beginning; with each, those of its directories count.
        public func taking(anyOf paths: [String]) -> (pattern: Int, path: String)? {
            for path in paths {
                let bytes = Array(path.utf8)
                for top in tops where bytes == top.path || bytes.starts(with: top.path + [UInt8(ascii: "/")]) {
                    return (top.pattern, path)
                }
            }
            return nil
        }
    }

    /// Patterns of absolute paths; nothing is looked at yet.
    public init(of tree: RootTree, patterns: [String]) {
        self.tree = tree
        self.patterns = patterns.map { PathPattern($0) }
    }

    /// Looks for what the patterns mean; what is mounted in the root is not looked at.
    /// - Throws: `SystemError`, `CancellationError`.
    public func plan() throws -> Plan {
        var tops: [Doomed] = []
        var used: Set<Int> = []
        var directories: Set<[UInt8]> = []
        var inodes: Set<UInt64> = []
        var (files, bytes): (Int, Int64) = (0, 0)
        try DirectoryHandle(tree.directory).walk { entry in
            let names = PathPattern.names(entry.path)
            let meaning = patterns.indices.filter { patterns[$0].matches(names: names) }
            used.formUnion(meaning)
            // The files of a directory come after it.
            let goesWithAbove = directories.contains(DirectoryHandle.split(entry.path).directory)
            guard goesWithAbove || !meaning.isEmpty else { return }
            if !goesWithAbove, let first = meaning.first { tops.append(Doomed(path: entry.path, pattern: first)) }
            if entry.type == .directory { directories.insert(entry.path) }
            files += 1
            let isFirst = entry.status.st_nlink < 2 || inodes.insert(UInt64(entry.status.st_ino)).inserted
            if entry.type == .regular, isFirst { bytes += Int64(entry.status.st_size) }
        }
        return Plan(tops: tops, unmatched: patterns.indices.filter { !used.contains($0) }, files: files, bytes: bytes)
    }

    /// Removes what a plan names.
    /// - Throws: `TreeRemovalError`, `SystemError`, `CancellationError`.
    public func run(_ plan: Plan) throws {
        let root = try DirectoryHandle(tree.directory)
        for doomed in plan.tops {
            let (above, name) = DirectoryHandle.split(doomed.path)
            try root.below(above).removeAll(name)
        }
    }
}

extension RootTree {
    /// The paths in the root that a program goes through when it opens a path: each symlink, and where it leads at last.
    /// - Returns: without slashes at the beginning; those that are there.
    /// - Throws: `RootPathError`, `SystemError`.
    public func way(to path: String) throws -> [String] {
        var way: [String] = []
        var next = path
        while way.count < 80, !next.isEmpty {
            // Symlinks among the directories, too.
            let names = next.split(separator: "/")
            for count in 1..<max(2, names.count) {
                let above = names.prefix(count).joined(separator: "/")
                if let target = try linkTarget(of: above) { way += [above, target] }
            }
            guard try contains(next) else { break }
            let place = inRoot(try resolve(next, followLast: false))
            way.append(place)
            guard let target = try linkTarget(of: place) else { break }
            next = target
        }
        return way.map { String($0.drop { $0 == "/" }) }.filter { !$0.isEmpty }.removingDuplicates()
    }

    /// Where the symlink at a path leads, as a path from the root; nil where there is none.
    private func linkTarget(of path: String) throws -> String? {
        let place = try resolve(path, followLast: false)
        guard let target = try Files.linkTarget(place) else { return nil }
        return target.hasPrefix("/") ? target : Files.parent("/" + inRoot(place)) + "/" + target
    }

    /// A path of the host below the root as one from the root.
    private func inRoot(_ place: String) -> String { String(place.dropFirst(directory.count).drop { $0 == "/" }) }
}
