import NetrootConfig
import NetrootImage
import NetrootStore
import NetrootSystem

/// The root as a squashfs image.
struct Squashfs: Output {
    /// Whose compression, block size and bound of the cache count.
    let label: Label
    /// The directory of all caches.
    let cache: String

    let format = Label.Format.squashfs
    let kinds = [ArtifactKind.squashfs]
    let needsRoot = false

    /// A wrong `SOURCE_DATE_EPOCH` is told now, not when the root is built.
    func preflight() throws { _ = try SourceDateEpoch.current() }

    func fits(_ manifest: Manifest) -> Bool {
        let image = manifest.artifact(.squashfs)?.image
        return image?.compression == "\(label.compression)" && image?.blockSize == label.blockSize.bytes
    }

    /// Packs the tree.
    /// - Throws: `PackError`, `CommandError`, `SystemError`, `CancellationError`.
    func make(_ draft: Draft, of root: FinishedRoot, progress: Progress) async throws -> [Manifest.Artifact] {
        try await progress.step("pack") {
            let path = draft.path(of: .squashfs)
            let report = try await pack(draft.root, into: path)
            for note in report.notes { progress.note(note) }
            let image = Manifest.Image(
                compression: "\(label.compression)", blockSize: label.blockSize.bytes,
                unpackedBytes: report.unpackedBytes)
            return [try Manifest.Artifact(.squashfs, digesting: path, image: image)]
        }
    }

    /// Packs a tree into an image as the label says.
    /// - Throws: `PackError`, `SystemError`, `CancellationError`.
    func pack(_ tree: String, into path: String) async throws -> SquashfsWriter.Report {
        var writer = SquashfsWriter(tree: tree, image: path)
        writer.compression = label.compression
        writer.blockSize = label.blockSize
        writer.latest = try SourceDateEpoch.current()
        // Whatever the umask: an NBD or HTTP server is another user.
        writer.mode = 0o644
        writer.cache = BlockCachePlace(cache: cache, limit: label.cacheSize)
        return try await writer.write()
    }
}
