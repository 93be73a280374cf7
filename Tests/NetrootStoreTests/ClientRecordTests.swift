import Foundation
import NetrootConfig
import NetrootSystem
import TestSupport
import Testing

@testable import NetrootStore

/// Which clients were seen with which generations, and what `gc` makes of it.
@Suite struct ClientRecordTests {
    private let stores: LabelStoreTests
    private var store: LabelStore { stores.store }
    private static let now = Date(timeIntervalSince1970: 1_900_000_000)

    init() throws { stores = try LabelStoreTests() }

    private static func seen(_ address: String?, _ generation: Int, _ days: Double = 0) -> ClientRecord.Entry {
        ClientRecord.Entry(address: address, generation: generation, seen: now.addingTimeInterval(-86_400 * days))
    }

    private func record(_ entries: [ClientRecord.Entry]) -> ClientRecord {
        var record = ClientRecord()
        for entry in entries { record.add(entry) }
        return record
    }

    @Test func whatIsWrittenIsReadAgain() throws {
        var record = record([
            Self.seen("192.168.7.2", 1, 3), Self.seen("192.168.7.2", 1, 1), Self.seen("fd00::7", 2),
            Self.seen(nil, 1, 9),
        ])
        record.add(Self.seen(nil, 1, 2))
        let text = try JSON.text(record)
        #expect(try JSON.value(ClientRecord.self, from: Array(text.utf8)) == record)
        #expect(record.entries.map(\.address) == ["fd00::7", "192.168.7.2", nil])
        #expect(record.entries.map(\.clients) == [1, 1, 2])
        let old = try #require(record.entries.dropFirst().first)
        #expect(old.firstSeen == Self.now - 3 * 86_400 && old.lastSeen == Self.now - 86_400)
        #expect(text.contains("\"transport\" : \"nfs\"") && text.contains("\"schema\" : 1"))
    }

    @Test("However many addresses come, the record stays small, and no generation that one of them used is forgotten")
    func aFloodOfAddresses() throws {
        var record = ClientRecord(limit: 64)
        record.add(Self.seen("192.168.7.2", 1, 20))
        for number in 0..<5_000 { record.add(Self.seen("fd00::\(number)", 2, 1)) }
        #expect(record.entries.count <= 64 + 8 + 2)
        let old = record.entries.filter { $0.generation == 1 }
        #expect(old.map(\.lastSeen) == [Self.now - 20 * 86_400], "its client has lost its name at most")
        #expect(record.entries.filter { $0.generation == 2 }.map(\.clients).reduce(0, +) == 5_000)
    }

