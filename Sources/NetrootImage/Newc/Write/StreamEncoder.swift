import NetrootConfig

/// Compresses a stream that comes piece by piece, on several threads where the format allows it. The bytes that it makes
/// depend neither on the number of threads nor on the sizes of the pieces. For one thread at a time.
protocol StreamEncoder: AnyObject {
    /// Takes the next bytes.
    /// - Throws: `CodecError`, and what the sink throws.
    func write(_ bytes: UnsafeRawBufferPointer) throws
    /// No more bytes come.
    /// - Throws: as above.
    func finish() throws
}

/// Takes compressed bytes, which are there until it returns.
typealias EncoderSink = (UnsafeRawBufferPointer) throws -> Void

extension BlockCompression {
    /// - Parameters:
    ///   - size: how many bytes will come, all in all.
    ///   - workers: threads that compress.
    /// - Throws: `CodecError`.
    func encoder(size: UInt64, workers: Int, sink: @escaping EncoderSink) throws(CodecError) -> any StreamEncoder {
        switch codec {
        case .none: StoringEncoder(sink: sink)
        case .zstd: try ZstdEncoder(level: level ?? 3, size: size, workers: workers, sink: sink)
        case .xz: try XZEncoder(level: level ?? 6, size: size, workers: workers, sink: sink)
        case .gzip: BlockEncoder(GzipBlocks(level: level ?? 9), workers: workers, sink: sink)
        case .lz4: BlockEncoder(LZ4Blocks(), workers: workers, sink: sink)
        }
    }
}

/// Passes bytes on as they are.
final class StoringEncoder: StreamEncoder {
    private let sink: EncoderSink

    init(sink: @escaping EncoderSink) { self.sink = sink }

    func write(_ bytes: UnsafeRawBufferPointer) throws { try sink(bytes) }

    func finish() throws {}
}
