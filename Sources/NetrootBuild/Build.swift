public import NetrootConfig
public import NetrootEntry
import NetrootImage
public import NetrootStore
public import NetrootSystem
import NetrootTree

/// One build: a recipe becomes a generation.
public struct Build: Sendable {
    /// What is built.
    public let label: Label
    /// Where downloaded packages are kept between builds.
    public let cache: String
    /// The data that netroot ships.
    public let shipped: ShippedFiles
    /// The version of netroot, for the manifest.
    public let version: String
    /// The build arguments, by name: what `{{ NAME }}` in the recipe stands for.
    public var arguments: [String: String] = [:]
    /// What is taken though it is refused by default.
    public var allows = Allowances()
    /// Whether each command is shown on standard error.
    public var echo = false
    /// All transports.
    public var transports = Transports.shipped
    /// What becomes of root's password.
    public var rootLogin: RootLogin
    /// The hosts file: a recipe may begin with another label's root.
    public let hosts: HostsFile

    /// The least free space that a build begins with, in MiB.
    static let neededMiB: Int64 = 512

    /// Nothing is looked at yet; `run` checks and builds.
    public init(label: Label, of hosts: HostsFile, cache: String, shipped: ShippedFiles, version: String) {
        self.label = label
        self.hosts = hosts
        self.cache = cache
        self.shipped = shipped
        self.version = version
        rootLogin = RootLogin(of: label)
    }

    /// Builds and publishes the next generation of the label.
    ///
    /// The steps, top to bottom: preflight; bootstrap and customise, stage by stage; initramfs, outputs and publish, which are
    /// `Completion`'s. Cancelling the task, or killing the process, at any point leaves `current` as it was.
    /// - Throws: `ConfigError`, `BuildError`, `BuildFailure`, `MissingError`, `PrivilegeError`, `LockedError`, `CommandError`,
    ///   `SystemError`, `CancellationError`.
    public func run(progress: Progress) async throws -> Generation {
        let (recipe, bytes) = try readRecipe()
        let agents = try preflight(recipe)
        for note in Self.notes(on: recipe) { progress.note(note) }
        let store = LabelStore(label: label)
        let lock = try store.lock(verb: "build")
        defer { withExtendedLifetime(lock) {} }
        for path in try await store.removeLeftovers(CommandRunner()) {
            progress.note("removed \(path), left by a build that was killed")
        }
        let started = JSON.timestamp()
        return try await store.withDraft(keepingInterruptedLog: true, note: progress.note) { draft in
            let runner = CommandRunner(log: draft.log, echo: echo)
            do {
                let (source, laid) = try await digests(recipe, bytes)
                let (bootstrap, before) = try await stages(
                    recipe, by: agents, in: draft, runner: runner, progress: progress)
                var lint = SecretLint(tree: RootTree(directory: draft.root), shipped: shipped, label: label)
                lint.before = before
                // Nobody else's hash gets through with the one that the end of the build sets.
                if rootLogin != .ofRecipe { lint.before.passwords.forgetRoot() }
                let inRoot = RootCommand(root: draft.root, shipped: shipped)
                let pair = KernelPair(
                    tree: RootTree(directory: draft.root), inRoot: inRoot, runner: runner,
                    transports: try transports.require(label.transports), pattern: label.kernel)
                return try await Completion(
                    store: store, draft: draft, inRoot: inRoot, pair: pair, outputs: try outputs,
                    caches: try shipped.packageCaches(in: draft.root, of: label), lint: lint, label: label,
                    version: version,
                    started: started, progress: progress
                ).run(
                    Completion.Provenance(
                        formats: label.formats.map(\.rawValue), transports: label.transports,
                        readWrite: label.rw, origin: Manifest.Origin(verb: "build"), recipe: source,
                        bootstrap: bootstrap, shipped: laid, rootLogin: .set(rootLogin)))
            } catch {
                // After Ctrl-C too, and whatever the look at the log says: the error stays the one that is told.
                throw try await uncancelled { try await explained(error, of: recipe, draft: draft, after: progress) }
            }
        }
    }

    /// What a build in a user namespace cannot do.
    /// - Throws: `BuildError.needsRoot`: a tree would belong to IDs that nobody outside has; an image holds its own.
    public func checkWithoutRoot() throws {
        guard try !outputs.needRoot else {
            let formats = label.formats.map(\.rawValue).joined(separator: " ")
            throw BuildError.needsRoot(
                what: "[\(label.name)] has FORMAT = \(formats), whose files belong to root and others")
        }
    }

