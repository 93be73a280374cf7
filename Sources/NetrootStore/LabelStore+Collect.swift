public import FoundationEssentials
import Glibc
import NetrootConfig
public import NetrootSystem

/// What `gc` removes, and why the rest stays.
public struct Collection: Sendable, Equatable {
    /// The numbers that are removed, or would be.
    public internal(set) var removed: [Int] = []
    /// The numbers that stay because a run of netroot holds them.
    public internal(set) var inUse: [Int] = []
    /// What clients were last seen with, not long ago: their generations stay.
    public internal(set) var seen: [ClientRecord.Entry] = []
    /// The numbers that stay because no record says which clients run them.
    public internal(set) var unrecorded: [Int] = []
    /// Since when there is a record, where that is too short a time for `unrecorded`; nil where there is none.
    public internal(set) var recordedSince: Date?
    /// The transports by which clients can boot what is removed; empty where it is not whole.
    public internal(set) var transports: Set<String> = []

    /// The numbers that stay because of `seen`, ascending.
    public var spared: [Int] { Set(seen.map(\.generation)).sorted() }
}

/// What `gc` is told.
public struct CollectionRule: Sendable, Equatable {
    /// How many of the newest whole generations stay.
    public var keep: Int
    /// Generations that stay, whatever else.
    public var keeping: Set<Int>
    /// A client that was seen since then may still run its generation; nil spares none for that.
    public var seenSince: Date?
    /// Whether the label was installed for netroot's own NFS server, so that a record of its clients is to be expected.
    public var expectsRecord: Bool
    /// The time of the collection.
    public var now: Date
    /// Whether what clients were seen with is removed all the same, and a damaged record of clients is no hindrance.
    public var force: Bool
    /// Whether nothing is removed.
    public var dryRun: Bool

    /// Nothing is looked at yet.
    public init(
        keep: Int, keeping: Set<Int> = [], seenSince: Date? = nil, expectsRecord: Bool = false, now: Date = Date(),
        force: Bool = false, dryRun: Bool = false
    ) {
        self.keep = keep
        self.keeping = keeping
        self.seenSince = seenSince
        self.expectsRecord = expectsRecord
        self.now = now
        self.force = force
        self.dryRun = dryRun
    }
}

extension LabelStore {
    /// Removes all generations but the newest `keep` whole ones with the damaged ones between them, the current one, those in
    /// `keeping`, those that clients were seen with, and those that a run of netroot holds. Call it with the lock held.
    /// - Throws: `StoreError`, `CommandError`, `SystemError`.
    public func collect(_ rule: CollectionRule, _ runner: CommandRunner) async throws -> Collection {
        let numbers = try self.numbers()
        let usable = try self.usable().generations
        var spared = rule.keeping
        let newest = usable.suffix(max(rule.keep, 0))
        if let first = newest.first { spared.formUnion(numbers.filter { $0 >= first.number }) }
        if let current = try currentNumber() { spared.insert(current) }
        var result = Collection()
        let candidates = numbers.filter { !spared.contains($0) }
        if !rule.force, !candidates.isEmpty, let since = rule.seenSince {
            result.seen = try clientsSeen(with: Set(candidates), since: since)
            let others = candidates.filter { !result.spared.contains($0) }
            (result.unrecorded, result.recordedSince) = try unrecorded(of: others, usable, rule)
        }
        let staying = Set(result.spared + result.unrecorded)
        for number in candidates where !staying.contains(number) {
            let directory = "\(generationsDirectory)/\(number)"
            // Kept until it is removed: who wants to hold it meanwhile waits, and then finds it gone.
            let lock = try exclusiveLock(directory)
            if case .held = lock {
                result.inUse.append(number)
                continue
            }
            defer { if case .taken(let descriptor) = lock { close(descriptor) } }
            result.transports.formUnion(
                usable.first { $0.number == number }?.manifest.transports.map(\.rawValue) ?? [])
            result.removed.append(number)
            if rule.dryRun { continue }
            // Renamed first: a removal that is killed half way leaves nothing that looks like a generation.
            let doomed = "\(generationsDirectory)/\(Self.draftPrefix)gc-\(number)"
            try InodeFlags.clear(directory)
            try SystemError.check("remove", directory, rename(directory, doomed))
            try await remove(doomed, runner)
        }
        return result
    }

    /// The clients that may still run one of these generations.
    /// - Throws: `StoreError.damagedClients`, `.setAsideClients`, `SystemError`.
    private func clientsSeen(with generations: Set<Int>, since: Date) throws -> [ClientRecord.Entry] {
        if let aside = try clientsSetAside(after: since) { throw StoreError.setAsideClients(path: aside) }
        return try clients().entries.filter { generations.contains($0.generation) && $0.lastSeen >= since }
    }

    /// For how long a client may run a generation and ask nothing: its attribute cache holds for a day (`actimeo=86400`).
    private static let longestSilence: TimeInterval = 86_400

    /// The generations that a client may run though no record says so: an older server kept none, or it could not be written.
    /// - Returns: those, and since when there is a record.
    /// - Throws: `StoreError.damagedClients`, `SystemError`.
    private func unrecorded(
        of numbers: [Int], _ usable: [Generation], _ rule: CollectionRule
    ) throws -> ([Int], Date?) {
        guard rule.expectsRecord || Files.exists(clientsFile) else { return ([], nil) }
        let since = try clients().since
        if let since, rule.now.timeIntervalSince(since) >= Self.longestSilence { return ([], nil) }
        let left = numbers.filter { number in
            // What is damaged may have been whole when a client booted it.
            guard let manifest = usable.first(where: { $0.number == number })?.manifest else { return true }
            guard manifest.transports.map(\.rawValue).contains(ClientRecord.transport) else { return false }
            guard let since else { return true }
            // Whoever came to a later one is in the record.
            return ClientRecord.date(manifest.finished).map { $0 < since } ?? true
        }
        return (left, left.isEmpty ? nil : since)
    }

    private enum DirectoryLock {
        case taken(Int32)
        case held
        /// What has the name of a generation is not a directory, so nobody can hold it.
        case notNeeded
    }

    private func exclusiveLock(_ directory: String) throws -> DirectoryLock {
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        if descriptor < 0, errno == ENOTDIR || errno == ELOOP { return .notNeeded }
        try SystemError.check("read", directory, descriptor)
        if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return .taken(descriptor) }
        let code = errno
        close(descriptor)
        guard code == EWOULDBLOCK else { throw SystemError("lock", directory, code: code) }
        return .held
    }
}
