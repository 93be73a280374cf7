import FoundationEssentials
import Glibc
import NetrootConfig
import NetrootSite
import NetrootStore
import NetrootSystem

/// What a running machine of a label has changed on the host, recorded before it is changed.
///
/// The record outlives a SIGKILL: the next run of the same label undoes it first.
struct BootSession: Sendable {
    /// The files of this run: a TFTP root, keys, sockets, the console's log.
    let directory: String
    private let recordPath: String
    private let lock: FileLock

    /// What has to be undone.
    struct Record: Codable, Equatable {
        var directory: String
        var exports: [KernelExport]
    }

    /// Takes the lock, undoes what a killed run left, records and makes the directory.
    /// - Throws: `LockedError`, `SystemError`, `CommandError`.
    static func begin(
        _ label: Label, verb: String, exports: [KernelExport], note: (String) -> Void
    ) async throws -> BootSession {
        let lock = try FileLock(
            path: label.netroot + "/.machine.lock", subject: "the machine of \(label.name)",
            verb: "\(verb) \(label.name)")
        let recordPath = label.netroot + "/.machine.json"
        if Files.exists(recordPath) {
            let record = try readRecord(recordPath)
            try await undo(record, of: recordPath)
            note("undid what a killed run left: \(record.directory)")
        }
        let directory = try ownRuntimeDirectory() + "/\(label.name)-\(getpid())"
        let record = Record(directory: directory, exports: exports)
        try Files.replace(recordPath, with: Array(try JSON.text(record).utf8), mode: 0o600)
        try Files.makeDirectory(directory)
        // A watch of this run must not read what the console of the last one said.
        let console = Self.consoleLog(label)
        if Files.exists(console) { try SystemError.check("remove", console, unlink(console)) }
        // Keys for the guest lie in it.
        try SystemError.check("protect", directory, chmod(directory, 0o700))
        return BootSession(directory: directory, recordPath: recordPath, lock: lock)
    }

    /// Undoes what a run that was killed left, unless another one has the machine now.
    /// - Returns: the directory of the run that was killed; nil where there was none.
    /// - Throws: `RunError.damagedRecord`, `SystemError`, `CommandError`.
    static func undoLeft(of label: Label, verb: String) async throws -> String? {
        let recordPath = label.netroot + "/.machine.json"
        guard Files.exists(recordPath) else { return nil }
        let lock: FileLock
        do {
            lock = try FileLock(
                path: label.netroot + "/.machine.lock", subject: "the machine of \(label.name)",
                verb: "\(verb) \(label.name)")
        } catch is LockedError {
            return nil
        }
        defer { withExtendedLifetime(lock) {} }
        // Again: it may have ended meanwhile.
        guard Files.exists(recordPath) else { return nil }
        let record = try readRecord(recordPath)
        try await undo(record, of: recordPath)
        try SystemError.check("remove", recordPath, unlink(recordPath))
        return record.directory
    }

    /// Where the console of the label's machine is kept.
    static func consoleLog(_ label: Label) -> String { label.netroot + "/console.log" }

    /// Undoes everything, and forgets the record.
    /// - Throws: `SystemError`, `CommandError`.
    func end() async throws {
        if Files.exists(recordPath) {
            try await Self.undo(try Self.readRecord(recordPath), of: recordPath)
            try SystemError.check("remove", recordPath, unlink(recordPath))
        }
        withExtendedLifetime(lock) {}
    }

    /// The same after an error, which stays the one that is told; what cannot be undone now, the next run undoes.
    func end(after error: any Error, note: @Sendable (String) -> Void) async {
        do {
            try await uncancelled { try await end() }
        } catch let second {
            note("not undone, the next run will: \(second)")
        }
    }

    private static func readRecord(_ path: String) throws -> Record {
        do {
            return try JSON.value(Record.self, from: try Files.read(path))
        } catch is DecodingError {
            throw RunError.damagedRecord(path: path)
        }
    }

    /// What QEMU loads where it loads the kernel itself. Not among the files of the run, which are in RAM on most machines.
    var joinedInitramfs: String { Self.joinedInitramfs(beside: recordPath) }

    private static func joinedInitramfs(beside recordPath: String) -> String {
        Files.parent(recordPath) + "/.machine-initramfs"
    }

    private static func undo(_ record: Record, of recordPath: String) async throws {
        for export in record.exports { try await export.remove() }
        let joined = joinedInitramfs(beside: recordPath)
        FileReplacement.removeUnfinished(of: joined)
        if Files.exists(joined) { try SystemError.check("remove", joined, unlink(joined)) }
        // The record lies in NETROOT, which may be another user's: only our own directories go by its word.
        let own = try runtimeDirectory() + "/"
        let name = record.directory.dropFirst(own.count)
        guard record.directory.hasPrefix(own), !name.isEmpty, !name.contains("/"), name != ".." else { return }
        try Files.removeTree(record.directory)
        // /tmp is everybody's: nothing stays there. Another run's directory keeps it.
        let above = String(own.dropLast())
        if geteuid() != 0, rmdir(above) != 0, ![ENOTEMPTY, EEXIST, ENOENT].contains(errno) {
            throw SystemError("remove", above, code: errno)
        }
    }

    /// The same, made where it is missing, and checked to be this user's own and nobody else's to write.
    private static func ownRuntimeDirectory() throws -> String {
        let path = try runtimeDirectory()
        if mkdir(path, 0o700) != 0, errno != EEXIST { throw SystemError("make", path, code: errno) }
        var status = stat()
        try SystemError.check("read", path, lstat(path, &status))
        guard status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid(), status.st_mode & 0o022 == 0 else {
            throw SystemError("trust", path, code: EPERM)
        }
        return path
    }

    /// `/run/netroot`, or the user's own runtime directory: short, since Unix sockets lie in it.
    private static func runtimeDirectory() throws -> String {
        if geteuid() == 0 { return "/run/netroot" }
        if let own = getenv("XDG_RUNTIME_DIR"), Files.isDirectory(String(cString: own)) {
            return String(cString: own) + "/netroot"
        }
        return "/tmp/netroot-\(geteuid())"
    }
}
