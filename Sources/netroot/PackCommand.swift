import ArgumentParser
import Glibc
import NetrootConfig
import NetrootImage
import NetrootStore
import NetrootSystem

struct PackCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pack", abstract: "Pack a directory tree into a squashfs image or an initramfs.",
        discussion: """
            The same tree gives the same bytes; SOURCE_DATE_EPOCH clamps the times. What
            was compressed before comes from the cache of blocks. An initramfs is one
            newc archive, compressed as the kernel reads it: it has no blocks, and no room
            for extended attributes.

            Examples:
              netroot pack netroots/debian12/current/tree/root /srv/root.squashfs
              netroot pack tree tree.squashfs --compression xz --block-size 128k --no-cache
              netroot pack tree tree.cpio.zst --format initramfs
            """)

    /// What a tree is packed into; a word of `FORMAT`.
    enum Form: String, ExpressibleByArgument, CaseIterable {
        case squashfs, initramfs
    }

    @OptionGroup var common: CommonOptions
    @Argument(help: "The root of the tree.", completion: .directory)
    var tree: String
    @Argument(help: "The image or archive; replaced when the new one is whole.", completion: .file())
    var image: String
    @Option(name: .long, help: "squashfs or initramfs.")
    var format = Form.squashfs
    @Option(name: .long, help: "gzip, xz, lz4, zstd or none, with a level where it has one: zstd:9.")
    var compression = "\(BlockCompression.standard)"
    @Option(name: .long, help: "A power of two from 4k to 1m.")
    var blockSize = "\(BlockSize.standard)"
    @Option(
        name: .long,
        help: "Where blocks are kept between packs (default: $NETROOT_CACHE, /var/cache/netroot, ~/.cache/netroot).")
    var cache: String?
    @Option(name: .long, help: "The most bytes that the blocks kept there may take; 0 for none.")
    var cacheSize = "2g"
    @Flag(name: .long, help: "Read every file and compress every block anew, and keep none.")
    var noCache = false
    @OptionGroup var output: JSONOption

    func run() async throws {
        let start = ContinuousClock.now
        var row = try await format == .initramfs ? packArchive() : packImage()
        row.seconds = (ContinuousClock.now - start) / .seconds(1)
        for note in row.notes { FileWriter.standardError.write("netroot: \(note)\n") }
        FileWriter.standardOutput.write(output.json ? try JSON.text(row) : Report.packed(row))
    }

    private func packArchive() async throws -> PackRow {
        let tree = NewcTree(try CommonOptions.absolute(tree), latest: try SourceDateEpoch.current())
        let image = try CommonOptions.absolute(image)
        let compression: BlockCompression
        do {
            compression = try BlockCompression(parsing: self.compression)
        } catch {
            throw ValidationError("\(error)")
        }
        let segment = try await Interruption.cancelling {
            try await tree.write(toFile: image, compression: compression)
        }
        return PackRow(segment, image: image)
    }

    private func packImage() async throws -> PackRow {
        var writer = SquashfsWriter(
            tree: try CommonOptions.absolute(tree), image: try CommonOptions.absolute(image))
        do {
            writer.compression = try BlockCompression(parsing: compression)
            writer.blockSize = try BlockSize(parsing: blockSize)
        } catch {
            throw ValidationError("\(error)")
        }
        writer.latest = try SourceDateEpoch.current()
        if !noCache { writer.cache = BlockCachePlace(cache: try cachePath(cache), limit: try limit()) }
        let ready = writer
        return PackRow(try await Interruption.cancelling { try await ready.write() }, image: ready.image)
    }

    private func limit() throws -> Int64 {
        guard let bytes = byteCount(cacheSize) else {
            throw ValidationError("--cache-size '\(cacheSize)' is not a size; write 2g, 512m, or 0")
        }
        return bytes
    }
}

/// An image or an archive, as `pack` shows it.
struct PackRow: Encodable {
    let image: String
    let bytes: Int64
    let unpackedBytes: Int64
    let files: Int
    /// Nil for an archive, which has none.
    let blocks: Int?
    let cachedBlocks: Int?
    var seconds = 0.0
    let notes: [String]

    init(_ report: SquashfsWriter.Report, image: String) {
        self.image = image
        bytes = report.bytes
        unpackedBytes = report.unpackedBytes
        files = report.files
        blocks = report.blocks
        cachedBlocks = report.cachedBlocks
        notes = report.notes
    }

    init(_ segment: InitramfsWriter.Segment, image: String) {
        self.image = image
        bytes = Int64(clamping: segment.bytes)
        unpackedBytes = Int64(clamping: segment.unpackedBytes)
        files = segment.entries
        blocks = nil
        cachedBlocks = nil
        notes = segment.notes
    }
}
