public import NetrootConfig
import NetrootImage
public import NetrootStore
public import NetrootSystem

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
    /// Whether each command is shown on standard error.
    public var echo = false

    /// The least free space that a build begins with, in MiB.
    static let neededMiB: Int64 = 512

    /// Nothing is looked at yet; `run` checks and builds.
    public init(label: Label, cache: String, shipped: ShippedFiles, version: String) {
        self.label = label
        self.cache = cache
        self.shipped = shipped
        self.version = version
    }

    /// Builds and publishes the next generation of the label.
    ///
    /// Cancelling the task, or killing the process, at any point leaves `current` as it was.
    /// - Throws: `ConfigError`, `BuildError`, `PackError`, `MissingError`, `PrivilegeError`, `LockedError`, `CommandError`,
    ///   `SystemError`, `CancellationError`.
    public func run(progress: Progress) async throws -> Generation {
        let bytes = try readRecipe()
        let recipe = try Recipe(bytes: bytes, path: label.recipe, arguments: arguments)
        try recipe.built.checkBuildable()
        try preflight()
        for note in Self.notes(on: recipe) { progress.note(note) }
        let store = LabelStore(label: label)
        let lock = try store.lock(verb: "build")
        defer { withExtendedLifetime(lock) {} }
        for path in try await store.removeLeftovers(CommandRunner()) {
            progress.note("removed \(path), left by a build that was killed")
        }
        let draft = try store.begin()
        do {
            return try await build(recipe, of: bytes, in: draft, store: store, progress: progress)
        } catch {
            let failure = error
            // Not cancelled with the build: a draft must go even after Ctrl-C.
            throw await Task { await end(draft, after: failure, store: store, progress: progress) }.value
        }
    }

    /// The current generation where a build would make the same again: this netroot built it from the recipe as it is.
    ///
    /// What the recipe takes from elsewhere, newer packages and the sources of `%files`, is not looked at. Values of build
    /// arguments are not recorded, so a recipe that is given any is never up to date.
    /// - Throws: `ConfigError`, `BuildError`, `StoreError`, `CommandError`, `SystemError`.
    public func upToDate() async throws -> Generation? {
        let bytes = try readRecipe()
        let recipe = try Recipe(bytes: bytes, path: label.recipe, arguments: arguments)
        try recipe.built.checkBuildable()
        let store = LabelStore(label: label)
        guard let number = try store.currentNumber(),
            let current = try store.usable().generations.first(where: { $0.number == number })
        else { return nil }
        let manifest = current.manifest
        guard manifest.origin.verb == "build", manifest.netroot == version, manifest.format == label.format.rawValue,
            manifest.readWrite == label.rw, PackStep.fits(manifest.image, label),
            Set(manifest.bootTransports) == Set(label.transports),
            manifest.shipped == (try await Digest.shipped(shipped)),
            manifest.recipe.sha256 == (try await Digest.sha256(of: bytes)),
            recipe.usedArguments.isEmpty, manifest.recipe.arguments == nil
        else { return nil }
        return current
    }

    /// The steps, top to bottom.
    private func build(
        _ recipe: Recipe, of bytes: [UInt8], in draft: Draft, store: LabelStore, progress: Progress
    ) async throws -> Generation {
        let started = JSON.timestamp()
        let stage = recipe.built
        let runner = CommandRunner(log: draft.log, echo: echo)
        let tree = RootTree(directory: draft.root)
        let inRoot = RootCommand(root: draft.root, shipped: shipped)
        let scratch = draft.directory + "/scratch"
        // The recipe's scripts may hold passwords.
        try Files.makeDirectory(scratch, mode: 0o700)
        // Digested as it was read: somebody may edit it while the build runs.
        let used = recipe.usedArguments
        let source = Manifest.RecipeFile(
            path: recipe.path, sha256: try await Digest.sha256(of: bytes), arguments: used.isEmpty ? nil : used)
        let laid = try await Digest.shipped(shipped)
        let steps = RecipeSteps(
            recipe: stage, tree: tree, inRoot: inRoot, runner: runner, scratch: scratch, log: failedLog)
        let pair = KernelPair(
            tree: tree, inRoot: inRoot, runner: runner, recipe: recipe.path, log: failedLog,
            transports: label.transports)
        if stage.pre != nil { try await progress.step("%pre") { try await steps.pre() } }
        try await progress.step("bootstrap") { try await bootstrap(stage, draft: draft, runner: runner) }
        try await progress.step("customise") {
            try Customise(tree: tree, shipped: shipped, transports: label.transports).run()
            try steps.metadata()
        }
        if stage.setup != nil { try await progress.step("%setup") { try await steps.setup() } }
        if !stage.files.isEmpty { try await progress.step("%files") { try await steps.files() } }
        if stage.post != nil {
            let customise = Customise(tree: tree, shipped: shipped, transports: label.transports)
            let own = try customise.hostIdentity()
            try await progress.step("%post") { try await steps.post() }
            // A name that the recipe sets is meant; host keys are made by package scripts, one pair for all clients.
            for path in try customise.removeIdentity(keeping: own.union(["etc/hostname"])) {
                progress.note("removed \(path), which %post left: each client makes its own")
            }
        }
        if stage.test != nil { try await progress.step("%test") { try await steps.test() } }
        let kernel = try await progress.step("initramfs") {
            try await pair.make(vmlinuz: draft.vmlinuz, initramfs: draft.initramfs)
        }
        var image: Manifest.Image?
        if label.needsImage {
            image = try await progress.step("pack") {
                try await PackStep(label: label, cache: cache).run(draft, progress: progress)
            }
        }
        let packed = image
        return try await progress.step("publish") {
            let packages = try await PackageList.read(inRoot, runner: CommandRunner())
            _ = try await CommandRunner().capture(Command(["rm", "-rf", "--", scratch]))
            if label.format == .squashfs { try await PackStep.removeTree(draft) }
            let manifest = Manifest(
                label: label.name, generation: draft.number, format: label.format.rawValue, image: packed,
                transports: label.transports.map(\.rawValue), readWrite: label.rw,
                origin: Manifest.Origin(verb: "build"),
                recipe: source, shipped: laid,
                kernel: try await Digest.kernel(version: kernel, of: draft), packages: packages, netroot: version,
                started: started, finished: JSON.timestamp(),
                steps: progress.finished.map { Manifest.Step(name: $0.name, seconds: $0.seconds) })
            return try await store.publish(draft, manifest: manifest)
        }
    }

    private func readRecipe() throws -> [UInt8] {
        guard Files.exists(label.recipe) else {
            throw BuildError.recipeMissing(path: label.recipe, label: label.name)
        }
        return try Files.read(label.recipe, limit: 4 << 20)
    }

    private func preflight() throws {
        try Tool.require(Debootstrap.tools)
        try PrivilegeError.requireRoot("netroot build")
        // Said now, not when the root is built.
        if label.needsImage { _ = try SourceDateEpoch.current() }
        let place = Files.nearestDirectory(label.netroot)
        let free = try Files.freeBytes(at: place) >> 20
        guard free >= Self.neededMiB else {
            throw BuildError.tooLittleSpace(path: place, freeMiB: free, neededMiB: Self.neededMiB)
        }
    }

    /// What the recipe's reader should know before the build.
    private static func notes(on recipe: Recipe) -> [String] {
        var notes = recipe.warnings.map { "warning: \($0)" }
        if recipe.stages.count > 1 {
            notes.append("\(recipe.path): only the last of \(recipe.stages.count) stages is built")
        }
        let ignored = recipe.built.ignoredSections
        if !ignored.isEmpty {
            notes.append(
                "\(recipe.path): not used by netroot: \(ignored.prefix(8).joined(separator: ", "))"
                    + (ignored.count > 8 ? " and \(ignored.count - 8) more" : ""))
        }
        return notes
    }

    private func bootstrap(_ recipe: Recipe.Stage, draft: Draft, runner: CommandRunner) async throws {
        switch try recipe.agent() {
        case .debootstrap(let header):
            let agent = Debootstrap(header: header, recipe: recipe.path, cache: cache, shipped: shipped)
            try await agent.run(root: draft.root, log: failedLog, runner: runner)
        }
    }

    private var failedLog: String { LabelStore(label: label).failedLog }

    /// Drops the draft and keeps its log.
    /// - Returns: the error in words that hold after the draft is gone.
    private func end(
        _ draft: Draft, after error: any Error, store: LabelStore, progress: Progress
    ) async -> any Error {
        do {
            let explained = try await diskFull(error, draft: draft, after: progress)
            let kept = try await store.abandon(draft, keepingLog: true, CommandRunner())
            if let kept { progress.note("log: \(kept)") }
            return (explained as? CommandError)?.loggedIn(kept) ?? explained
        } catch let second {
            progress.note("\(draft.directory) is left for the next build to remove: \(second)")
            return error
        }
    }

    /// A full disk shows itself in many ways: in a tool's words, somewhere in the log, or in the space that is left.
    private func diskFull(_ error: any Error, draft: Draft, after progress: Progress) async throws -> any Error {
        if error is CancellationError { return error }
        let refused = (error as? SystemError)?.isDiskFull ?? false
        let free = try Files.freeBytes(at: draft.directory)
        var isFull = refused || free < 4 << 20
        if !isFull, Files.exists(draft.log) { isFull = try await Self.saysDiskFull(draft.log) }
        return isFull ? BuildError.diskFull(path: label.netroot, step: progress.failed ?? "the build") : error
    }

    private static func saysDiskFull(_ log: String) async throws -> Bool {
        let words = ["-e", "No space left on device", "-e", "You don't have enough free space"]
        do {
            _ = try await CommandRunner().capture(Command(["grep", "-q", "-F"] + words + ["--", log]))
            return true
        } catch CommandError.failed(_, .exited(1), _, _) {
            return false
        }
    }
}
