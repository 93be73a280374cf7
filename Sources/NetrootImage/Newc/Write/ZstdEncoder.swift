import CCodecs

/// libzstd, one frame (RFC 8878), by the library's own threads. A frame that one worker makes differs from one that is made
/// without workers, but not from one by many: so there is always at least one.
///
/// The kernel takes a window of at most 128 MiB (`lib/decompress_unzstd.c`); level 22 has that one.
final class ZstdEncoder: StreamEncoder {
    private let context: OpaquePointer
    private let output = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 4096)
    private let sink: EncoderSink

    /// - Parameter size: it becomes part of the frame, and the window is not larger than it.
    init(level: Int, size: UInt64, workers: Int, sink: @escaping EncoderSink) throws(CodecError) {
        guard let made = ZSTD_createCCtx() else { throw .noMemory }
        context = made
        self.sink = sink
        for (parameter, value) in [
            (ZSTD_c_compressionLevel, level), (ZSTD_c_checksumFlag, 1), (ZSTD_c_nbWorkers, max(1, workers)),
        ] { try Self.check(ZSTD_CCtx_setParameter(context, parameter, Int32(clamping: value))) }
        try Self.check(ZSTD_CCtx_setPledgedSrcSize(context, size))
    }

    deinit {
        ZSTD_freeCCtx(context)
        output.deallocate()
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws {
        var input = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: 0)
        while input.pos < input.size { _ = try step(&input, ZSTD_e_continue) }
    }

    func finish() throws {
        var input = ZSTD_inBuffer(src: nil, size: 0, pos: 0)
        while try step(&input, ZSTD_e_end) > 0 {}
    }

    private func step(_ input: inout ZSTD_inBuffer, _ end: ZSTD_EndDirective) throws -> Int {
        var target = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
        let left = try Self.check(ZSTD_compressStream2(context, &target, &input, end))
        if target.pos > 0 { try sink(UnsafeRawBufferPointer(rebasing: output[..<target.pos])) }
        return left
    }

    @discardableResult
    private static func check(_ code: Int) throws(CodecError) -> Int {
        guard ZSTD_isError(code) == 0 else { throw CodecError(problem: String(cString: ZSTD_getErrorName(code))) }
        return code
    }
}
