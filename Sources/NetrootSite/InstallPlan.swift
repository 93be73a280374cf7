import Glibc
import NetrootImage
import NetrootSystem

import struct SystemPackage.Errno

/// The changes that an install makes to files, worked out before the first of them.
public struct InstallPlan: Sendable, Equatable {
    /// One change.
    public enum Change: Sendable, Equatable {
        /// A file is copied; size in bytes.
        case copy(source: String, target: String, bytes: Int64)
        /// A text is written; `old` is what is there now.
        case write(path: String, old: [UInt8]?, new: [UInt8])
        /// A file is written that nobody reads as text.
        case generate(path: String, new: [UInt8])
        /// A directory that nothing names any more is removed.
        case remove(path: String)
        /// A text that must not be there any more is removed.
        case delete(path: String, old: [UInt8])

        fileprivate func writes(_ path: String) -> Bool {
            switch self {
            case .write(path, _, _), .generate(path, _): true
            default: false
            }
        }
    }

    /// In the order in which they are made: an entry comes after the files that it names.
    public private(set) var changes: [Change] = []
    /// Files that are as they should be.
    public private(set) var unchanged: [String] = []

    /// Whether what it writes is for nobody but its owner to read: 0600, where a file has no other mode already.
    private let isPrivate: Bool
    /// Whether the filesystem has modes; vfat refuses to be told one.
    private let hasModes: Bool

    /// No changes yet.
    init(isPrivate: Bool = false, hasModes: Bool = true) {
        self.isPrivate = isPrivate
        self.hasModes = hasModes
    }

    /// What the user should know besides the changes.
    public private(set) var notes: [String] = []

    /// Adds a note, once.
    mutating func note(_ text: String) { if !notes.contains(text) { notes.append(text) } }

    /// Adds a copy unless the target has the same content.
    /// - Throws: `SystemError`, `CommandError`.
    mutating func copy(_ source: String, to target: String) async throws {
        let isPlanned = changes.contains { if case .copy(_, target, _) = $0 { true } else { false } }
        if isPlanned { return }
        if try await Self.same(source, target) {
            unchanged.append(target)
        } else {
            changes.append(.copy(source: source, target: target, bytes: try Files.size(source)))
        }
    }

    /// Adds a text unless the file has it.
    /// - Throws: `SystemError`.
    mutating func write(_ path: String, _ text: [UInt8], isText: Bool = true) throws {
        if let planned = changes.firstIndex(where: { $0.writes(path) }) {
            // Of two changes to one file the later counts; the old content is still what is on the disk.
            guard case .write(_, let old, _) = changes[planned] else { return }
            changes[planned] = .write(path: path, old: old, new: text)
            return
        }
        let old = Files.exists(try Self.followed(path)) ? try Files.read(path) : nil
        if old == text {
            if !unchanged.contains(path) { unchanged.append(path) }
        } else {
            unchanged.removeAll { $0 == path }
            changes.append(isText ? .write(path: path, old: old, new: text) : .generate(path: path, new: text))
        }
    }

    /// Adds site archives beside an initramfs: a file as it is, a directory packed to lie over the root.
    /// - Returns: their names in the directory, in order.
    /// - Throws: `SystemError`, `CommandError`, and what packing throws.
    mutating func addSiteFiles(_ sources: [String], in directory: String, prefix: String) async throws -> [String] {
        var names: [String] = []
        for (number, source) in sources.enumerated() {
            let name = "\(prefix)\(number + 1).cpio"
            if Files.isDirectory(source) {
                let archive = try NewcArchive(directory: source, prefix: "netroot/overlay")
                try write("\(directory)/\(name)", try archive.bytes(), isText: false)
            } else {
                try await copy(source, to: "\(directory)/\(name)")
            }
            if !isPrivate, try !Self.isReadableForAll(source) {
                note("\(source) was readable for its owner alone, and every client can load it now")
            }
            names.append(name)
        }
        return names
    }

    /// Whether every user may read it.
    /// - Throws: `SystemError`.
    static func isReadableForAll(_ path: String) throws -> Bool {
        var status = stat()
        try SystemError.check("read", path, stat(path, &status))
        return status.st_mode & S_IROTH != 0
    }

    /// The content that a file will have; nil where there will be none.
    /// - Throws: `SystemError`.
    func content(of path: String) throws -> [UInt8]? {
        for case .write(path, _, let new) in changes { return new }
        return Files.exists(path) ? try Files.read(path) : nil
    }

    /// The names that a directory will hold, sorted.
    /// - Throws: `SystemError`.
    func names(in directory: String) throws -> [String] {
        let planned = changes.compactMap { change -> String? in
            guard case .write(let path, _, _) = change, Files.parent(path) == directory else { return nil }
            return String(path.dropFirst(directory.count + 1))
        }
        return Set(try Files.names(in: directory)).union(planned).sorted()
    }

    /// Names a file that is left as it is.
    mutating func keep(_ path: String) { if !unchanged.contains(path) { unchanged.append(path) } }

    /// Adds the removal of a directory.
    mutating func remove(_ path: String) { changes.append(.remove(path: path)) }

    /// Adds the removal of a text, where it is there.
    /// - Throws: `SystemError`.
    mutating func delete(_ path: String) throws {
        if Files.exists(path) { changes.append(.delete(path: path, old: try Files.read(path))) }
    }

