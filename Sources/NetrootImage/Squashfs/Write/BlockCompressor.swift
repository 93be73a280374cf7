import CSquashFS
import Glibc
import NetrootConfig

/// libsquashfs' compressor; for one thread at a time.
final class BlockCompressor {
    let pointer: UnsafeMutablePointer<sqfs_compressor_t>
    /// The same for libsquashfs' own writers: refuses a block that does not become smaller. libsquashfs 1.2.0's lz4 does
    /// not, and unsquashfs takes a block that is larger than its content for damage.
    var metadata: UnsafeMutablePointer<sqfs_compressor_t> {
        UnsafeMutableRawPointer(guarded).assumingMemoryBound(to: sqfs_compressor_t.self)
    }
    private let guarded: UnsafeMutablePointer<Guarded>
    private let isStoring: Bool
    private let image: String

    /// - Parameter image: for messages.
    /// - Throws: `PackError.library`.
    init(_ compression: BlockCompression, blockSize: Int, image: String) throws(PackError) {
        self.image = image
        isStoring = compression.codec == .none
        var configuration = sqfs_compressor_config_t()
        var code = sqfs_compressor_config_init(&configuration, compression.codec.squashfsID, blockSize, 0)
        if let level = compression.level { configuration.level = UInt32(level) }
        var made: UnsafeMutablePointer<sqfs_compressor_t>?
        if code == 0 { code = sqfs_compressor_create(&configuration, &made) }
        guard code == 0, let made else {
            throw PackError.library(operation: "compress with \(compression) into", image: image, code: code)
        }
        pointer = made
        // 0 means that a block is stored as it is (`sqfs/compressor.h`).
        if isStoring { made.pointee.do_block = { _, _, _, _, _ in 0 } }
        guarded = .allocate(capacity: 1)
        guarded.initialize(to: Guarded(base: made.pointee, inner: made))
        guarded.pointee.base.do_block = { compressor, input, size, output, room in
            guard let compressor else { return SQFS_ERROR_ARG_INVALID.rawValue }
            let inner = UnsafeRawPointer(compressor).assumingMemoryBound(to: Guarded.self).pointee.inner
            let result = inner.pointee.do_block(inner, input, size, output, room)
            return result >= Int32(clamping: size) ? 0 : result
        }
    }

    deinit {
        guarded.deallocate()
        sqfs_destroy(pointer)
    }

    /// A compressor to libsquashfs, with the one that it asks behind it.
    private struct Guarded {
        var base: sqfs_compressor_t
        let inner: UnsafeMutablePointer<sqfs_compressor_t>
    }

    /// Compresses a block.
    /// - Returns: the bytes in `output`; nil where it would not become smaller.
    /// - Throws: `PackError.library`.
    func compress(_ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) throws(PackError) -> Int?
    {
        if isStoring { return nil }
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
        // An image has to name a codec, though it uses none: the one that every kernel with squashfs has.
        case .gzip, .none: SQFS_COMP_GZIP
        case .xz: SQFS_COMP_XZ
        case .lz4: SQFS_COMP_LZ4
        case .zstd: SQFS_COMP_ZSTD
        }
    }
}
