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
    /// - Parameter oneFilesystem: whether what is mounted in the tree is left out, but its mount point.
    /// - Throws: `SystemError`, `CancellationError`, and what `body` throws.
    public func walk(oneFilesystem: Bool = true, _ body: (WalkEntry) throws -> Void) throws {
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
                if type == .directory, !oneFilesystem || status.st_dev == device { deeper.append(entry.path) }
            }
            pending += deeper.reversed()
        }
    }

    /// Removes a file, or a directory with all that is in it; it may be missing. A symlink is removed, not followed, and a
    /// mount point below is an error.
    /// - Throws: `SystemError`, `CancellationError`.
    public func removeAll(_ name: [UInt8]) throws {
        guard try !remove(name, 0) else { return }
        let top = try below(name)
        var directories: [[UInt8]] = []
        try top.walk { entry in
            if entry.type == .directory {
                directories.append(entry.path)
            } else {
                _ = try entry.directory.remove(entry.name, 0)
            }
        }
        for path in directories.reversed() {
            let (parent, name) = Self.split(path)
            _ = try top.below(parent).remove(name, AT_REMOVEDIR)
        }
        _ = try remove(name, AT_REMOVEDIR)
    }

    /// Removes a file or symlink; it may be missing.
    /// - Throws: `SystemError`.
    public func remove(_ name: [UInt8]) throws {
        guard try remove(name, 0) else { throw failure("remove", name, code: EISDIR) }
    }

    /// - Returns: false where it is a directory, and the call is for files.
    private func remove(_ name: [UInt8], _ flags: Int32) throws -> Bool {
        if unlinkat(descriptor, Self.terminated(name), flags) == 0 || errno == ENOENT { return true }
        guard errno == EISDIR, flags == 0 else { throw failure("remove", name) }
        return false
    }
}
