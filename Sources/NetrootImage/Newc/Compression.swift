public import NetrootSystem

/// How a segment of an initramfs is compressed, told by its first bytes as the kernel does (`lib/decompress.c`).
public enum Compression: String, Sendable, CaseIterable {
    /// Not at all: a newc archive as it is.
    case uncompressed = "none"
    /// Streams of these formats; xz as the kernel reads it needs `--check=crc32`.
    case gzip, zstd, xz, bzip2
    /// The format of lzma(1), before xz.
    case lzma
    /// The file format of lzop(1).
    case lzo
    /// The kernel's legacy frame, as `lz4 -l` writes it.
    case lz4

    /// Recognises a segment by its first bytes; six are enough.
    public init?(magic: some Collection<UInt8>) {
        let magics: [(Compression, [UInt8])] = [
            (.uncompressed, NewcFields.magic), (.uncompressed, NewcFields.magicWithChecksum), (.gzip, [0x1F, 0x8B]),
            (.zstd, [0x28, 0xB5, 0x2F, 0xFD]), (.xz, [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00]), (.bzip2, Array("BZh".utf8)),
            (.lzma, [0x5D, 0x00, 0x00]), (.lzo, LZOPDecoder.magic.prefix(6).map { $0 }), (.lz4, LZ4Decoder.magic),
        ]
        guard let match = magics.first(where: { magic.starts(with: $0.1) }) else { return nil }
        self = match.0
    }

    /// The program that decompresses a container's layer from standard input to standard output; nil for what no layer is
    /// compressed with.
    public var decompressor: (tool: Tool, arguments: [String])? {
        switch self {
        case .uncompressed, .bzip2, .lzma, .lzo, .lz4: nil
        case .gzip: (Tool("gzip", package: "gzip"), ["-dcq"])
        case .zstd: (Tool("zstd", package: "zstd"), ["-dcq"])
        case .xz: (Tool("xz", package: "xz-utils"), ["-dcq"])
        }
    }
}
