import Glibc
public import NetrootConfig
public import NetrootEntry
import NetrootImage
public import NetrootStore
public import NetrootSystem
import NetrootTree

/// Editing a generation by hand: a chroot in a copy, published when the work ended well.
public struct Shell: Sendable {
    /// The label whose current generation is edited.
    public let label: Label
    /// The command and its arguments; empty for an interactive shell.
    public let command: [String]
    /// Whether the current generation itself is edited.
    public let live: Bool
    /// The directory of what is kept between builds: compressed blocks, for a generation with an image.
    public let cache: String
    /// The data that netroot ships.
    public let shipped: ShippedFiles
    /// All transports.
    public var transports = Transports.shipped
    /// The version of netroot, for the manifest.
    public let version: String
    /// Whether each command is shown on standard error.
    public var echo = false

    /// Nothing is looked at yet; `run` checks and enters the chroot.
    public init(
        label: Label, command: [String], live: Bool, cache: String, shipped: ShippedFiles, version: String
    ) {
        self.label = label
        self.cache = cache
        self.command = command
        self.live = live
        self.shipped = shipped
        self.version = version
    }

    /// What came of it.
    public enum Outcome: Sendable, Equatable {
        /// A new generation was published.
        case published(Generation)
        /// The command failed, so the copy was dropped.
        case dropped(Termination)
        /// The current generation was edited in place; whether its initramfs was made anew.
        case edited(Generation, Termination, rebuilt: Bool)
    }

    /// What a shell in a user namespace cannot do.
    /// - Throws: `BuildError.needsRoot`, `StoreError`, `SystemError`.
    public func checkWithoutRoot() throws {
        let current = try LabelStore(label: label).current()
        guard !outputs(of: current).needRoot else {
            throw BuildError.needsRoot(
                what: "generation \(current.number) of \(label.name) is a tree, whose files belong to root and others")
        }
    }

    /// Runs the shell.
    /// - Throws: `StoreError`, `LockedError`, `PrivilegeError`, `MissingError`, `BuildError`, `PackError`, `CommandError`,
    ///   `SystemError`, `CancellationError`.
    public func run(progress: Progress) async throws -> Outcome {
        try Tool.require(Build.tools)
        try PrivilegeError.requireRoot("netroot shell")
        let store = LabelStore(label: label)
        _ = try store.current()
        let lock = try store.lock(verb: "shell")
        // Again: a rollback may have come before the lock.
        let current = try store.current()
        defer { withExtendedLifetime(lock) {} }
        if live, current.artifact(.squashfs) ?? current.artifact(.rescue) != nil {
            throw BuildError.liveImage(label: label.name, generation: current.number)
        }
        try outputs(of: current).preflight()
        try MountPoint.requireFit(Files.nearestDirectory(label.netroot))
        _ = try await store.removeLeftovers(CommandRunner())
        return live
            ? try await edit(current, store: store, progress: progress)
            : try await copyAndEdit(current, store: store, progress: progress)
    }

    private func copyAndEdit(_ base: Generation, store: LabelStore, progress: Progress) async throws -> Outcome {
        let started = JSON.timestamp()
        return try await store.withDraft(note: progress.note) { draft in
            let runner = CommandRunner(log: draft.log, echo: echo)
            do {
                try await progress.step("copy generation \(base.number)") {
                    try await copyRoot(of: base, into: draft, progress: progress)
                }
                var lint = SecretLint(tree: RootTree(directory: draft.root), shipped: shipped, label: label)
                lint.source = .shell
                lint.before = try lint.looked(isOfOneClient: base.manifest.readWrite)
                if let refused = try lint.refused(inCopyOf: base.number) { throw refused }
                let login = try RootLoginStep(
                    keeping: base.manifest.rootPassword, in: RootTree(directory: draft.root))
                let before = try await BootFingerprint.of(draft.root)
                let termination = try await work(in: draft.root, lint, progress)
                guard termination == .exited(0) else { return .dropped(termination) }
                let pair = try pair(of: base, root: draft.root, runner: runner)
                let isUnchanged = try await isUnchanged(since: before, in: draft.root, of: base, pair)
                let completion = Completion(
                    store: store, draft: draft, inRoot: RootCommand(root: draft.root, shipped: shipped),
                    pair: pair, outputs: outputs(of: base),
                    caches: try shipped.packageCaches(in: draft.root, of: label), lint: lint, label: label,
                    version: version,
                    started: started, progress: progress)
                return .published(
                    try await completion.run(provenance(base.manifest, login), reusing: isUnchanged ? base : nil))
            } catch {
                throw failure(error, of: base, log: Files.exists(draft.log) ? store.failedLog : nil, progress)
            }
        }
    }

