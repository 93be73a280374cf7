import Glibc
import NetrootSystem

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

    /// What the user should know besides the changes.
    public private(set) var notes: [String] = []

    /// Adds a note.
    mutating func note(_ text: String) { notes.append(text) }

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
        let old = Files.exists(path) ? try Files.read(path) : nil
        if old == text {
            if !unchanged.contains(path) { unchanged.append(path) }
        } else {
            unchanged.removeAll { $0 == path }
            changes.append(isText ? .write(path: path, old: old, new: text) : .generate(path: path, new: text))
        }
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
            var place = Files.parent(path)
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
            case .copy(let source, let target, _): try Self.copy(source, target)
            case .write(let path, _, let new), .generate(let path, let new):
                try Files.makeDirectory(Files.parent(path))
                try Files.replace(path, with: new)
            case .remove(let path):
                try Files.removeTree(path)
            case .delete(let path, _):
                if unlink(path) != 0, errno != ENOENT { throw SystemError("remove", path, code: errno) }
            }
        }
    }

    /// Under a temporary name first: a client that asks meanwhile gets the old file or none, never half of one.
    private static func copy(_ source: String, _ target: String) throws {
        try Files.makeDirectory(Files.parent(target))
        try Files.copy(source, to: target, mode: 0o644)
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
