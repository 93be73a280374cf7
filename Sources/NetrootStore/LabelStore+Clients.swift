import FoundationEssentials
import Glibc
import NetrootSystem

/// The record of the label's clients on disk.
extension LabelStore {
    /// Its directory, and nothing else is in it: a server that is no root's needs to write there, and nowhere else.
    var clientsDirectory: String { directory + "/clients" }
    /// Where it is.
    public var clientsFile: String { clientsDirectory + "/nfs.json" }
    /// Where one goes that cannot be read.
    public var damagedClientsFile: String { clientsFile + ".damaged" }
    /// 4096 entries take 800 KB.
    private static let clientsLimit = 16 << 20

    /// What is on disk; nobody where there is no record.
    /// - Throws: `StoreError.damagedClients`; `SystemError` where that does not say what the file holds.
    public func clients() throws -> ClientRecord {
        guard Files.exists(clientsFile) else { return ClientRecord() }
        do {
            return try JSON.value(
                ClientRecord.self, from: try Files.read(clientsFile, limit: Self.clientsLimit))
        } catch let error as SystemError where ![EFBIG, EISDIR].contains(error.code) {
            throw error
        } catch let error as any ReportableError {
            throw StoreError.damagedClients(path: clientsFile, reason: error.description)
        } catch {
            throw StoreError.damagedClients(path: clientsFile, reason: "it is not what netroot writes")
        }
    }

    /// The place of a damaged record that was laid aside since a time; nil where there is none.
    /// - Throws: `SystemError`.
    func clientsSetAside(after time: Date) throws -> String? {
        guard Files.exists(damagedClientsFile) else { return nil }
        var status = stat()
        try SystemError.check("read", damagedClientsFile, lstat(damagedClientsFile, &status))
        // A rename changes it, whatever the file holds.
        return TimeInterval(status.st_ctim.tv_sec) >= time.timeIntervalSince1970 ? damagedClientsFile : nil
    }

    /// Adds to the record on disk, under a lock of its own: several servers of a label lose nothing of each other's. Generations
    /// that are gone are forgotten.
    /// - Parameters:
    ///   - patience: for how long another server's turn is waited for, also in a cancelled task. One takes milliseconds.
    ///   - note: told where the record was damaged; it is laid aside then.
    /// - Returns: the record as it is now.
    /// - Throws: `LockedError`, `StoreError`, `SystemError`, `EncodingError`.
    @discardableResult
    public func addClients(
        _ seen: ClientRecord, patience: Duration = .seconds(5), note: (String) -> Void
    ) async throws -> ClientRecord {
        try Files.makeDirectory(clientsDirectory)
        let deadline = ContinuousClock.now + patience
        while true {
            do {
                let lock = try FileLock(
                    path: clientsDirectory + "/.lock", subject: "the record of clients of \(label)",
                    verb: "serve \(label)")
                defer { withExtendedLifetime(lock) {} }
                return try addLocked(seen, note: note)
            } catch let error as LockedError {
                guard ContinuousClock.now < deadline else { throw error }
            }
            try await uncancelled { try await Task.sleep(for: .milliseconds(Int.random(in: 5...25))) }
        }
    }

    private func addLocked(_ seen: ClientRecord, note: (String) -> Void) throws -> ClientRecord {
        var record: ClientRecord
        do {
            record = try clients()
        } catch let error as StoreError {
            try Files.move(clientsFile, to: damagedClientsFile)
            note("\(error)\nit is now \(damagedClientsFile), and a new record begins")
            record = ClientRecord()
        }
        record.add(seen)
        if record.since == nil { record.since = Date() }
        record.keep(Set(try numbers()))
        try Files.replace(clientsFile, with: Array(try JSON.text(record).utf8))
        return record
    }
}
