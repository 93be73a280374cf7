import NetrootConfig
import NetrootEntry
import NetrootStore
import NetrootSystem

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

    /// Whether the artifacts of a generation are what the label's settings would make, as far as the output can tell.
    func fits(_ manifest: Manifest) -> Bool

    /// Makes the artifacts; the tree stays as it is.
    /// - Parameter rootBytes: the sizes of the regular files in the draft's tree, hard links once.
    func make(_ draft: Draft, rootBytes: Int64, progress: Progress) async throws -> [Manifest.Artifact]
}

extension Output {
    func preflight() throws {}
    func fits(_ manifest: Manifest) -> Bool { true }
}

/// The outputs of one build, in the order in which they are made.
struct Outputs: Sendable {
    let chosen: [any Output]

    /// All that there are.
    /// - Parameter cache: the directory of all caches.
    static func all(of label: Label, cache: String) -> [any Output] { [Tree(), Squashfs(label: label, cache: cache)] }

    /// Those of `FORMAT`, and for each transport that none of them makes an artifact for the first one that does.
    /// - Throws: `UnknownTransportError`.
    init(of label: Label, transports: Transports, cache: String) throws(UnknownTransportError) {
        let all = Self.all(of: label, cache: cache)
        var formats = Set(label.formats)
        for transport in try transports.require(label.transports) {
            let serving = all.filter { !Set($0.kinds).isDisjoint(with: transport.serves) }
            guard let first = serving.first, !serving.contains(where: { formats.contains($0.format) }) else { continue }
            formats.insert(first.format)
        }
        chosen = all.filter { formats.contains($0.format) }
    }

    /// Those that made the artifacts of a generation, with the label's settings.
    init(of generation: Generation, label: Label, cache: String) {
        chosen = Self.all(of: label, cache: cache).filter { $0.kinds.contains { generation.artifact($0) != nil } }
    }

    /// The kinds that they make.
    private var kinds: Set<ArtifactKind> { Set(chosen.flatMap(\.kinds)) }

    /// Whether the draft's tree is one of the artifacts.
    var keepTree: Bool { kinds.contains(.tree) }

    /// Whether one of them can be made by root alone.
    var needRoot: Bool { chosen.contains(where: \.needsRoot) }

    /// What can be said before the build.
    func preflight() throws { for output in chosen { try output.preflight() } }

    /// Whether a generation has what they would make, as far as they can tell, and nothing else.
    func fit(_ manifest: Manifest) -> Bool {
        kinds.union([.kernel, .initramfs]) == Set(manifest.artifacts.map(\.kind))
            && chosen.allSatisfy { $0.fits(manifest) }
    }

    /// Makes the artifacts, and digests the kernel and the initramfs, which are artifacts too.
    /// - Throws: `PackError`, `CommandError`, `SystemError`, `CancellationError`.
    func make(_ draft: Draft, rootBytes: Int64, progress: Progress) async throws -> [Manifest.Artifact] {
        var artifacts = [
            try Manifest.Artifact(.kernel, digesting: draft.vmlinuz),
            try Manifest.Artifact(.initramfs, digesting: draft.initramfs),
        ]
        for output in chosen { artifacts += try await output.make(draft, rootBytes: rootBytes, progress: progress) }
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
