public import Glibc

extension DirectoryHandle {
    /// A file that a walk meets.
    public struct WalkEntry: Sendable {
        /// The directory that holds it.
        public let directory: DirectoryHandle
        /// From the top of the walk, with a slash between two names.
        public let path: [UInt8]
        /// Its name in the directory.
        public let name: [UInt8]
        /// lstat(2) of it.
        public let status: stat
        /// Nil for a type that Linux does not know.
        public let type: FileType?

        /// Its path on the host, by the directory that the walk began at.
        public var place: [UInt8] { directory.path + [UInt8(ascii: "/")] + name }
        /// For messages.
        public var display: String { directory.display(name) }
    }

    /// Calls `body` with every file below the directory, but the directory itself. Names are sorted by their bytes; the files
    /// of a directory come one after the other, those of the directories in it later. However deep the tree is, two descriptors
    /// are open.
    /// - Parameters:
    ///   - oneFilesystem: whether what is mounted in the tree is left out, but its mount point.
    ///   - entering: whether what is in a directory is looked at too.
    /// - Throws: `SystemError`, `CancellationError`, and what `body` throws.
    public func walk(
        oneFilesystem: Bool = true, entering: (WalkEntry) -> Bool = { _ in true },
        _ body: (WalkEntry) throws -> Void
    ) throws {
        let device = try status().st_dev
        var pending: [[UInt8]] = [[]]
        while let path = pending.popLast() {
            try Task.checkCancellation()
            let directory = try below(path)
            let start = path.isEmpty ? [] : path + [UInt8(ascii: "/")]
            var deeper: [[UInt8]] = []
            for name in try directory.names() {
                let status = try directory.status(name)
                let type = FileType(rawValue: UInt32(status.st_mode) & FileType.mask)
                let entry = WalkEntry(directory: directory, path: start + name, name: name, status: status, type: type)
                try body(entry)
                guard type == .directory, !oneFilesystem || status.st_dev == device, entering(entry) else { continue }
                deeper.append(entry.path)
            }
            pending += deeper.reversed()
        }
    }

    /// Removes a file or symlink; it may be missing.
    /// - Throws: `SystemError`.
    public func remove(_ name: [UInt8]) throws {
        guard unlinkat(descriptor, Self.terminated(name), 0) != 0, errno != ENOENT else { return }
        throw failure("remove", name)
    }
}
