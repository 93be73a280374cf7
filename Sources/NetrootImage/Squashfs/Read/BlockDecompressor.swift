import CSquashFS
import NetrootSystem
import Synchronization

/// One of libsquashfs's decompressors, with room for a block's packed bytes. Used by one thread at a time.
private final class BlockDecompressor {
    private let compressor: UnsafeMutablePointer<sqfs_compressor_t>
    let input: UnsafeMutableRawBufferPointer

    /// - Returns: nil where libsquashfs has no such codec, or no memory.
    init?(codec: UInt16, blockSize: Int) {
        var configuration = sqfs_compressor_config_t()
        var made: UnsafeMutablePointer<sqfs_compressor_t>?
        let flags = UInt16(SQFS_COMP_FLAG_UNCOMPRESS.rawValue)
        guard sqfs_compressor_config_init(&configuration, .init(UInt32(codec)), blockSize, flags) == 0,
            sqfs_compressor_create(&configuration, &made) == 0, let made
        else { return nil }
        compressor = made
        input = .allocate(byteCount: max(blockSize, SquashfsFormat.metadataBlock), alignment: 16)
    }

    deinit {
        sqfs_destroy(compressor)
        input.deallocate()
    }

    /// Unpacks the first `count` bytes of `input`.
    /// - Returns: how many bytes came out; nil where they are damaged or do not fit.
    func decompress(_ count: Int, into output: UnsafeMutableRawBufferPointer) -> Int? {
        guard let start = input.baseAddress, let target = output.baseAddress, count > 0, count <= input.count else {
            return nil
        }
        let result = compressor.pointee.do_block(
            compressor, start.assumingMemoryBound(to: UInt8.self), UInt32(count),
            target.assumingMemoryBound(to: UInt8.self), UInt32(output.count))
        // 0: the output does not fit.
        return result > 0 && Int(result) <= output.count ? Int(result) : nil
    }
}

/// The decompressors of an image: each in use belongs to one thread, and as many as were in use at a time are kept.
final class DecompressorPool: Sendable {
    /// A decompressor on its way between the pool and the thread that has taken it out.
    /// Unchecked: only the one who took it out of `idle`, under the lock, touches it until it is put back.
    private struct Idle: @unchecked Sendable {
        let decompressor: BlockDecompressor
    }

    private let idle = Mutex<[Idle]>([])
    private let codec: UInt16
    private let blockSize: Int
    /// Each holds a block of up to 1 MiB.
    private static let kept = 4

    /// - Returns: nil where libsquashfs cannot decompress that codec.
    init?(codec: UInt16, blockSize: Int) {
        guard let first = BlockDecompressor(codec: codec, blockSize: blockSize) else { return nil }
        self.codec = codec
        self.blockSize = blockSize
        put(Idle(decompressor: first))
    }

    /// Has `fill` put `count` packed bytes into a buffer, and unpacks them.
    /// - Returns: how many bytes came out; nil where they are damaged or do not fit.
    func decompress(
        _ count: Int, into output: UnsafeMutableRawBufferPointer,
        fill: (UnsafeMutableRawBufferPointer) throws(SquashfsReadError) -> Void
    ) throws(SquashfsReadError) -> Int? {
        let taken = idle.withLock { $0.popLast() }
        let own = taken ?? BlockDecompressor(codec: codec, blockSize: blockSize).map(Idle.init)
        guard let own else { throw .system(.init("get", "memory for a decompressor", code: 12)) }
        defer { put(own) }
        guard count > 0, count <= own.decompressor.input.count else { return nil }
        try fill(UnsafeMutableRawBufferPointer(rebasing: own.decompressor.input[..<count]))
        return own.decompressor.decompress(count, into: output)
    }

    private func put(_ item: Idle) {
        idle.withLock { idle in
            if idle.count < Self.kept { idle.append(item) }
        }
    }
}
