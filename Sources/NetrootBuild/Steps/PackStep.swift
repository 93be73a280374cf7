import NetrootConfig
import NetrootImage
import NetrootStore
import NetrootSystem
import NetrootTree

/// The step that packs a draft's root tree into its image.
struct PackStep {
    /// Whose compression, block size and bound of the cache count.
    let label: Label
    /// The directory of all caches.
    let cache: String

    /// Packs the tree; it stays.
    /// - Throws: `PackError`, `CommandError`, `SystemError`, `CancellationError`.
    func run(_ draft: Draft, progress: Progress) async throws -> Manifest.Image {
        var writer = SquashfsWriter(tree: draft.root, image: draft.image)
        writer.compression = label.compression
        writer.blockSize = label.blockSize
        writer.latest = try SourceDateEpoch.current()
        // Whatever the umask: an NBD or HTTP server is another user.
        writer.mode = 0o644
        writer.cache = BlockCachePlace(cache: cache, limit: label.cacheSize)
        let report = try await writer.write()
        for note in report.notes { progress.note(note) }
        return Manifest.Image(
            file: Manifest.Blob(sha256: try await Digest.sha256(of: draft.image), bytes: report.bytes),
            compression: "\(label.compression)", blockSize: label.blockSize.bytes,
            unpackedBytes: report.unpackedBytes)
    }

    /// Takes a tree out of a draft whose image is all that is published.
    /// - Throws: `CommandError`.
    static func removeTree(_ draft: Draft) async throws {
        _ = try await CommandRunner().capture(Command(["rm", "-rf", "--one-file-system", "--", draft.root]))
    }

    /// Whether an image is what a build with the label's settings would make; nil and no need for one count too.
    static func fits(_ image: Manifest.Image?, _ label: Label) -> Bool {
        guard label.needsImage else { return image == nil }
        return image?.compression == "\(label.compression)" && image?.blockSize == label.blockSize.bytes
    }

    /// Puts the root of a generation into a draft: a copy of its tree, or its image unpacked.
    /// - Throws: `CommandError`, `SquashfsReadError`, `RootFillError`, `SystemError`, `CancellationError`.
    static func copyRoot(
        of base: Generation, into draft: Draft, _ runner: CommandRunner, progress: Progress
    ) async throws {
        guard !base.hasTree else {
            return try await runner.run(
                Command(["cp", "-a", "--reflink=auto", "--one-file-system", "--", base.root, draft.root]))
        }
        try Files.makeDirectory(draft.root)
        // mknod(2) is not allowed in a user namespace.
        let keepsDevices = try !UserNamespace.isEntered()
        let report = try RootFill(directory: draft.root, keepsDevices: keepsDevices).unpack(SquashfsReader(base.image))
        if report.devices > 0 { progress.note("left out \(report.devices) device nodes: only root can make them") }
    }
}