    /// What an edited root lacks is told with its recipe; what else failed has nothing to do with that.
    private func failure(
        _ error: any Error, of base: Generation, log: String?, _ progress: Progress
    ) -> any Error {
        BuildFailure.of(
            error, recipePath: error is BuildError ? base.manifest.recipe.path : nil, step: progress.failed, log: log,
            installing: .shell)
    }

    /// A root that was edited is still its base's, but for what made it.
    private func provenance(_ base: Manifest, _ login: RootLoginStep) -> Completion.Provenance {
        Completion.Provenance(
            formats: base.formats, transports: base.transports, readWrite: base.readWrite,
            origin: Manifest.Origin(verb: "shell", base: base.generation),
            recipe: base.recipe, bootstrap: base.bootstrap, shipped: base.shipped, shrunk: base.shrunk,
            packages: base.packages, rootLogin: login)
    }

    /// Edits the root itself; kernel and initramfs are made anew where what they are made from has changed.
    private func edit(_ current: Generation, store: LabelStore, progress: Progress) async throws -> Outcome {
        let root = try current.requirePath(of: .tree)
        let runner = CommandRunner(log: current.log, echo: echo)
        var lint = SecretLint(tree: RootTree(directory: root), shipped: shipped, label: label)
        lint.source = .shell
        lint.before = try lint.looked(isOfOneClient: true)
        let login = try RootLoginStep(keeping: current.manifest.rootPassword, in: RootTree(directory: root))
        let before = try await BootFingerprint.of(root)
        let termination = try await enter(root)
        for note in try Completion.cleanUp(root, try shipped.packageCaches(in: root, of: label)) { progress.note(note) }
        let (rootPassword, note) = try login.run(in: RootTree(directory: root))
        if let note { progress.note(note) }
        warn(try lint.refused(after: "the shell", note: progress.note), progress)
        let pair = try pair(of: current, root: root, runner: runner)
        let isUnchanged: Bool
        do {
            isUnchanged = try await self.isUnchanged(since: before, in: root, of: current, pair)
        } catch {
            throw failure(error, of: current, log: current.log, progress)
        }
        let vmlinuz = current.vmlinuz + ".new"
        let initramfs = try current.requirePath(of: .initramfs) + ".new"
        var manifest = current.manifest
        if !isUnchanged {
            do {
                let kernel = try await progress.step("initramfs") {
                    try await pair.make(vmlinuz: vmlinuz, initramfs: initramfs, progress: progress)
                }
                manifest.record(kernel, pattern: pair.pattern)
            } catch {
                throw failure(error, of: current, log: current.log, progress)
            }
            manifest.replace(try Manifest.Artifact(.kernel, digesting: vmlinuz))
            manifest.replace(try Manifest.Artifact(.initramfs, digesting: initramfs))
        }
        let inRoot = RootCommand(root: root, shipped: shipped)
        manifest.rootPassword = rootPassword
        manifest.keepsPackageCaches = label.keepsPackageCaches ? true : nil
        let packages = try await PackageList.listed(inRoot, runner: CommandRunner()).measured()
        // The label's REMOVE_FILES may have taken the database.
        if !packages.isEmpty { manifest.packages = packages }
        let listing = try FileListing(directory: root)
        let list = CapabilityList(
            tree: RootTree(directory: root), transports: try transports.require(manifest.transports))
        let (bytes, warning) = try list.write(listing)
        if let warning { progress.note(warning) }
        manifest.replace(Manifest.Artifact(.tree, bytes: bytes))
        manifest.privileged = Manifest.Privileged(countedIn: listing)
        if !isUnchanged {
            try Files.move(vmlinuz, to: current.vmlinuz)
            try Files.move(initramfs, to: try current.requirePath(of: .initramfs))
        }
        try store.rewrite(manifest, of: current)
        return .edited(current, termination, rebuilt: !isUnchanged)
    }

