import NetrootConfig
import NetrootEntry
import NetrootStore
import NetrootSystem
import NetrootTree

/// What turns a draft, whose root tree, kernel and initramfs are finished, into artifacts.
protocol Output: Sendable {
    /// The word of `FORMAT` that asks for it.
    var format: Label.Format { get }
    /// The kinds of artifacts that it makes.
    var kinds: [ArtifactKind] { get }
    /// Whether it can be made by root alone, and not in a user namespace.
    var needsRoot: Bool { get }

    /// What can be said before the build.
    func preflight() throws

    /// What can be said of a finished root before anything is made of it.
    func check(_ tree: RootTree, shipped: ShippedFiles) throws

    /// Whether the artifacts of a generation are what the label's settings would make, as far as the output can tell.
    func fits(_ manifest: Manifest) -> Bool

    /// What it makes that cannot hold file capabilities (capabilities(7)), in words; nil where it can.
    var losesCapabilities: String? { get }

    /// Makes the artifacts; the tree stays as it is.
    func make(_ draft: Draft, of root: FinishedRoot, progress: Progress) async throws -> [Manifest.Artifact]
}

/// What is known of a draft's root when the outputs are made.
struct FinishedRoot: Sendable {
    /// The sizes of its regular files, hard links once.
    let bytes: Int64
    /// The version of the kernel that clients boot.
    let kernelVersion: String
    /// The data that netroot ships.
    let shipped: ShippedFiles
}

extension Output {
    func preflight() throws {}
    func check(_ tree: RootTree, shipped: ShippedFiles) throws {}
    func fits(_ manifest: Manifest) -> Bool { true }
    var losesCapabilities: String? { nil }
}

/// The outputs of one build, in the order in which they are made.
struct Outputs: Sendable {
    let chosen: [any Output]
    /// Whether one of the transports boots an initramfs of dracut.
    let needInitramfs: Bool

    /// All that there are.
    /// - Parameter cache: the directory of all caches.
    static func all(of label: Label, cache: String) -> [any Output] {
        [Tree(), Squashfs(label: label, cache: cache), RescueArchive(label: label, cache: cache)]
    }

    /// Those of `FORMAT`, and for each transport that none of them makes an artifact for the first one that does.
    /// - Throws: `UnknownTransportError`.
    init(of label: Label, transports: Transports, cache: String) throws(UnknownTransportError) {
        let all = Self.all(of: label, cache: cache)
        var formats = Set(label.formats)
        let wanted = try transports.require(label.transports)
        for transport in wanted {
            let serving = all.filter { !Set($0.kinds).isDisjoint(with: transport.serves) }
            guard let first = serving.first, !serving.contains(where: { formats.contains($0.format) }) else { continue }
            formats.insert(first.format)
        }
        chosen = all.filter { formats.contains($0.format) }
        needInitramfs = wanted.contains { $0.loads == .initramfs }
    }

    /// Those that made the artifacts of a generation, with the label's settings.
    init(of generation: Generation, label: Label, cache: String) {
        chosen = Self.all(of: label, cache: cache).filter { $0.kinds.contains { generation.artifact($0) != nil } }
        needInitramfs = generation.initramfs != nil
    }

    /// The kinds that they make.
    private var kinds: Set<ArtifactKind> { Set(chosen.flatMap(\.kinds)) }

    /// Whether the draft's tree is one of the artifacts.
    var keepTree: Bool { kinds.contains(.tree) }

    /// Whether the root is kept in an archive for RAM, and in no other form.
    var areArchivesAlone: Bool { kinds == [.rescue] }

    /// Whether one of them can be made by root alone.
    var needRoot: Bool { chosen.contains(where: \.needsRoot) }

    /// What loses file capabilities, in words; nil where nothing does.
    var loseCapabilities: String? { chosen.lazy.compactMap(\.losesCapabilities).first }

    private var bootKinds: Set<ArtifactKind> { needInitramfs ? [.kernel, .initramfs] : [.kernel] }

    /// What can be said before the build.
    func preflight() throws { for output in chosen { try output.preflight() } }

    /// What can be said of a finished root before anything is made of it.
    func check(_ tree: RootTree, shipped: ShippedFiles) throws {
        for output in chosen { try output.check(tree, shipped: shipped) }
    }

    /// Whether a generation has what they would make, as far as they can tell, and nothing else.
    func fit(_ manifest: Manifest) -> Bool {
        kinds.union(bootKinds) == Set(manifest.artifacts.map(\.kind))
            && chosen.allSatisfy { $0.fits(manifest) }
    }

    /// Makes the artifacts, and digests the kernel and the initramfs, which are artifacts too.
    /// - Throws: `PackError`, `NewcError`, `MissingError`, `BuildError`, `CommandError`, `SystemError`, `CancellationError`.
    func make(_ draft: Draft, of root: FinishedRoot, progress: Progress) async throws -> [Manifest.Artifact] {
        var artifacts = [try Manifest.Artifact(.kernel, digesting: draft.vmlinuz)]
        if needInitramfs { artifacts.append(try Manifest.Artifact(.initramfs, digesting: draft.initramfs)) }
        for output in chosen { artifacts += try await output.make(draft, of: root, progress: progress) }
        return artifacts
    }

}

extension Manifest.Artifact {
    /// A file that is digested and measured now.
    /// - Throws: `DigestError`, `SystemError`, `CancellationError`.
    init(_ kind: ArtifactKind, digesting path: String, image: Manifest.Image? = nil) throws {
        self.init(kind, bytes: try Files.size(path), sha256: try Digest.of(file: path).hexadecimal, image: image)
    }
}
