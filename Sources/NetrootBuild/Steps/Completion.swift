import NetrootConfig
import NetrootStore
import NetrootSystem
import NetrootTree

/// The end of every build and of every shell: a draft whose root is finished becomes the next generation.
struct Completion: Sendable {
    let store: LabelStore
    let draft: Draft
    /// The draft's root, to run programs in.
    let inRoot: RootCommand
    /// What makes kernel and initramfs.
    let pair: KernelPair
    let outputs: Outputs
    /// What is removed from the root first; nil keeps it.
    let caches: PackageCaches?
    /// What looks for secrets in the root.
    let lint: SecretLint
    /// What the label takes out of the root, and what its artifacts may take.
    let label: Label
    /// The version of netroot.
    let version: String
    /// When the work began, ISO 8601.
    let started: String
    let progress: Progress

    /// What the manifest says that was known before.
    struct Provenance: Sendable {
        var formats: [String]
        var transports: [TransportName]
        var readWrite: Bool
        var origin: Manifest.Origin
        var recipe: Manifest.RecipeFile
        var bootstrap: Manifest.Bootstrap
        var shipped: String
        /// What an earlier generation lost, from which this one is made.
        var shrunk: Manifest.Shrunk?
        /// The packages of an earlier generation, for a root whose database `REMOVE_FILES` took.
        var packages: [Manifest.Package] = []
        /// What becomes of root's password.
        var rootLogin: RootLoginStep
    }

    /// The steps, top to bottom: what package managers left, root's account, what the label removes, the look for secrets,
    /// kernel and initramfs, outputs, publish.
    /// - Parameter base: the generation whose kernel and initramfs fit this root too; nil makes them anew.
    /// - Throws: `SecretsError`, `BuildError`, `PackError`, `CommandError`, `SystemError`, `StoreError`, `CancellationError`.
    func run(_ provenance: Provenance, reusing base: Generation? = nil) async throws -> Generation {
        for note in try Self.cleanUp(inRoot.root, caches) { try self.note(note) }
        let (rootPassword, note) = try provenance.rootLogin.run(in: pair.tree)
        if let note { try self.note(note) }
        try outputs.check(pair.tree, shipped: inRoot.shipped)
        let verb = provenance.origin.verb
        let shrink = Shrink(
            label: label, inRoot: inRoot, runner: pair.runner, pair: pair, isStrict: verb == "build", progress: progress
        )
        let (shrunk, listed) = try await shrink.run()
        let allowed = try lint.run(after: verb == "build" ? "the recipe" : "the \(verb)", note: progress.note)
        let kernel = try await bootFiles(reusing: base)
        if outputs.areArchivesAlone { try removeKernelImage() }
        let (rootBytes, privileged) = try counts()
        let root = FinishedRoot(bytes: rootBytes, kernelVersion: kernel.taken, shipped: inRoot.shipped)
        let artifacts = try await outputs.make(draft, of: root, progress: progress)
        if let exceeded = SizeBounds(of: label).exceeded(by: artifacts) {
            let packages = try await progress.step("measure") { try await measured(listed, provenance) }
            for line in try TreeAccount.largestParts(of: draft.root, packages) { try shrink.note(line) }
            throw exceeded
        }
        return try await progress.step("publish") {
            let packages = try await measured(listed, provenance)
            try removeLeftovers()
            var manifest = Manifest(
                label: store.label, generation: draft.number, formats: provenance.formats, artifacts: artifacts,
                transports: provenance.transports, readWrite: provenance.readWrite, origin: provenance.origin,
                recipe: provenance.recipe, bootstrap: provenance.bootstrap, privileged: privileged,
                shipped: provenance.shipped, kernelVersion: kernel.taken, packages: packages, netroot: version,
                started: started, finished: JSON.timestamp(),
                steps: progress.finished.map { Manifest.Step(name: $0.name, seconds: $0.seconds) },
                allowedSecrets: allowed.isEmpty ? nil : allowed)
            manifest.rootPassword = rootPassword
            manifest.keepsPackageCaches = caches == nil ? true : nil
            manifest.shrunk = Manifest.Shrunk.sum(shrunk, provenance.shrunk)
            manifest.record(kernel, pattern: pair.pattern)
            return try await store.publish(draft, manifest: manifest)
        }
    }