    /// Clients have seen it already, so nothing is taken back.
    private func warn(_ refused: SecretsError?, _ progress: Progress) {
        guard let refused else { return }
        for line in "\(refused)".split(separator: "\n") { progress.note("warning: \(line)") }
    }

    private func outputs(of base: Generation) -> Outputs { Outputs(of: base, label: label, cache: cache) }

    /// Puts the root of a generation into a draft: a copy of its tree, or its image unpacked.
    private func copyRoot(
        of base: Generation, into draft: Draft, progress: Progress
    ) async throws {
        try Files.makeDirectory(draft.root)
        // mknod(2) is not allowed in a user namespace.
        let keepsDevices = try !UserNamespace.isEntered()
        let report = try await RootFill(directory: draft.root, keepsDevices: keepsDevices).takeRoot(of: base)
        if report.devices > 0 { progress.note("left out \(report.devices) device nodes: only root can make them") }
    }

    private func pair(of base: Generation, root: String, runner: CommandRunner) throws -> KernelPair {
        KernelPair(
            tree: RootTree(directory: root), inRoot: RootCommand(root: root, shipped: shipped), runner: runner,
            transports: try transports.require(base.manifest.transports), pattern: label.kernel)
    }

    /// Whether the base's kernel and initramfs fit the root as it is now, and the label as it says now.
    private func isUnchanged(
        since before: BootFingerprint, in root: String, of base: Generation, _ pair: KernelPair
    ) async throws -> Bool {
        guard try await BootFingerprint.of(root) == before else { return false }
        return try pair.kernel().choice.taken == base.manifest.kernelVersion
    }

    /// Enters the copy, and again as long as somebody at a terminal leaves a secret in it: an hour's work is not dropped.
    private func work(in root: String, _ lint: SecretLint, _ progress: Progress) async throws -> Termination {
        while true {
            let termination = try await enter(root)
            // A terminal that was closed is none any more.
            guard termination == .exited(0), command.isEmpty, isatty(STDIN_FILENO) == 1 else { return termination }
            if let note = try Completion.clearFlags(in: RootTree(directory: root)) { progress.note(note) }
            guard let refused = try lint.refused(after: "the shell", note: progress.note) else { return termination }
            warn(refused, progress)
            progress.note("the shell opens again on the same copy; leave it with exit 1 to drop the copy")
        }
    }

    private func enter(_ root: String) async throws -> Termination {
        let inRoot = RootCommand(root: root, shipped: shipped)
        let argv = command.isEmpty ? [try inRoot.shell(), "-i"] : command
        // What is typed here may be a password, and a history in the root is read by all clients.
        var environment = ["debian_chroot": label.name, "LESSHISTFILE": "-"]
        for name in ["HISTFILE", "PYTHON_HISTORY", "MYSQL_HISTFILE", "PSQL_HISTORY"] { environment[name] = "/dev/null" }
        if let terminal = getenv("TERM") { environment["TERM"] = String(cString: terminal) }
        return try await CommandRunner().interact(
            try inRoot.commandInEnvironment(argv, environment: environment))
    }
}

extension Manifest {
    /// Puts an artifact in the place of the one of its kind.
    fileprivate mutating func replace(_ artifact: Artifact) {
        artifacts = artifacts.map { $0.kind == artifact.kind ? artifact : $0 }
    }
}

/// What an initramfs is made from, by name, size and time: kernels, modules, dracut and its configuration.
struct BootFingerprint: Sendable, Equatable {
    private let listing: String

    /// Reads the fingerprint of a root.
    /// - Throws: `CommandError`.
    static func of(_ root: String) async throws -> BootFingerprint {
        let places = [
            "boot", "lib/modules", "usr/lib/modules", "usr/lib/dracut", "etc/dracut.conf", "etc/dracut.conf.d",
        ]
        let tree = RootTree(directory: root)
        let present = try places.map { try tree.resolve($0) }.filter(Files.exists)
        // find(1) without a place to begin would walk the working directory.
        guard !present.isEmpty else { return BootFingerprint(listing: "") }
        let command = Command(["find"] + present + ["-type", "f", "-printf", "%p %s %T@\\n"])
        let lines = try await CommandRunner().capture(command).split(separator: "\n").sorted()
        return BootFingerprint(listing: lines.joined(separator: "\n"))
    }
}