    /// The current generation where a build would make the same again: this netroot built it from the recipe as it is.
    ///
    /// What the recipe takes from elsewhere, newer packages and the sources of `%files`, is not looked at, but for the label
    /// or the image that the root begins with; a recipe with such an earlier stage is never up to date. Neither is one that
    /// is given build arguments, or a label that is given a root password: neither is recorded.
    /// - Throws: `ConfigError`, `BuildError`, `StoreError`, `CommandError`, `SystemError`.
    public func upToDate() async throws -> Generation? {
        let (recipe, bytes) = try readRecipe()
        try recipe.checkBuildable()
        let store = LabelStore(label: label)
        guard let number = try store.currentNumber(),
            let current = try store.usable().generations.first(where: { $0.number == number })
        else { return nil }
        let manifest = current.manifest
        guard manifest.origin.verb == "build", manifest.netroot == version,
            Set(manifest.formats) == Set(label.formats.map(\.rawValue)), manifest.readWrite == label.rw,
            manifest.keepsPackageCaches ?? false == label.keepsPackageCaches,
            try outputs.fit(manifest), SizeBounds(of: label).exceeded(by: manifest.artifacts) == nil,
            manifest.shrunk?.removeFiles == label.removeFiles?.texts,
            manifest.shrunk?.kernelModules == label.kernelModules?.texts,
            Set(manifest.transports) == Set(label.transports), manifest.kernelPattern == label.kernel?.text,
            allows(manifest.allowedSecrets),
            // Whether a password is still the same is recorded nowhere.
            rootLogin == RootLogin(of: label), manifest.rootPassword == rootLogin.record,
            manifest.shipped == (try shipped.digest().hexadecimal),
            manifest.recipe.sha256 == (try Digest.of(bytes).hexadecimal),
            recipe.usedArguments.isEmpty, manifest.recipe.arguments == nil
        else { return nil }
        // Of the stages that lend files the manifest says nothing.
        for stage in recipe.needed.dropLast() {
            switch try stage.agent() {
            case .localImage, .container: return nil
            case .debootstrap, .dnf, .zypper, .arch, .scratch: break
            }
        }
        let agent = try recipe.built.makeAgent(hosts: hosts, building: label)
        do {
            return try await agent.isUnchanged(since: manifest.bootstrap) ? current : nil
        } catch {
            throw BuildFailure.of(error, recipePath: recipe.path, line: agent.line)
        }
    }

    /// Whether the label still allows what the generation was allowed.
    private func allows(_ secrets: [Manifest.AllowedSecret]?) -> Bool {
        let patterns = PathPatterns(label.allowSecrets)
        return (secrets ?? []).allSatisfy { !patterns.matching(Array($0.path.utf8.dropFirst())).isEmpty }
    }

    private func readRecipe() throws -> (recipe: Recipe, bytes: [UInt8]) {
        guard Files.exists(label.recipe) else {
            throw BuildError.recipeMissing(path: label.recipe, label: label.name)
        }
        let bytes = try Files.read(label.recipe, limit: 4 << 20)
        return (try Recipe(bytes: bytes, path: label.recipe, arguments: arguments), bytes)
    }

    /// What the manifest says of the recipe, as it was read (somebody may edit it while the build runs), and the digest of
    /// what netroot lays into every root.
    private func digests(_ recipe: Recipe, _ bytes: [UInt8]) async throws -> (Manifest.RecipeFile, shipped: String) {
        let used = recipe.usedArguments
        let source = Manifest.RecipeFile(
            path: recipe.path, sha256: try Digest.of(bytes).hexadecimal, arguments: used.isEmpty ? nil : used)
        return (source, try shipped.digest().hexadecimal)
    }

    /// What every build needs, whatever the agent.
    static let tools = [
        Tool("unshare", package: "util-linux"), Tool("setpriv", package: "util-linux"), Tool("zstd", package: "zstd"),
        Tool("hostname", package: "hostname"),
    ]

    /// What can be found wrong before anything is changed.
    /// - Returns: the agents of the stages that are built, in their order.
    private func preflight(_ recipe: Recipe) throws -> [any Agent] {
        try recipe.checkBuildable()
        let agents = try recipe.needed.map { try $0.makeAgent(hosts: hosts, building: label) }
        try Tool.require((agents.flatMap(\.tools) + Self.tools).removingDuplicates())
        try shipped.requireLeaseProgram()
        try PrivilegeError.requireRoot("netroot build")
        for agent in agents {
            do { try agent.check(allows) } catch {
                throw BuildFailure.of(error, recipePath: recipe.path, line: agent.line)
            }
        }
        try outputs.preflight()
        let place = Files.nearestDirectory(label.netroot)
        try MountPoint.requireFit(place)
        let free = try Files.freeBytes(at: place) >> 20
        guard free >= Self.neededMiB else {
            throw BuildError.tooLittleSpace(path: place, freeMiB: free, neededMiB: Self.neededMiB)
        }
        return agents
    }