    /// Takes from a root what would not be published, or would be in the way of who removes it.
    /// - Parameter caches: nil keeps what package managers left.
    /// - Returns: what was done, in words.
    /// - Throws: `RootPathError`, `TreeRemovalError`, `SystemError`, `CancellationError`.
    static func cleanUp(_ root: String, _ caches: PackageCaches?) throws -> [String] {
        var notes = try [clearFlags(in: RootTree(directory: root))].compactMap { $0 }
        if let bytes = try caches?.remove(), bytes > 0 {
            let size = Progress.decimal(Double(bytes) / 1_000_000)
            notes.append(
                "removed \(size) MB of caches, lists and logs of package managers; KEEP_PACKAGE_CACHES = Y keeps them")
        }
        return notes
    }

    /// Makes all files of a root such that they can be changed and removed.
    /// - Returns: what was done, in words; nil for nothing.
    static func clearFlags(in tree: RootTree) throws -> String? {
        let flagged = try tree.clearInodeFlags()
        guard let first = flagged.first else { return nil }
        let others = flagged.count > 1 ? " and \(flagged.count - 1) more" : ""
        return "took the chattr(1) flags from /\(first)\(others): clients would not have them"
    }

    /// Says it on standard error and in the log.
    private func note(_ text: String) throws {
        progress.note(text)
        try pair.runner.note(text)
    }

    /// The packages of the root, with what their files take now.
    /// - Parameter listed: what was read before the label's `REMOVE_FILES`, which may name the database.
    private func measured(
        _ listed: PackageList.Listed?, _ provenance: Provenance
    ) async throws -> [Manifest.Package] {
        let packages: [Manifest.Package]
        if let listed {
            packages = try listed.measured()
        } else {
            packages = try await PackageList.listed(inRoot, runner: CommandRunner()).measured()
        }
        return packages.isEmpty ? provenance.packages : packages
    }

    private func bootFiles(reusing base: Generation?) async throws -> KernelChoice {
        guard let base else {
            return try await progress.step(pair.needsDracut ? "initramfs" : "kernel") {
                try await pair.make(vmlinuz: draft.vmlinuz, initramfs: draft.initramfs, progress: progress)
            }
        }
        let copies = [(base.vmlinuz, draft.vmlinuz)] + (base.initramfs.map { [($0, draft.initramfs)] } ?? [])
        for (source, target) in copies {
            try await pair.runner.run(Command(["cp", "-p", "--reflink=auto", "--", source, target]))
        }
        return try pair.kernel().choice
    }

    /// Takes the kernel out of a root that nothing but an archive is made of: whoever loads the archive loads the kernel
    /// from beside it, and a second copy costs every machine its size in RAM.
    private func removeKernelImage() throws {
        try pair.tree.remove(try pair.kernel().path)
    }

    /// The sizes of the root's regular files, and the manifest's entry for those that give their caller more rights; the
    /// list of those with capabilities is written into the root.
    private func counts() throws -> (bytes: Int64, privileged: Manifest.Privileged) {
        let listing = try FileListing(directory: draft.root)
        let list = CapabilityList(
            tree: RootTree(directory: draft.root), transports: pair.transports, losing: outputs.loseCapabilities)
        let (bytes, warning) = try list.write(listing)
        if let warning { progress.note(warning) }
        return (bytes, Manifest.Privileged(countedIn: listing))
    }

    /// Takes out of the draft what is no part of a generation: the build's own files, and a tree that nobody asked for.
    private func removeLeftovers() throws {
        let paths = [draft.scratch] + (outputs.keepTree ? [] : [draft.treeDirectory])
        for path in paths { try Files.removeTree(path) }
    }
}