    /// Whether a file of this folder is changed, or is as it should be.
    func concerns(_ folder: String) -> Bool {
        let changed = changes.compactMap { change -> String? in
            switch change {
            case .copy(_, let path, _), .write(let path, _, _), .generate(let path, _), .delete(let path, _): path
            case .remove: nil
            }
        }
        return (changed + unchanged).contains { Files.parent($0) == folder }
    }

    /// Checks that every file can be written, before the first is: its directory, or the nearest there is above it,
    /// is a directory that this user may write to.
    /// - Throws: `SystemError`.
    func requireWritable() throws {
        for change in changes {
            let path =
                switch change {
                case .copy(_, let target, _): target
                case .write(let path, _, _), .generate(let path, _): path
                case .remove(let path), .delete(let path, _): path
                }
            var place = Files.parent(try change.writes(path) ? Self.followed(path) : path)
            while !Files.exists(place) { place = Files.parent(place) }
            guard Files.isDirectory(place) else { throw SystemError("write below", place, code: ENOTDIR) }
            guard access(place, W_OK) == 0 else { throw SystemError("write below", place, code: errno) }
        }
    }

    private static func same(_ one: String, _ other: String) async throws -> Bool {
        guard Files.exists(other), try Files.size(one) == Files.size(other) else { return false }
        do {
            _ = try await CommandRunner().capture(Command(["cmp", "-s", "--", one, other]))
            return true
        } catch CommandError.failed(_, .exited(1), _, _) {
            return false
        }
    }

    /// Makes the changes.
    /// - Throws: `SystemError`, `CommandError`.
    public func apply() async throws {
        for change in changes {
            switch change {
            case .copy(let source, let target, _): try copy(source, target)
            case .write(let path, _, let new): try write(new, path)
            case .generate(let path, let new):
                try Files.makeDirectory(Files.parent(path))
                try FileReplacement.write(path, mode: try mode(of: path)) { _ = try $0.writeAll(new) }
            case .remove(let path):
                try Files.removeTree(path)
            case .delete(let path, _):
                if unlink(path) != 0, errno != ENOENT { throw SystemError("remove", path, code: errno) }
            }
        }
    }

    /// A text that others may share: a symlink to it stays one, and the file keeps its mode and owner.
    private func write(_ text: [UInt8], _ path: String) throws {
        let path = try Self.followed(path)
        try Files.makeDirectory(Files.parent(path))
        var status = stat()
        guard lstat(path, &status) == 0 else {
            return try FileReplacement.write(path, mode: try mode(of: path)) { _ = try $0.writeAll(text) }
        }
        try FileReplacement.write(path, mode: hasModes ? UInt32(status.st_mode & 0o777) : nil) { file in
            _ = try file.writeAll(text)
            // Who may not give files away at least keeps the group, where he is in it.
            guard fchown(file.rawValue, status.st_uid, status.st_gid) != 0 else { return }
            guard errno == EPERM else { throw Errno(rawValue: errno) }
            _ = fchown(file.rawValue, uid_t.max, status.st_gid)
        }
    }

    /// What a path leads to in the end; the path itself where it is no symlink.
    /// - Throws: `SystemError` where a symlink leads nowhere.
    static func followed(_ path: String) throws -> String {
        guard try Files.linkTarget(path) != nil else { return path }
        guard let resolved = realpath(path, nil) else { throw SystemError("follow the symlink", path, code: errno) }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// Under a temporary name first: a client that asks meanwhile gets the old file or none, never half of one.
    private func copy(_ source: String, _ target: String) throws {
        try Files.makeDirectory(Files.parent(target))
        try Files.copy(source, to: target, mode: try mode(of: target))
    }

    /// The permissions that a file gets; nil where the filesystem has none.
    private func mode(of path: String) throws -> UInt32? {
        guard hasModes else { return nil }
        guard isPrivate else { return 0o644 }
        var status = stat()
        guard lstat(path, &status) == 0 else { return 0o600 }
        return UInt32(status.st_mode & 0o777)
    }

    /// The bytes that the changes write, before what they replace goes.
    var bytes: Int64 {
        changes.reduce(0) { sum, change in
            switch change {
            case .copy(_, _, let bytes): sum + bytes
            case .write(_, _, let new), .generate(_, let new): sum + Int64(new.count)
            case .remove, .delete: sum
            }
        }
    }

    /// What was, or would be, done: one line a file, and a unified diff of each text for a dry run.
    /// - Throws: for a dry run `MissingError`, `CommandError`, `SystemError`, `CancellationError`.
    public func report(dryRun: Bool) async throws -> String {
        var text = ""
        for change in changes {
            switch change {
            case .copy(_, let target, let bytes):
                text += "\(dryRun ? "would copy" : "copied") \(target) (\(bytes) bytes)\n"
            case .write(let path, let old, let new):
                text +=
                    dryRun ? try await UnifiedDiff.text(old: old, new: new, path: path) : "wrote \(path)\n"
            case .generate(let path, let new):
                text += "\(dryRun ? "would write" : "wrote") \(path) (\(new.count) bytes)\n"
            case .delete(let path, let old):
                text += dryRun ? try await UnifiedDiff.text(old: old, new: nil, path: path) : "removed \(path)\n"
            case .remove(let path): text += "\(dryRun ? "would remove" : "removed") \(path)\n"
            }
        }
        if !dryRun { for path in unchanged { text += "unchanged \(path)\n" } }
        return text
    }
}
