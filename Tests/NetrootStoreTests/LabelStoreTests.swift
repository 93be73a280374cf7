import Foundation
import NetrootConfig
import NetrootSystem
import TestSupport
import Testing

@testable import NetrootStore

@Suite struct LabelStoreTests {
    let store: LabelStore
    private let scratch: ScratchDirectory

    init() throws {
        scratch = try ScratchDirectory()
        store = LabelStore(label: "a", directory: scratch.path)
        try Files.makeDirectory(store.generationsDirectory)
    }

    func manifest(_ number: Int) -> Manifest {
        Manifest(
            label: "a", generation: number, formats: ["tree"],
            artifacts: [
                .init(.kernel, bytes: 1, sha256: "00"), .init(.initramfs, bytes: 1, sha256: "00"),
                .init(.tree, bytes: 0),
            ],
            transports: ["nfs"], readWrite: false, origin: .init(verb: "build"),
            recipe: .init(path: "/r.def", sha256: "00"), bootstrap: .init(agent: "scratch"),
            privileged: .init(setuid: 0, setgid: 0, capabilities: 0), shipped: "00", kernelVersion: "6.1.0",
            packages: [.init(name: "bash", version: "5", architecture: "amd64")], netroot: "0",
            started: "2026-01-01T00:00:00Z", finished: "2026-01-01T00:00:01Z", steps: [])
    }

    @discardableResult
    func publish() async throws -> Generation {
        let draft = try store.begin()
        try Files.makeDirectory(draft.root)
        try Files.replace(draft.vmlinuz, with: [1])
        try Files.replace(draft.initramfs, with: [1])
        return try await store.publish(draft, manifest: manifest(draft.number))
    }

    @Test func publishedGenerationsAreNumberedAndCurrent() async throws {
        #expect(throws: StoreError.empty(label: "a")) { _ = try store.current() }
        try await publish()
        try await publish()
        #expect(try store.numbers() == [1, 2])
        #expect(try store.current().number == 2)
        #expect(try Files.linkTarget(store.currentLink) == "generations/2")
        #expect(try store.current().manifest == manifest(2))
    }

    @Test func aDraftIsNoGenerationAndIsCleanedUp() async throws {
        try await publish()
        let draft = try store.begin()
        try Files.replace(draft.directory + "/manifest.json", with: Array("{}".utf8))
        #expect(try store.numbers() == [1])
        #expect(try store.current().number == 1)
        let removed = try await store.removeLeftovers(CommandRunner())
        #expect(removed == [draft.directory])
        #expect(!Files.exists(draft.directory))
    }

    private struct Failure: Error {}

    private static func note(_ text: String) { Issue.record("\(text)") }

