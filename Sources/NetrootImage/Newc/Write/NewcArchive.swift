import NetrootSystem
public import SystemPackage

/// A newc cpio archive to be written: sorted, whole, and the same bytes for the same entries.
///
/// The format is the kernel's "initramfs buffer format"
/// (Documentation/driver-api/early-userspace/buffer-format.rst), header `070701`. Several archives may be written one
/// after the other; each ends on a multiple of 512 bytes.
public struct NewcArchive: Sendable, Equatable {
    /// Sorted by the bytes of the path; every parent directory is among them.
    public let entries: [NewcEntry]

    /// The name that ends an archive.
    static let trailer = Array("TRAILER!!!".utf8)
    /// The kernel drops longer names and link targets without a word (`init/initramfs.c`, `PATH_MAX` with the NUL).
    static let longestPath = 4095

    /// Checks and sorts entries, and adds the parent directories that are missing, as 0755 root:root.
    ///
    /// - Throws: `NewcError.badEntry` for a path that is absolute, empty, too long or twice there, that holds NUL,
    ///   `.` or `..`, or lies below something that is not a directory.
    public init(entries: [NewcEntry]) throws(NewcError) {
        var byPath: [[UInt8]: NewcEntry] = [:]
        for entry in entries {
            try Self.check(entry)
            guard byPath.updateValue(entry, forKey: entry.path) == nil else {
                throw Self.error(entry, "the name is named twice")
            }
        }
        for entry in entries {
            var parent = entry.path[...]
            while let slash = parent.lastIndex(of: UInt8(ascii: "/")) {
                parent = parent[..<slash]
                let known = byPath[Array(parent)]
                if let known, known.content != .directory {
                    throw Self.error(entry, "'\(TerminalText.line(Array(parent)))' is not a directory")
                }
                if known != nil { break }
                byPath[Array(parent)] = NewcEntry(path: Array(parent), content: .directory)
            }
        }
        self.entries = byPath.values.sorted { $0.path.lexicographicallyPrecedes($1.path) }
    }

    /// Writes the archive, file contents streamed.
    ///
    /// - Returns: the bytes written, a multiple of 512.
    /// - Throws: `SystemError`; `NewcError.badEntry` for a file of 4 GiB or more, or one that changes meanwhile.
    @discardableResult
    public func write(to descriptor: FileDescriptor) throws -> UInt64 {
        let output = NewcOutput { try descriptor.writeAll($0) }
        try write(to: output)
        return output.written
    }

    /// Writes the archive under a temporary name beside `path`, syncs it and renames it.
    ///
    /// - Parameter mode: the permissions, whatever the umask.
    /// - Returns: the bytes written.
    /// - Throws: as `write(to:)`; what `path` was is then still there.
    @discardableResult
    public func write(toFile path: String, mode: UInt32 = 0o644) throws -> UInt64 {
        try FileReplacement.write(path, mode: mode) { try write(to: $0) }
    }

    /// The whole archive in memory, for small ones.
    ///
    /// - Throws: as `write(to:)`.
    public func bytes() throws -> [UInt8] {
        var result: [UInt8] = []
        let output = NewcOutput { result.append(contentsOf: $0) }
        try write(to: output)
        return result
    }

    private static func error(_ entry: NewcEntry, _ problem: String) -> NewcError {
        .badEntry(path: TerminalText.line(entry.path), problem: problem)
    }

    private static func check(_ entry: NewcEntry) throws(NewcError) {
        guard !entry.path.isEmpty else { throw error(entry, "the name is empty") }
        guard entry.path.first != UInt8(ascii: "/") else { throw error(entry, "the name is absolute") }
        guard !entry.path.contains(0) else { throw error(entry, "the name holds a NUL byte") }
        guard entry.path.count <= longestPath else { throw error(entry, "the name has more than 4095 bytes") }
        guard entry.path != trailer else { throw error(entry, "this name ends an archive") }
        let components = entry.path.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard components.allSatisfy({ !$0.isEmpty && !$0.elementsEqual(".".utf8) }) else {
            throw error(entry, "the name has an empty component or '.'")
        }
        guard components.allSatisfy({ !$0.elementsEqual("..".utf8) }) else { throw error(entry, "the name holds '..'") }
        guard entry.mode & ~0o7777 == 0 else { throw error(entry, "the mode has more than the permission bits") }
        if case .symlink(let target) = entry.content {
            guard (1...longestPath).contains(target.count), !target.contains(0) else {
                throw error(entry, "the link's target is empty, too long, or holds a NUL byte")
            }
        }
    }
}
