import Foundation
import Glibc
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
        let result = try await store.collect(CollectionRule(keep: 0), CommandRunner())
        #expect(result.removed == [2])
        #expect(try await publish().number == 3)
    }

    @Test func collectSparesTheCurrentTheInstalledAndThoseInUse() async throws {
        for _ in 1...6 { try await publish() }
        try store.makeCurrent(try store.generation(2))
        let hold = try store.generation(4).hold()
        let result = try await store.collect(CollectionRule(keep: 1, keeping: [3]), CommandRunner())
        #expect(result.removed == [1, 5])
        #expect(result.inUse == [4])
        #expect(try store.numbers() == [2, 3, 4, 6])
        withExtendedLifetime(hold) {}
    }

    @Test("Nobody but the owner enters a draft, nor the directory above a published tree")
    func treesArePrivate() async throws {
        func mode(_ path: String) -> mode_t {
            var status = stat()
            return lstat(path, &status) == 0 ? status.st_mode & 0o7777 : 0
        }
        try await store.withDraft(note: Self.note) { draft in
            #expect(mode(draft.directory) == 0o700 && mode(draft.treeDirectory) == 0o700)
            #expect(Files.parent(draft.treeDirectory) == draft.directory)
        }
        let generation = try await publish()
        let tree = try generation.requirePath(of: .tree)
        #expect(tree == generation.exportPath && tree == generation.directory + "/tree/root")
        #expect(mode(Files.parent(tree)) == 0o700)
        // The servers of images, and of what TFTP gives out, are other users.
        #expect(mode(generation.directory) == 0o755 && mode(store.generationsDirectory) == 0o755)
    }

    @Test("A generation of an older netroot is served under its old path, and so is one without a tree")
    func olderPathsStay() async throws {
        let generation = try await publish()
        var manifest = generation.manifest
        try Files.move(generation.directory + "/tree/root", to: generation.directory + "/root")
        manifest.artifacts = manifest.artifacts.map { artifact in
            var artifact = artifact
            if artifact.kind == .tree { artifact.path = "root" }
            return artifact
        }
        try store.rewrite(manifest, of: generation)
        #expect(try store.current().exportPath == generation.directory + "/root")
        manifest.artifacts.removeAll { $0.kind == .tree }
        try store.rewrite(manifest, of: generation)
        #expect(try store.current().exportPath == generation.directory + "/root")
    }

    @Test("a generation that another process has locked is not waited for") func aLockedGenerationIsNotWaitedFor()
        async throws
    {
        let generation = try await publish()
        let descriptor = open(generation.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        #expect(descriptor >= 0 && flock(descriptor, LOCK_EX | LOCK_NB) == 0)
        let error = #expect(throws: StoreError.self) { _ = try generation.hold() }
        #expect(error == .locked(directory: generation.directory) && error?.exitStatus == .locked)
        #expect(flock(descriptor, LOCK_UN) == 0)
        close(descriptor)
        withExtendedLifetime(try generation.hold()) {}
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
        // Whoever reads a FIFO waits.
        #expect(mkfifo(path, 0o644) == 0)
        let error = #expect(throws: StoreError.self) { _ = try store.current() }
        #expect(error?.description.contains("\(path) is no ") == true)
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

    /// What may stand in the place of a manifest.
    enum Damage: CaseIterable {
        case fifo, large, directory, device, dangling, garbage, empty, otherNumber, outside, absolute
    }

    private func damage(_ generation: Generation, _ damage: Damage) throws {
        let path = generation.directory + "/manifest.json"
        var text = try Files.text(path)
        #expect(unlink(path) == 0)
        switch damage {
        case .fifo: #expect(mkfifo(path, 0o600) == 0)
        case .large:
            try Files.replace(path, with: [])
            #expect(truncate(path, 10 << 30) == 0)
        case .directory: try Files.makeDirectory(path)
        case .device: #expect(symlink("/dev/zero", path) == 0)
        case .dangling: #expect(symlink("nowhere", path) == 0)
        case .garbage: try Files.replace(path, with: [0x7B, 0xFF, 0, 0x22])
        case .empty: try Files.replace(path, with: [])
        case .otherNumber:
            text = text.replacing("\"generation\" : \(generation.number)", with: "\"generation\" : 77")
            try Files.replace(path, with: Array(text.utf8))
        case .outside, .absolute:
            let other = damage == .outside ? "tree/../../../x" : "/etc"
            text = text.replacing("\"path\" : \"tree/root\"", with: "\"path\" : \"\(other)\"")
            try Files.replace(path, with: Array(text.utf8))
        }
    }

    @Test(
        "Whatever stands in the place of one manifest: the others are found, and rollback passes it over",
        .timeLimit(.minutes(5)), arguments: Damage.allCases)
    func oneDamagedManifestHidesNoOther(kind: Damage) async throws {
        for _ in 1...4 { try await publish() }
        try damage(try store.generation(2), kind)
        let stored = try store.usable()
        #expect(stored.generations.map(\.number) == [1, 3, 4] && stored.damaged.count == 1)
        try store.makeCurrent(try store.generation(3))
        var notes: [String] = []
        #expect(try store.rollbackTarget(nil) { notes.append($0) }.number == 1)
        #expect(notes.count == 1 && notes[0].contains("\(store.generationsDirectory)/2"), "\(notes)")
        // The current one may be the one.
        try damage(try store.generation(3), kind)
        #expect(try store.rollbackTarget(nil).number == 1)
        let result = try await store.collect(CollectionRule(keep: 1), CommandRunner())
        #expect(result.removed == [1, 2], "the current one stays, damaged as it is")
    }

    @Test("Names that are no generation's are left alone, and gc removes what is no directory")
    func oddNames() async throws {
        for _ in 1...2 { try await publish() }
        for name in ["007", "+3", "0", "99999999999999999999", "4294967296", "1.old"] {
            try Files.makeDirectory("\(store.generationsDirectory)/\(name)")
        }
        #expect(try store.numbers() == [1, 2])
        try Files.move("\(store.generationsDirectory)/1", to: "\(store.generationsDirectory)/1.old/1")
        #expect(mkfifo("\(store.generationsDirectory)/1", 0o600) == 0)
        #expect(try store.usable().damaged.count == 1 && store.mayHaveLeftovers() == false)
        #expect(try await store.collect(CollectionRule(keep: 1), CommandRunner()).removed == [1])
        #expect(try store.numbers() == [2])
    }

    @Test(
        "A current that is no link to a generation is an error, and not a label without a generation",
        arguments: [0, 1, 2])
    func aDamagedCurrent(kind: Int) async throws {
        for _ in 1...2 { try await publish() }
        #expect(unlink(store.currentLink) == 0)
        switch kind {
        case 0: try Files.replace(store.currentLink, with: Array("generations/2".utf8))
        case 1: #expect(symlink("generations/two", store.currentLink) == 0)
        default: #expect(mkfifo(store.currentLink, 0o600) == 0)
        }
        let expected = StoreError.badCurrent(path: store.currentLink, label: "a")
        #expect(throws: expected) { _ = try store.current() }
        await #expect(throws: expected) { try await store.collect(CollectionRule(keep: 0), CommandRunner()) }
        #expect(try store.numbers() == [1, 2])
        try store.makeCurrent(try store.rollbackTarget(1))
        #expect(try store.current().number == 1)
    }

    @Test(
        "A file of the highest number that holds none is an error: no number is used twice",
        arguments: ["", "x", "9223372036854775807", "-1"])
    func aDamagedLastNumber(text: String) async throws {
        try await publish()
        try Files.replace(store.generationsDirectory + "/.last", with: Array(text.utf8))
        let error = #expect(throws: StoreError.self) { _ = try store.begin() }
        #expect(error?.description.contains("/.last holds '\(text)'") == true)
    }

    @Test("What killed runs left is removed: drafts, half a gc, files on their way in")
    func leftoversGo() async throws {
        let generation = try await publish()
        #expect(try store.mayHaveLeftovers() == false)
        let draft = try store.begin()
        let half = store.generationsDirectory + "/.building-gc-7"
        try Files.makeDirectory(half + "/tree")
        let files = [
            store.directory + "/install.json.netroot-new", store.generationsDirectory + "/.last.netroot-new",
            generation.directory + "/manifest.json.netroot-new", generation.vmlinuz + ".new",
            generation.initramfs! + ".new",
        ]
        for file in files { try Files.replace(file, with: [1]) }
        #expect(symlink("generations/9", store.currentLink + ".netroot-new") == 0)
        #expect(try store.mayHaveLeftovers())
        let removed = try await store.removeLeftovers(CommandRunner())
        #expect(Set(removed) == Set(files + [draft.directory, half, store.currentLink + ".netroot-new"]))
        #expect(try store.mayHaveLeftovers() == false && store.current() == generation)
    }

    @Test func theLockNamesItsHolder() throws {
        let lock = try store.lock(verb: "build")
        let error = #expect(throws: LockedError.self) { _ = try store.lock(verb: "shell") }
        #expect(
            error?.description == "label a is locked by netroot build a, process \(getpid()); wait for it, or end it")
        withExtendedLifetime(lock) {}
    }
}