    /// However the work ends: with an error, cancelled, or without a generation. Of those the error alone leaves its log.
    @Test func aDraftThatIsNotPublishedIsDropped() async throws {
        try await publish()
        let before = try Files.names(in: store.generationsDirectory)
        func fill(_ draft: Draft) throws {
            try Files.makeDirectory(draft.root + "/etc")
            try Files.replace(draft.log, with: Array("words\n".utf8))
        }
        try await store.withDraft(note: Self.note) { try fill($0) }
        #expect(try Files.names(in: store.generationsDirectory) == before && !Files.exists(store.failedLog))
        let cancelled = Task { [store] in
            try await store.withDraft(note: Self.note) { draft in
                try fill(draft)
                withUnsafeCurrentTask { $0?.cancel() }
                try Task.checkCancellation()
            }
        }
        await #expect(throws: CancellationError.self) { try await cancelled.value }
        #expect(try Files.names(in: store.generationsDirectory) == before && !Files.exists(store.failedLog))
        await #expect(throws: Failure.self) {
            try await store.withDraft(note: Self.note) { draft in
                try fill(draft)
                throw Failure()
            }
        }
        #expect(try Files.names(in: store.generationsDirectory) == before)
        #expect(try Files.text(store.failedLog) == "words\n" && store.current().number == 1)
    }

    @Test func aNumberIsNeverUsedTwice() async throws {
        try await publish()
        try await publish()
        try store.makeCurrent(try store.generation(1))
        let result = try await store.collect(keep: 0, keeping: [], CommandRunner())
        #expect(result.removed == [2])
        #expect(try await publish().number == 3)
    }

    @Test func collectSparesTheCurrentTheInstalledAndThoseInUse() async throws {
        for _ in 1...6 { try await publish() }
        try store.makeCurrent(try store.generation(2))
        let hold = try store.generation(4).hold()
        let result = try await store.collect(keep: 1, keeping: [3], CommandRunner())
        #expect(result.removed == [1, 5])
        #expect(result.inUse == [4])
        #expect(try store.numbers() == [2, 3, 4, 6])
        withExtendedLifetime(hold) {}
    }

    @Test func rollbackGoesToTheOneBeforeOrTheOneNamed() async throws {
        for _ in 1...3 { try await publish() }
        #expect(try store.rollbackTarget(nil).number == 2)
        #expect(try store.rollbackTarget(1).number == 1)
        try store.makeCurrent(try store.generation(1))
        #expect(throws: StoreError.nothingBefore(label: "a", number: 1)) { _ = try store.rollbackTarget(nil) }
        let error = #expect(throws: StoreError.self) { _ = try store.rollbackTarget(9) }
        #expect(error?.exitStatus == .usage)
        #expect(error?.description == "a has no generation 9; there are: 1 2 3")
    }

    @Test func damagedGenerationsAreNamed() async throws {
        let generation = try await publish()
        try Files.replace(generation.directory + "/manifest.json", with: Array("{".utf8))
        let error = #expect(throws: StoreError.self) { _ = try store.current() }
        #expect(error?.description.contains(generation.directory) == true)
        try FileManager.default.removeItem(atPath: generation.directory + "/manifest.json")
        #expect(throws: StoreError.damaged(directory: generation.directory, reason: "no manifest.json")) {
            _ = try store.current()
        }
    }

    @Test(arguments: [ArtifactKind.kernel, .initramfs, .tree])
    func aGenerationWithoutAnArtifactIsNotWhole(kind: ArtifactKind) async throws {
        let generation = try await publish()
        let path = try #require(generation.path(of: kind))
        try FileManager.default.removeItem(atPath: path)
        #expect(throws: StoreError.damaged(directory: generation.directory, reason: "\(path) is missing")) {
            _ = try store.current()
        }
    }

    @Test func artifactsAreFoundByTheirKind() async throws {
        let generation = try await publish()
        #expect(generation.artifact(.initramfs)?.sha256 == "00" && generation.artifact(.squashfs) == nil)
        #expect(generation.path(of: .tree) == generation.exportPath && generation.path(of: .squashfs) == nil)
        let error = #expect(throws: StoreError.self) { _ = try generation.requirePath(of: .squashfs) }
        #expect(error?.description.hasPrefix("\(generation.directory) has no squashfs; ") == true)
        var manifest = manifest(1)
        manifest.artifacts.removeAll { $0.kind == .kernel }
        try store.rewrite(manifest, of: generation)
        #expect(throws: StoreError.self) { _ = try store.current() }
    }

    /// The schema decides, whatever else is in the file.
    @Test(arguments: [
        (#"{"schema": 1, "label": "a", "format": "tree", "kernel": {"version": "6"}}"#, "an older netroot (schema 1)"),
        (#"{"label": "a"}"#, "an older netroot (it names no schema)"),
        (#"{"schema": 3}"#, "a newer netroot (schema 3)"),
    ])
    func aManifestOfAnotherNetrootIsNamed(text: String, found: String) async throws {
        let path = try await publish().directory + "/manifest.json"
        try Files.replace(path, with: Array(text.utf8))
        let error = #expect(throws: StoreError.self) { _ = try store.current() }
        #expect(error?.description.hasPrefix("\(path) is of \(found); ") == true, "\(error?.description ?? "")")
        #expect(error?.description.hasSuffix("build the label again") == true && error?.exitStatus == .failed)
        #expect(try store.usable().generations.isEmpty && store.usable().damaged.count == 1)
    }

    @Test func theLockNamesItsHolder() throws {
        let lock = try store.lock(verb: "build")
        let error = #expect(throws: LockedError.self) { _ = try store.lock(verb: "shell") }
        #expect(
            error?.description == "label a is locked by netroot build a, process \(getpid()); wait for it, or end it")
        withExtendedLifetime(lock) {}
    }
}
