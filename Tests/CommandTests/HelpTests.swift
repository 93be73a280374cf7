import NetrootSystem
import TestSupport
import Testing

@Suite struct HelpTests {
    static let verbs = [
        "build", "clients", "diff", "gc", "generations", "inspect", "install", "list", "pack", "probe", "recipe",
        "rollback",
        "serve",
        "shell", "sideload", "start", "test",
    ]

    /// The verbs of the first netroot: the same commands, and no verbs of their own in the help.
    @Test(arguments: ["install", "start"]) func shortFormsAreTheSameCommands(verb: String) async throws {
        let help = try await run([Place.netroot, verb, "--help"]).output
        for transport in ["nfs", "nbd", "http", "iscsi"] {
            for arguments in [[verb + transport, "--help"], ["help", verb + transport]] {
                let outcome = try await run([Place.netroot] + arguments)
                expectSuccess(outcome)
                #expect(outcome.output == help, "netroot \(arguments)")
            }
        }
        #expect(!help.contains("short-form-of"))
    }

    @Test func helpOfTheProgramIsGolden() async throws {
        let outcome = try await run([Place.netroot, "--help"])
        expectSuccess(outcome)
        try expectGolden("help", outcome.output)
    }

    @Test(arguments: verbs) func helpOfEachVerbIsGoldenAndHasAnExample(verb: String) async throws {
        let outcome = try await run([Place.netroot, verb, "--help"])
        expectSuccess(outcome)
        #expect(outcome.output.contains("Example"))
        #expect(outcome.output.contains("\n  netroot \(verb)") || outcome.output.contains("\n    netroot \(verb)"))
        try expectGolden("help-\(verb)", outcome.output)
    }

    @Test(arguments: ["create", "check", "join"])
    func helpOfEachPartOfSideLoadIsGoldenAndHasAnExample(part: String) async throws {
        let outcome = try await run([Place.netroot, "sideload", part, "--help"])
        expectSuccess(outcome)
        #expect(outcome.output.contains("Example") && outcome.output.contains("\n  netroot sideload \(part)"))
        #expect(outcome.output.split(separator: "\n").allSatisfy { $0.count <= 80 || $0.hasPrefix("USAGE") })
        try expectGolden("help-sideload-\(part)", outcome.output)
    }

    /// A verb without a golden file would be a verb without a test.
    @Test func everyVerbIsAmongThem() async throws {
        let help = try await run([Place.netroot, "--help"]).output
        let list = try #require(help.firstRange(of: "SUBCOMMANDS:\n")).upperBound
        let named = help[list...].split(separator: "\n", omittingEmptySubsequences: false)
            .prefix { !$0.isEmpty }.filter { $0.hasPrefix("  ") && !$0.hasPrefix("   ") }
            .compactMap { $0.split(separator: " ").first.map(String.init) }
        #expect(named.sorted() == Self.verbs)
    }

    @Test(arguments: [
        ("instal debian12", ["unknown verb 'instal'", "did you mean 'install'?"]),
        ("strat", ["unknown verb 'strat'", "did you mean 'start'?"]),
        ("installnsf a", ["unknown verb 'installnsf'", "did you mean 'installnfs'?"]),
        ("frobnicate", ["unknown verb 'frobnicate'", "netroot --help"]),
        ("--hots x list", ["unknown option '--hots'", "did you mean '--hosts'?"]),
    ])
    func aMistypedVerbGetsTheNearest(line: String, words: [String]) async throws {
        expectError(try await run([Place.netroot] + line.split(separator: " ").map(String.init)), .usage, words)
    }

    @Test(arguments: verbs) func aMistypedOptionGetsTheNearest(verb: String) async throws {
        expectError(
            try await run([Place.netroot, verb, "--hotss", "x"]), .usage,
            ["\(verb): unknown option '--hotss'", "did you mean '--hosts'?"])
    }

    @Test func theVersionIsPrinted() async throws {
        let outcome = try await run([Place.netroot, "--version"])
        expectSuccess(outcome)
        #expect(outcome.output == "0.1.0\n")
    }

    @Test(arguments: [["build"], ["gc", "a"], ["gc", "a", "--keep", "-1"], ["list", "a"]])
    func aWrongCommandLineExitsWithUsage(arguments: [String]) async throws {
        let outcome = try await run([Place.netroot] + arguments, folder: "/")
        #expect(outcome.status == 64)
        #expect(outcome.output.isEmpty)
        #expect(outcome.errors.hasPrefix("Error: "))
    }
}