    @Test("Several servers of one label lose nothing of each other's")
    func severalServers() async throws {
        for _ in 1...2 { try await stores.publish() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for server in 0..<4 {
                group.addTask { [store] in
                    for number in 0..<10 {
                        var seen = ClientRecord()
                        seen.add(Self.seen("192.168.\(server).\(number)", 1 + number % 2))
                        try await store.addClients(seen) { Issue.record("\($0)") }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try store.clients().entries.count == 40)
        var status = stat()
        #expect(stat(store.clientsDirectory + "/.lock", &status) == 0 && status.st_mode & 0o777 == 0o600)
    }

    @Test("gc leaves what a client was last seen with not long ago; --force takes it, --dry-run nothing")
    func gcSparesWhatClientsRun() async throws {
        for _ in 1...5 { try await stores.publish() }
        try await store.addClients(record([Self.seen("192.168.7.2", 1, 29), Self.seen("192.168.7.3", 2, 31)])) { _ in }
        var rule = CollectionRule(keep: 1, seenSince: Self.now - 30 * 86_400, now: Self.now, dryRun: true)
        let planned = try await store.collect(rule, CommandRunner())
        #expect(planned.removed == [2, 3, 4] && planned.spared == [1] && planned.transports == ["nfs"])
        #expect(planned.seen.map(\.address) == ["192.168.7.2"])
        #expect(try store.numbers() == [1, 2, 3, 4, 5])
        rule.dryRun = false
        #expect(try await store.collect(rule, CommandRunner()) == planned)
        #expect(try store.numbers() == [1, 5])
        rule.force = true
        #expect(try await store.collect(rule, CommandRunner()).removed == [1])
        // What is gone is forgotten with the next sight.
        try await store.addClients(record([Self.seen("192.168.7.4", 5)])) { _ in }
        #expect(try store.clients().entries.map(\.address) == ["192.168.7.4"])
    }

    @Test("Who finds the record locked by another server for longer than a while is told by whom")
    func aLockedRecord() async throws {
        try Files.makeDirectory(store.clientsDirectory)
        let lock = try FileLock(path: store.clientsDirectory + "/.lock", subject: "x", verb: "serve a")
        await #expect(throws: LockedError.self) {
            try await store.addClients(ClientRecord(), patience: .milliseconds(60)) { _ in }
        }
        withExtendedLifetime(lock) {}
    }

    @Test("Without a record gc removes nothing that clients of netroot's own server may run, and --force does")
    func noRecord() async throws {
        for _ in 1...3 { try await stores.publish() }
        let since = Date(timeIntervalSinceNow: -30 * 86_400)
        let lab = CollectionRule(keep: 1, seenSince: since, dryRun: true)
        #expect(try await store.collect(lab, CommandRunner()).removed == [1, 2], "never served by netroot serve")
        var rule = CollectionRule(keep: 1, seenSince: since, expectsRecord: true)
        let result = try await store.collect(rule, CommandRunner())
        #expect(result.removed == [] && result.unrecorded == [1, 2] && result.recordedSince == nil)
        rule.dryRun = true
        rule.seenSince = nil
        #expect(try await store.collect(rule, CommandRunner()).removed == [1, 2], "gc is not to look at clients")
        rule.seenSince = since
        rule.force = true
        #expect(try await store.collect(rule, CommandRunner()).removed == [1, 2])
    }

    @Test("A record counts for what is older than itself when it is a day old, and for what is younger at once")
    func aYoungRecord() async throws {
        for _ in 1...3 { try await stores.publish() }
        try await store.addClients(ClientRecord()) { _ in }
        let began = try #require(try store.clients().since)
        try await store.addClients(record([Self.seen("192.168.7.4", 3)])) { _ in }
        #expect(try store.clients().since == began, "the next start of a server begins nothing new")
        var rule = CollectionRule(keep: 1, seenSince: began - 30 * 86_400, now: began + 86_399, dryRun: true)
        let young = try await store.collect(rule, CommandRunner())
        #expect(young.removed == [] && young.unrecorded == [1, 2] && young.recordedSince == began)
        rule.now = began + 86_400
        #expect(try await store.collect(rule, CommandRunner()).removed == [1, 2])
        rule.now = began + 1
        var old = ClientRecord()
        // Before the generations of the test were built.
        old.since = try Date("2025-12-31T00:00:00Z", strategy: .iso8601)
        try Files.replace(store.clientsFile, with: Array(try JSON.text(old).utf8))
        rule.now = try #require(old.since) + 1
        #expect(try await store.collect(rule, CommandRunner()).removed == [1, 2])
    }

    @Test("A damaged record: gc removes nothing without --force, a server lays it aside, and gc still knows that")
    func aDamagedRecord() async throws {
        for _ in 1...3 { try await stores.publish() }
        try Files.makeDirectory(store.clientsDirectory)
        try Files.replace(store.clientsFile, with: Array("{\"schema\" : 1, \"clients\" : [".utf8))
        // Laid aside now, and not at the time that the other tests take for now.
        let rule = CollectionRule(keep: 1, seenSince: Date(timeIntervalSinceNow: -86_400))
        let refusal = await #expect(throws: StoreError.self) { try await store.collect(rule, CommandRunner()) }
        #expect(refusal?.description.hasPrefix("\(store.clientsFile) is damaged: ") == true)
        var notes: [String] = []
        try await store.addClients(record([Self.seen("192.168.7.4", 3)])) { notes.append($0) }
        #expect(notes.count == 1 && notes[0].contains(store.damagedClientsFile))
        #expect(try store.clients().entries.map(\.generation) == [3])
        await #expect(throws: StoreError.setAsideClients(path: store.damagedClientsFile)) {
            try await store.collect(rule, CommandRunner())
        }
        #expect(try store.numbers() == [1, 2, 3])
        var forced = rule
        forced.force = true
        #expect(try await store.collect(forced, CommandRunner()).removed == [1, 2])
    }

    @Test("A record that is a FIFO or has ten gigabytes is damaged, at once", arguments: [false, true])
    func aRecordThatIsNone(isLarge: Bool) async throws {
        try Files.makeDirectory(store.clientsDirectory)
        if isLarge {
            try Files.replace(store.clientsFile, with: [])
            #expect(truncate(store.clientsFile, 10 << 30) == 0)
        } else {
            #expect(mkfifo(store.clientsFile, 0o600) == 0)
        }
        #expect(throws: StoreError.self) { _ = try store.clients() }
        try await store.addClients(ClientRecord()) { _ in }
        #expect(try store.clients().isEmpty)
    }
}
