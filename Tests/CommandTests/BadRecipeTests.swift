import NetrootSystem
import Testing

/// Recipes that are wrong as they stand: found before anything is changed.
@Suite struct BadRecipeTests {
    let scratch: Scratch
    var recipe: String { scratch.path + "/a.def" }

    init() throws {
        scratch = try Scratch()
        try scratch.writeHosts("a")
    }

    private func expectRefused(_ words: [String], sourceLocation: SourceLocation = #_sourceLocation) async throws {
        let before = try await scratch.snapshot()
        let outcome = try await scratch.run("build", "a")
        expectError(outcome, .usage, words, sourceLocation: sourceLocation)
        #expect(outcome.messageLines.count == outcome.errors.split(separator: "\n").count, "and no step before")
        #expect(try await scratch.snapshot() == before, sourceLocation: sourceLocation)
    }

    @Test func missing() async throws {
        try await expectRefused(["recipe \(recipe) does not exist", "RECIPE of [a]"])
    }

    @Test(arguments: ["", "\n \n\t\n"]) func empty(text: String) async throws {
        try scratch.write("a.def", text)
        try await expectRefused(["\(recipe): the recipe is empty", "Bootstrap: debootstrap"])
    }

    @Test func binary() async throws {
        try scratch.write("a.def", bytes: Array("Bootstrap: debootstrap\n".utf8) + [0, 1, 2, 0xFF, 0xFE])
        try await expectRefused([recipe])
    }

    @Test func notUTF8() async throws {
        try scratch.write("a.def", bytes: Array("Bootstrap: debootstrap\nOSVersion: ".utf8) + [0xC3, 0x28, 0x0A])
        try await expectRefused([recipe])
    }

    @Test func withoutBootstrap() async throws {
        try scratch.write("a.def", "OSVersion: bookworm\n\n%post\n    true\n")
        try await expectRefused(["\(recipe):1: the recipe has no Bootstrap: keyword", "Bootstrap: debootstrap"])
    }

    @Test func unknownSection() async throws {
        try scratch.write("a.def", "Bootstrap: debootstrap\nOSVersion: bookworm\n\n%psot\n    true\n")
        try await expectRefused(["\(recipe):4: unknown section '%psot'", "did you mean %post?"])
    }

    @Test(arguments: [
        ("Bootstrap: oras\nFrom: debian\n", ":1: agent 'oras' is not supported"),
        ("Bootstrap: debootstrap\n", ":1: agent 'debootstrap' needs OSVersion:"),
        ("Bootstrap: debootstrap\nOSVersion: bookworm\n%post\n {{ X }}\n", ":4: build argument {{ X }}"),
        ("%post\n true\n", ": the recipe has no Bootstrap:"),
    ])
    func notSupportedOrIncomplete(text: String, expected: String) async throws {
        try scratch.write("a.def", text)
        try await expectRefused([recipe + expected])
    }

    @Test func aDirectory() async throws {
        try Files.makeDirectory(recipe)
        let outcome = try await scratch.run("build", "a")
        expectError(outcome, .failed, [recipe, "directory"])
    }

    /// The same recipe without the mistake gets past all of this, or these tests prove nothing.
    @Test func aRightRecipeIsTakenFurther() async throws {
        try #require(Place.isRoot, "mount namespaces need root")
        try scratch.write("a.def", "Bootstrap: debootstrap\nOSVersion: bookworm\n%post\n    true\n")
        let outcome = try await scratch.run("build", "a", wrapper: Namespace.hiding(["mmdebstrap"]))
        expectError(outcome, .unavailable, ["mmdebstrap"])
    }
}
