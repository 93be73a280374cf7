import NetrootConfig
import NetrootStore
import NetrootSystem

/// The root as a directory: the draft's own.
struct Tree: Output {
    let format = Label.Format.tree
    let kinds = [ArtifactKind.tree]
    /// The files of a user namespace belong to IDs that nobody outside has.
    let needsRoot = true

    func make(_ draft: Draft, of root: FinishedRoot, progress: Progress) async throws -> [Manifest.Artifact] {
        [Manifest.Artifact(.tree, bytes: root.bytes)]
    }
}
