import FoundationEssentials
import NetrootStore
import NetrootSystem
import Testing

/// `list`, `generations`, `rollback` and `gc`, on generations of a few bytes.
@Suite struct StoreVerbTests {
    let scratch: Scratch

    init() throws {
        scratch = try Scratch()
        try scratch.writeHosts("a", "b")
    }

    struct LabelRow: Decodable, Equatable {
        var label: String
        var format: String
        var generation: Int?
        var kernel: String?
        var netroot: String
    }

    struct GenerationRow: Decodable, Equatable {
        var label: String
        var generation: Int
        var current: Bool
        var kernel: String?
        var packages: Int?
        var origin: String?
        var directory: String
        var problem: String?
    }

    struct CollectedRow: Decodable, Equatable {
        var label: String
        var removed: [Int]
        var inUse: [Int]
        var kept: [Int]
    }

    private func generations(_ label: String) async throws -> [GenerationRow] {
        try expectJSON([GenerationRow].self, try await scratch.run("generations", label, "--json"))
    }

    @Test func listNamesEveryLabelAndItsCurrentGeneration() async throws {
        let generation = try await Fabricated.generation(of: scratch.label("a"))
        let rows = try expectJSON([LabelRow].self, try await scratch.run("list", "--json"))
        #expect(
            rows == [
                LabelRow(
                    label: "a", format: "tree", generation: generation.number, kernel: "6.1.0-1",
                    netroot: scratch.path + "/netroots/a"),
                LabelRow(label: "b", format: "tree", netroot: scratch.path + "/netroots/b"),
            ])
        let table = try await scratch.run("list")
        expectSuccess(table)
        #expect(table.output.split(separator: "\n").last?.hasPrefix("b      -") == true)
    }

    @Test func generationsMarkTheCurrentOne() async throws {
        #expect(try await generations("a") == [])
        for verb in ["build", "shell"] { try await Fabricated.generation(of: scratch.label("a"), verb: verb) }
        let rows = try await generations("a")
        #expect(rows.map(\.generation) == [1, 2])
        #expect(rows.map(\.current) == [false, true])
        #expect(rows.map(\.origin) == ["build", "shell"])
        #expect(rows[0].directory == scratch.path + "/netroots/a/generations/1")
    }

    @Test func rollbackGoesToTheOneBeforeOrTheOneNamed() async throws {
        expectError(try await scratch.run("rollback", "a"), .failed, ["a has no generation yet", "netroot build a"])
        for _ in 1...3 { try await Fabricated.generation(of: scratch.label("a")) }
        let row = try expectJSON(GenerationRow.self, try await scratch.run("rollback", "a", "--json"))
        #expect(row.generation == 2)
        #expect(row.current)
        #expect(try Files.linkTarget(scratch.path + "/netroots/a/current") == "generations/2")
        let back = try await scratch.run("rollback", "a", "3")
        #expect(back.output == "a: generation 3 is current\nnext: netroot install a\n")
        #expect(try await generations("a").map(\.current) == [false, false, true])
        expectError(try await scratch.run("rollback", "a", "7"), .usage, ["a has no generation 7", "1 2 3"])
        expectSuccess(try await scratch.run("rollback", "a", "1"))
        expectError(try await scratch.run("rollback", "a"), .failed, ["older than 1", "netroot generations a"])
    }

    @Test func gcKeepsTheNewestAndNeverRemovesTheCurrentOne() async throws {
        for _ in 1...4 { try await Fabricated.generation(of: scratch.label("a")) }
        expectSuccess(try await scratch.run("rollback", "a", "2"))
        let first = try expectJSON(CollectedRow.self, try await scratch.run("gc", "a", "--keep", "1", "--json"))
        #expect(first == CollectedRow(label: "a", removed: [1, 3], inUse: [], kept: [2, 4]))
        let second = try expectJSON(CollectedRow.self, try await scratch.run("gc", "a", "--keep", "0", "--json"))
        #expect(second == CollectedRow(label: "a", removed: [4], inUse: [], kept: [2]))
        #expect(try Files.text(scratch.path + "/netroots/a/current/vmlinuz") == "kernel 2")
        #expect(try Files.names(in: scratch.path + "/netroots/a/generations") == [".last", "2"])
        // A number is never given twice, also after the highest is gone.
        #expect(try await Fabricated.generation(of: scratch.label("a")).number == 5)
    }

    @Test func gcKeepsTheInstalledOneAndThoseInUse() async throws {
        try await Fabricated.generation(of: scratch.label("a"))
        expectSuccess(try await scratch.run("installnfs", "a"))
        let held = try await Fabricated.generation(of: scratch.label("a"))
        for _ in 3...4 { try await Fabricated.generation(of: scratch.label("a")) }
        let hold = try held.hold()
        let row = try expectJSON(
            CollectedRow.self, try await scratch.run("gc", "a", "--keep", "1", "--force", "--json"))
        withExtendedLifetime(hold) {}
        #expect(row == CollectedRow(label: "a", removed: [3], inUse: [2], kept: [1, 2, 4]))
    }

    @Test(arguments: [["rollback", "a", "1"], ["gc", "a", "--keep", "0"]])
    func aLockedLabelIsLeftAlone(arguments: [String]) async throws {
        for _ in 1...2 { try await Fabricated.generation(of: scratch.label("a")) }
        do {
            let lock = try scratch.store("a").lock(verb: "build")
            let before = try await scratch.snapshot()
            let outcome = try await run(scratch.netroot(arguments), folder: scratch.path)
            expectError(outcome, .locked, ["label a is locked by netroot build a, process "])
            #expect(try await scratch.snapshot() == before)
            withExtendedLifetime(lock) {}
        }
        // A process that another test forked at this moment may hold the lock a little longer.
        for _ in 1...20 where try await run(scratch.netroot(arguments)).status == 0 { return }
        Issue.record("the lock is not released")
    }

    @Test func aDamagedGenerationIsNamedAndNotTakenForNone() async throws {
        let generation = try await Fabricated.generation(of: scratch.label("a"))
        for (text, words) in [
            (#"{"schema": 2}"#, "not a whole generation"),
            (#"{"schema": 1, "label": "a"}"#, "is of an older netroot (schema 1); build the label again"),
        ] {
            try scratch.write("netroots/a/generations/1/manifest.json", text)
            for verb in ["list", "generations", "installnfs", "shell"] {
                let outcome = try await run(scratch.netroot(verb == "list" ? [verb] : [verb, "a"]))
                #expect(outcome.status == 1 && outcome.message.contains(generation.directory), "\(verb)")
                #expect(outcome.message.contains(words), "\(verb): \(outcome.message)")
            }
        }
    }

    /// After an upgrade and a build the old one is named, and the verbs work.
    @Test func anOlderGenerationHidesNoOther() async throws {
        try scratch.writeHosts("a", "b")
        for label in ["a", "a", "b"] { try await Fabricated.generation(of: scratch.label(label)) }
        try scratch.write("netroots/a/generations/1/manifest.json", #"{"schema": 1}"#)
        let generations = try await scratch.run("generations", "a", "--json")
        #expect(generations.status == 0 && generations.errors.contains("generations/1/manifest.json is of an older"))
        let rows = try expectJSON([GenerationRow].self, generations)
        #expect(rows.map(\.generation) == [1, 2] && rows.map { $0.problem != nil } == [true, false])
        let install = try await scratch.run("install", "a", "--server", "kernel")
        #expect(install.status == 0 && install.errors.contains("not offered to clients: "))
        // The current one of a label: the other labels are shown all the same.
        try scratch.write("netroots/a/generations/2/manifest.json", #"{"schema": 1}"#)
        let list = try await scratch.run("list")
        #expect(list.status == 1 && list.message.contains("generations/2/manifest.json is of an older"))
        #expect(list.output.contains("\nb ") && list.output.contains("\na "))
    }

    @Test("gc removes a generation whose files are immutable")
    func gcRemovesImmutableFiles() async throws {
        for _ in 1...2 { try await Fabricated.generation(of: scratch.label("a")) }
        for path in ["tree/root/sbin/init", "tree/root/sbin", "tree/root", "tree", "manifest.json", ""] {
            try await scratch.chattr("+i", "netroots/a/generations/1/\(path)")
        }
        expectSuccess(try await scratch.run("gc", "a", "--keep", "1"))
        #expect(try Files.names(in: scratch.store("a").generationsDirectory) == [".last", "2"])
    }

    @Test("gc names what is mounted in a generation, and what is mounted stays whole")
    func gcNamesAMountPoint() async throws {
        try #require(Place.isRoot, "mounting needs root")
        for _ in 1...2 { try await Fabricated.generation(of: scratch.label("a")) }
        try scratch.write("theirs/file", "text")
        // Of the same filesystem: its number does not tell that something is mounted.
        let mounted = Namespace.mounting(
            "mount --bind '\(scratch.path)/theirs' '\(scratch.path)/netroots/a/generations/1/tree/root/sbin'")
        let outcome = try await scratch.run("gc", "a", "--keep", "1", wrapper: mounted)
        expectError(outcome, .failed, ["cannot remove ", "/root/sbin: something is mounted there; umount "])
        #expect(try Files.text(scratch.path + "/theirs/file") == "text")
    }
}
