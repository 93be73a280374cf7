import ArgumentParser
import Glibc
import NetrootConfig
import NetrootImage
import NetrootStore
import NetrootSystem

struct PackCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pack", abstract: "Pack a directory tree into a squashfs image.",
        discussion: """
            The same tree gives the same bytes; SOURCE_DATE_EPOCH clamps the times. What was compressed before comes from
            the cache of blocks.

            Examples:
              netroot pack netroots/debian12/current/tree/root /srv/root.squashfs
              netroot pack tree tree.squashfs --compression xz --block-size 128k --no-cache
            """)

    @OptionGroup var common: CommonOptions
    @Argument(help: "The root of the tree.", completion: .directory)
    var tree: String
    @Argument(help: "The image; replaced when the new one is whole.", completion: .file())
    var image: String
    @Option(name: .long, help: "gzip, xz, lz4 or zstd, with a level where it has one: zstd:9.")
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
        let start = ContinuousClock.now
        let report = try await Interruption.cancelling { try await ready.write() }
        for note in report.notes { FileWriter.standardError.write("netroot: \(note)\n") }
        let row = PackRow(report, image: ready.image, seconds: (ContinuousClock.now - start) / .seconds(1))
        FileWriter.standardOutput.write(output.json ? try JSON.text(row) : Report.packed(row))
    }

    private func limit() throws -> Int64 {
        guard let bytes = byteCount(cacheSize) else {
            throw ValidationError("--cache-size '\(cacheSize)' is not a size; write 2g, 512m, or 0")
        }
        return bytes
    }
}

/// An image, as `pack` shows it.
struct PackRow: Encodable {
    let image: String
    let bytes: Int64
    let unpackedBytes: Int64
    let files: Int
    let blocks: Int
    let cachedBlocks: Int
    let seconds: Double
    let notes: [String]

    init(_ report: SquashfsWriter.Report, image: String, seconds: Double) {
        self.image = image
        bytes = report.bytes
        unpackedBytes = report.unpackedBytes
        files = report.files
        blocks = report.blocks
        cachedBlocks = report.cachedBlocks
        self.seconds = seconds
        notes = report.notes
    }
}
