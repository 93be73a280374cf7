import CSquashFS
import Glibc
import NetrootConfig

/// libsquashfs' compressor; for one thread at a time.
final class BlockCompressor {
    let pointer: UnsafeMutablePointer<sqfs_compressor_t>
    private let image: String

    /// - Parameter image: for messages.
    /// - Throws: `PackError.library`.
    init(_ compression: BlockCompression, blockSize: Int, image: String) throws(PackError) {
        self.image = image
        var configuration = sqfs_compressor_config_t()
        var code = sqfs_compressor_config_init(&configuration, compression.codec.squashfsID, blockSize, 0)
        if let level = compression.level { configuration.level = UInt32(level) }
        var made: UnsafeMutablePointer<sqfs_compressor_t>?
        if code == 0 { code = sqfs_compressor_create(&configuration, &made) }
        guard code == 0, let made else {
            throw PackError.library(operation: "compress with \(compression) into", image: image, code: code)
        }
        pointer = made
    }

    deinit { sqfs_destroy(pointer) }

    /// Compresses a block.
    /// - Returns: the bytes in `output`; nil where it would not become smaller.
    /// - Throws: `PackError.library`.
    func compress(_ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) throws(PackError) -> Int?
    {
        let result = pointer.pointee.do_block(
            pointer, input.baseAddress?.assumingMemoryBound(to: UInt8.self), UInt32(input.count),
            output.baseAddress?.assumingMemoryBound(to: UInt8.self), UInt32(output.count))
        guard result >= 0 else {
            throw PackError.library(operation: "compress a block of", image: image, code: result)
        }
        return result > 0 && result < input.count ? Int(result) : nil
    }
}

extension BlockCompression.Codec {
    /// `compression_id` of the superblock.
    var squashfsID: SQFS_COMPRESSOR {
        switch self {
        case .gzip: SQFS_COMP_GZIP
        case .xz: SQFS_COMP_XZ
        case .lz4: SQFS_COMP_LZ4
        case .zstd: SQFS_COMP_ZSTD
        }
    }
}