    /// What the recipe's reader should know before the build.
    private static func notes(on recipe: Recipe) -> [String] {
        var notes = recipe.warnings.map { "warning: \($0)" }
        let left = recipe.stages.count - recipe.needed.count
        if left > 0 {
            notes.append("\(recipe.path): \(left) of \(recipe.stages.count) stages not built: nothing copies from them")
        }
        let ignored = recipe.built.ignoredSections
        if !ignored.isEmpty {
            notes.append(
                "\(recipe.path): not used by netroot: \(ignored.prefix(8).joined(separator: ", "))"
                    + (ignored.count > 8 ? " and \(ignored.count - 8) more" : ""))
        }
        return notes
    }

    /// Makes the roots of the stages, the last of them the draft's.
    /// - Returns: what the manifest says of the last one's bootstrap, and what its root had before the recipe's scripts.
    private func stages(
        _ recipe: Recipe, by agents: [any Agent], in draft: Draft, runner: CommandRunner, progress: Progress
    ) async throws -> (bootstrap: Manifest.Bootstrap, before: SecretLint.Before) {
        // The recipe's scripts may hold passwords.
        try Files.makeDirectory(draft.scratch, mode: 0o700)
        var earlier: [String: RootTree] = [:]
        var unsigned: [String] = []
        func make(
            _ stage: Recipe.Stage, by agent: any Agent, root: String, scratch: String, name: String?, _ last: Customise?
        ) async throws -> (bootstrap: Manifest.Bootstrap, before: SecretLint.Before) {
            let place = AgentPlace(
                root: root, scratch: scratch, cache: cache, recipePath: recipe.path,
                shipped: shipped, runner: runner, allows: allows, customise: last, progress: progress)
            let made = try await StageBuild(
                stage: stage, agent: agent, place: place, earlier: earlier, name: name
            ).run()
            unsigned += made.bootstrap.unsigned ?? []
            return made
        }
        for (number, (stage, agent)) in zip(recipe.needed.dropLast(), agents).enumerated() {
            let name = stage.name ?? ""
            let folder = "\(draft.scratch)/stage-\(number + 1)"
            try Files.makeDirectory(folder + "/scratch", mode: 0o700)
            _ = try await make(
                stage, by: agent, root: folder + "/root", scratch: folder + "/scratch", name: name, nil)
            earlier[name] = RootTree(directory: folder + "/root")
        }
        let customise = Customise(
            tree: RootTree(directory: draft.root), shipped: shipped,
            transports: try transports.require(label.transports).filter { $0.loads == .initramfs }.map(\.name),
            allowed: PathPatterns(label.allowSecrets))
        var (bootstrap, before) = try await make(
            recipe.built, by: agents[agents.count - 1], root: draft.root, scratch: draft.scratch, name: nil, customise)
        // What a stage lends is in the root too.
        bootstrap.unsigned = unsigned.isEmpty ? nil : unsigned.removingDuplicates()
        return (bootstrap, before)
    }

    private var outputs: Outputs {
        get throws(UnknownTransportError) { try Outputs(of: label, transports: transports, cache: cache) }
    }

    private var failedLog: String { LabelStore(label: label).failedLog }

    /// The error with recipe, step and log, in words that hold after the draft is gone.
    private func explained(
        _ error: any Error, of recipe: Recipe, draft: Draft, after progress: Progress
    ) async throws -> any Error {
        let log = Files.exists(draft.log) ? failedLog : nil
        let isFull = try await isDiskFull(error, draft)
        if let log, isFull || error is CancellationError { progress.note("log: \(log)") }
        if isFull { return BuildError.diskFull(path: label.netroot, step: progress.failed ?? "the build") }
        return BuildFailure.of(
            error, recipePath: label.recipe, step: progress.failed, log: log,
            installing: try recipe.built.agent().packageSource)
    }

    /// A full disk shows itself in many ways: in a tool's words, somewhere in the log, or in the space that is left.
    private func isDiskFull(_ error: any Error, _ draft: Draft) async throws -> Bool {
        if error is CancellationError { return false }
        let reason = (error as? BuildFailure)?.reason ?? error
        if let refused = reason as? SystemError, refused.isDiskFull { return true }
        if try Files.freeBytes(at: draft.directory) < 4 << 20 { return true }
        return Files.exists(draft.log) ? try await Self.saysDiskFull(draft.log) : false
    }

    private static func saysDiskFull(_ log: String) async throws -> Bool {
        let words = [
            "-e", "No space left on device", "-e", "You don't have enough free space", "-e", "B more space on the ",
        ]
        do {
            _ = try await CommandRunner().capture(Command(["grep", "-q", "-F"] + words + ["--", log]))
            return true
        } catch CommandError.failed(_, .exited(1), _, _) {
            return false
        }
    }
}
