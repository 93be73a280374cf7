import NetrootConfig
import NetrootStore
import NetrootSystem
import NetrootTree

/// One stage of a recipe becomes a root.
struct StageBuild: Sendable {
    let stage: Recipe.Stage
    let agent: any Agent
    let place: AgentPlace
    /// The roots of earlier stages, by name.
    let earlier: [String: RootTree]
    /// What the progress calls the stage; nil for the one that is published.
    let name: String?

    private var tree: RootTree { RootTree(directory: place.root) }

    /// The steps, top to bottom: `%pre`, bootstrap, customise, `%setup`, `%files`, `%post`, `%test`.
    /// - Returns: what the manifest says of the bootstrap, and what the root had before the recipe's scripts.
    func run() async throws -> (bootstrap: Manifest.Bootstrap, before: SecretLint.Before) {
        let steps = RecipeSteps(
            stage: stage, tree: tree, inRoot: RootCommand(root: place.root, shipped: place.shipped),
            runner: place.runner, scratch: place.scratch)
        if stage.pre != nil { try await step("%pre") { try await steps.pre() } }
        try Files.makeDirectory(place.root)
        var bootstrap = try await step("bootstrap") {
            do {
                return try await agent.run(in: place)
            } catch {
                throw BuildFailure.of(error, recipePath: place.recipePath, line: agent.line)
            }
        }
        // An agent may have several names.
        bootstrap.agent = stage.agentName ?? bootstrap.agent
        var before = SecretLint.Before()
        // The root of another label had its passwords from a recipe.
        if !bootstrap.isOfLabel { before.passwords = try AccountPasswords(of: tree) }
        let left = try Identities.Left(
            in: place.customise?.identities, isPublished: try place.customise != nil && agent.isPublished())
        let decisions = try await customise(keeping: left.kept)
        try steps.metadata()
        if stage.setup != nil { try await step("%setup") { try await steps.setup() } }
        if !stage.allFiles.isEmpty { try await step("%files") { try await steps.files(from: earlier) } }
        // A name that the recipe sets is meant; host keys are made by package scripts, one pair for all clients.
        before.identities = try left.brought(since: place.customise?.identities)
        if stage.post != nil { try await step("%post") { try await steps.post() } }
        try clearFlags()
        try removeIdentities(left, keeping: before.identities)
        try masking?.finish(decisions)
        try steps.environment()
        if stage.test != nil { try await step("%test") { try await steps.test() } }
        return (bootstrap, before)
    }

    /// Masks come before the recipe's scripts, which may undo them with the tools of the root.
    private func customise(keeping kept: Set<String>) async throws -> [UnitMasks.Decision] {
        guard let customise = place.customise, let masking else { return [] }
        return try await step("customise") {
            for path in try customise.run(keeping: kept) {
                try place.runner.note(Identities.note(path, by: "the bootstrap"))
            }
            return try await masking.apply()
        }
    }

    /// Nil in a stage that only lends files.
    private var masking: UnitMasking? {
        place.customise.map { customise in
            UnitMasking(
                tree: tree, inRoot: RootCommand(root: place.root, shipped: place.shipped), runner: place.runner,
                list: customise.maskedUnits, stage: stage)
        }
    }

    /// What the bootstrap left is no news: it goes in every build, so only the log tells it.
    private func removeIdentities(_ left: Identities.Left, keeping own: Set<String>) throws {
        for path in try place.customise?.identities.remove(keeping: own) ?? [] {
            if left.holds(path) {
                try place.runner.note(Identities.note(path, by: "the bootstrap"))
            } else {
                place.progress.note(Identities.note(path, by: "%post"))
            }
        }
    }

    /// What the recipe has made immutable is still netroot's to change.
    private func clearFlags() throws {
        if let note = try Completion.clearFlags(in: tree) { place.progress.note(note) }
    }

    private func step<R: Sendable>(_ title: String, _ body: () async throws -> R) async throws -> R {
        try await place.progress.step(name.map { "\($0): \(title)" } ?? title, body)
    }
}

extension Manifest.Bootstrap {
    /// Whether the root was taken from another label's.
    fileprivate var isOfLabel: Bool { agent == "localimage" && from?.hasPrefix("label:") == true }
}
