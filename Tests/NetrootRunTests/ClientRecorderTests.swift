import NetrootStore
import NetrootSystem
import Synchronization
import TestSupport
import Testing

@testable import NetrootRun

@Suite struct ClientRecorderTests {
    private final class Notes: Sendable {
        private let lines = Mutex<[String]>([])
        func add(_ line: String) { lines.withLock { $0.append(line) } }
        var all: [String] { lines.withLock { $0 } }
    }

    private struct Failure: Error {}

    private let scratch: ScratchDirectory
    private let store: LabelStore
    private let notes = Notes()

    init() throws {
        scratch = try ScratchDirectory()
        store = LabelStore(label: "a", directory: scratch.path)
        try Files.makeDirectory(scratch.path + "/generations/1")
    }

    private func recorder() -> ClientRecorder { ClientRecorder(store: store) { [notes] in notes.add($0) } }

    @Test("A server writes when its recording began before any client comes, and each later one keeps that")
    func itBegins() async throws {
        await recorder().begin()
        let since = try #require(try store.clients().since)
        await recorder().begin()
        #expect(try store.clients().since == since && store.clients().isEmpty && notes.all == [])
    }

    @Test("A server that fails when it stops loses none of the last clients")
    func theLastWrite() async throws {
        let recorder = recorder()
        await recorder.begin()
        let recording = Task {}
        recorder.note("192.0.2.7", 1)
        await #expect(throws: Failure.self) { try await recorder.end(recording) { throw Failure() } }
        #expect(try store.clients().entries.map(\.address) == ["192.0.2.7"])
    }

    @Test("A server that is cancelled while another one writes waits for its turn, without a word")
    func itsTurn() async throws {
        let recorder = recorder()
        await recorder.begin()
        recorder.note("192.0.2.7", 1)
        let lock = Mutex<FileLock?>(
            try FileLock(path: scratch.path + "/clients/.lock", subject: "the record", verb: "serve a"))
        let ending = Task { try await recorder.end(Task {}) {} }
        ending.cancel()
        try await Task.sleep(for: .milliseconds(300))
        #expect(try store.clients().isEmpty)
        lock.withLock { $0 = nil }
        try await ending.value
        #expect(try store.clients().entries.map(\.address) == ["192.0.2.7"] && notes.all == [])
    }
}
