import Glibc
import NetrootConfig
import NetrootImage
import NetrootStore
import NetrootSystem
import NetrootTree
import SystemPackage

/// The whole root in one initramfs: `FORMAT = initramfs`.
///
/// Three archives follow each other in the file: `/init` with all that it needs, the root, and the mark that the kernel has
/// unpacked all of it. A side-load may follow behind them.
struct RescueArchive: Output {
    /// Whose layout, compression, block size and bound of the cache count.
    let label: Label
    /// The directory of all caches.
    let cache: String

    let format = Label.Format.initramfs
    let kinds = [ArtifactKind.rescue]
    let needsRoot = false

    /// newc has no room for extended attributes.
    var losesCapabilities: String? { label.initramfsLayout == .cpio ? "an archive with INITRAMFS_LAYOUT = cpio" : nil }

    /// A wrong `SOURCE_DATE_EPOCH` is told now, not when the root is built.
    func preflight() throws { _ = try SourceDateEpoch.current() }

    /// Without a busybox the archive has no `/init`: nobody waits for the image first. The recipe may install one, so it is
    /// not asked for earlier.
    func check(_ tree: RootTree, shipped: ShippedFiles) throws { _ = try StaticBusybox.read(from: tree, shipped) }

    func fits(_ manifest: Manifest) -> Bool {
        let archive = manifest.artifact(.rescue)?.archive
        return archive?.layout == label.initramfsLayout && archive?.compression == "\(label.compression)"
            && archive?.blockSize == blockSize
    }

    private var blockSize: Int? { label.initramfsLayout == .squashfs ? label.blockSize.bytes : nil }

    /// Packs the tree.
    /// - Throws: `MissingError`, `BuildError`, `PackError`, `NewcError`, `InitramfsError`, `SystemError`,
    ///   `CancellationError`.
    func make(_ draft: Draft, of root: FinishedRoot, progress: Progress) async throws -> [Manifest.Artifact] {
        try await progress.step("archive") {
            if let warning = try NetworkOfRoot.warning(of: RootTree(directory: draft.root)) { progress.note(warning) }
            try Files.makeDirectory(draft.scratch, mode: 0o700)
            let small = try RescueInit(
                of: draft.root, kernel: root.kernelVersion, layout: label.initramfsLayout, shipped: root.shipped)
            let body = try await body(of: draft, progress)
            var settings = RescueSettings(
                layout: label.initramfsLayout,
                leastRAM: LeastRAM(archive: body.segment.bytes, files: body.segment.pageBytes),
                archive: try Digest.of(file: body.path).hexadecimal, image: body.image,
                rootMode: try DirectoryHandle(draft.root).status().st_mode & 0o7777)
            var artifact = Manifest.Artifact(.rescue, bytes: 0)
            artifact.path = "rescue.cpio\(label.compression.codec.fileExtension)"
            let path = "\(draft.directory)/\(artifact.path)"
            // What the archive says of the RAM depends on its own size.
            settings.leastRAM += try await write(small, settings, nil, to: draft.scratch + "/init.cpio")
            _ = try await write(small, settings, body, to: path)
            artifact.bytes = try Files.size(path)
            artifact.sha256 = try Digest.of(file: path).hexadecimal
            artifact.archive = Manifest.Archive(
                layout: label.initramfsLayout, compression: "\(label.compression)", unpackedBytes: root.bytes,
                leastRAM: settings.leastRAM.bounded, blockSize: blockSize)
            return [artifact]
        }
    }

    /// The archive with the root, in a file of its own.
    private struct Body {
        let path: String
        let segment: InitramfsWriter.Segment
        /// Of the layout squashfs.
        var image: RescueSettings.Image?
    }

    private func body(of draft: Draft, _ progress: Progress) async throws -> Body {
        let path = draft.scratch + "/root.cpio"
        let file = try FileReplacement(of: path)
        let writer = InitramfsWriter(to: file.descriptor, path: path)
        var image: RescueSettings.Image?
        let segment: InitramfsWriter.Segment
        switch label.initramfsLayout {
        case .squashfs:
            let packed = try await squashfs(of: draft, progress)
            image = RescueSettings.Image(
                bytes: try Files.size(packed), sha256: try Digest.of(file: packed).hexadecimal)
            let entry = NewcEntry("netroot/root.squashfs", .file(FilePath(packed)))
            segment = try await writer.append(
                try NewcArchive(entries: [entry]), compression: try BlockCompression(parsing: "none"))
        case .cpio:
            for note in try leftOut(of: RootTree(directory: draft.root)) { progress.note(note) }
            let tree = NewcTree(
                draft.root, latest: try SourceDateEpoch.current(), isLeftOut: { RootSkeleton.reserved.contains($0) })
            segment = try await writer.append(tree, compression: label.compression)
        }
        for note in segment.notes { progress.note(note) }
        try file.publish(mode: nil)
        return Body(path: path, segment: segment, image: image)
    }

    /// The files of the root in whose place the archive has its own, and which are gone in the running system.
    private func leftOut(of tree: RootTree) throws -> [String] {
        try RootSkeleton.reserved.map { String(decoding: $0, as: UTF8.self) }.sorted()
            .filter { try tree.contains($0) }
            .map { name in
                "left /\(name) of the root out of the archive, which has its own; INITRAMFS_LAYOUT = squashfs keeps it"
            }
    }

    /// The image that is an artifact too, or one of its own.
    private func squashfs(of draft: Draft, _ progress: Progress) async throws -> String {
        let artifact = draft.path(of: .squashfs)
        if Files.exists(artifact) { return artifact }
        let path = draft.scratch + "/root.squashfs"
        let report = try await Squashfs(label: label, cache: cache).pack(draft.root, into: path)
        for note in report.notes { progress.note(note) }
        return path
    }

    /// Writes the file.
    /// - Parameter body: nil to measure what is around it.
    /// - Returns: what the archives before and behind the root's add to what the RAM has to hold.
    private func write(
        _ small: RescueInit, _ settings: RescueSettings, _ body: Body?, to path: String
    ) async throws -> LeastRAM {
        let file = try FileReplacement(of: path)
        let writer = InitramfsWriter(to: file.descriptor, path: path)
        let before = try await writer.append(try small.archive(settings), compression: label.compression)
        if let body { try append(body.path, to: file.descriptor, path) }
        let behind = try await writer.append(
            try RescueInit.end(settings), compression: try BlockCompression(parsing: "none"))
        // Whatever the umask: a TFTP server is another user.
        try file.publish(mode: 0o644)
        return LeastRAM(archive: before.bytes + behind.bytes, files: before.pageBytes + behind.pageBytes)
    }

    private func append(_ source: String, to target: FileDescriptor, _ path: String) throws {
        let file = try SystemError.wrap("read", source) {
            try FileDescriptor.open(FilePath(source), .readOnly, options: [.closeOnExec])
        }
        defer { close(file.rawValue) }
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            try Task.checkCancellation()
            let count = try SystemError.wrap("read", source) {
                try buffer.withUnsafeMutableBytes { try file.read(into: $0) }
            }
            guard count > 0 else { return }
            _ = try SystemError.wrap("write", path) { try target.writeAll(buffer[..<count]) }
        }
    }
}

extension BlockCompression.Codec {
    /// What follows `.cpio` in the name of an archive.
    var fileExtension: String {
        switch self {
        case .gzip: ".gz"
        case .xz: ".xz"
        case .lz4: ".lz4"
        case .zstd: ".zst"
        case .none: ""
        }
    }
}
