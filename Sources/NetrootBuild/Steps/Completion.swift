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
    }

    /// The steps, top to bottom: kernel and initramfs, outputs, publish.
    /// - Parameter base: the generation whose kernel and initramfs fit this root too; nil makes them anew.
    /// - Throws: `BuildError`, `PackError`, `CommandError`, `SystemError`, `StoreError`, `CancellationError`.
    func run(_ provenance: Provenance, reusing base: Generation? = nil) async throws -> Generation {
        let kernel = try await bootFiles(reusing: base)
        let (rootBytes, privileged) = try counts()
        let artifacts = try await outputs.make(draft, rootBytes: rootBytes, progress: progress)
        return try await progress.step("publish") {
            let packages = try await PackageList.read(inRoot, runner: CommandRunner())
            try await removeLeftovers()
            let manifest = Manifest(
                label: store.label, generation: draft.number, formats: provenance.formats, artifacts: artifacts,
                transports: provenance.transports, readWrite: provenance.readWrite, origin: provenance.origin,
                recipe: provenance.recipe, bootstrap: provenance.bootstrap, privileged: privileged,
                shipped: provenance.shipped, kernelVersion: kernel, packages: packages, netroot: version,
                started: started, finished: JSON.timestamp(),
                steps: progress.finished.map { Manifest.Step(name: $0.name, seconds: $0.seconds) })
            return try await store.publish(draft, manifest: manifest)
        }
    }

    /// - Returns: the kernel's version.
    private func bootFiles(reusing base: Generation?) async throws -> String {
        guard let base else {
            return try await progress.step("initramfs") {
                try await pair.make(vmlinuz: draft.vmlinuz, initramfs: draft.initramfs)
            }
        }
        for (source, target) in [(base.vmlinuz, draft.vmlinuz), (base.initramfs, draft.initramfs)] {
            try await pair.runner.run(Command(["cp", "-p", "--reflink=auto", "--", source, target]))
        }
        return base.manifest.kernelVersion
    }

    /// The sizes of the root's regular files, and the manifest's entry for those that give their caller more rights; the
    /// list of those with capabilities is written into the root.
    private func counts() throws -> (bytes: Int64, privileged: Manifest.Privileged) {
        let listing = try FileListing(directory: draft.root)
        let list = CapabilityList(tree: RootTree(directory: draft.root), transports: pair.transports)
        let (bytes, warning) = try list.write(listing)
        if let warning { progress.note(warning) }
        return (bytes, Manifest.Privileged(countedIn: listing))
    }

    /// Takes out of the draft what is no part of a generation: the build's own files, and a tree that nobody asked for.
    private func removeLeftovers() async throws {
        let paths = [draft.scratch] + (outputs.keepTree ? [] : [draft.treeDirectory])
        _ = try await CommandRunner().capture(Command(["rm", "-rf", "--one-file-system", "--"] + paths))
    }
}
