import CCodecs
import Glibc

/// liblzma, one stream of xz by the library's own threads: with CRC32, the only check that the kernel reads
/// (`Documentation/staging/xz.rst`), and blocks whose size follows from the level alone.
final class XZEncoder: StreamEncoder {
    private let stream: UnsafeMutablePointer<lzma_stream>
    private let output = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 4096)
    private let sink: EncoderSink

    /// `LZMA_FILTER_LZMA2`, `LZMA_VLI_UNKNOWN` and `LZMA_DICT_SIZE_MIN`: macros that Swift does not see.
    private static let lzma2: lzma_vli = 0x21
    private static let end: lzma_vli = .max
    private static let leastDictionary: UInt64 = 4096

    /// - Parameter size: the dictionary, which the kernel has to hold, is not larger than it needs to be.
    init(level: Int, size: UInt64, workers: Int, sink: @escaping EncoderSink) throws(CodecError) {
        self.sink = sink
        stream = .allocate(capacity: 1)
        stream.initialize(to: lzma_stream())
        guard Self.begin(stream, level: level, size: size, workers: workers) == LZMA_OK else {
            lzma_end(stream)
            stream.deallocate()
            output.deallocate()
            throw .noMemory
        }
    }

    deinit {
        lzma_end(stream)
        stream.deallocate()
        output.deallocate()
    }

    private static func begin(
        _ stream: UnsafeMutablePointer<lzma_stream>, level: Int, size: UInt64, workers: Int
    ) -> lzma_ret {
        var options = lzma_options_lzma()
        guard lzma_lzma_preset(&options, UInt32(level)) == 0 else { return LZMA_OPTIONS_ERROR }
        options.dict_size = min(options.dict_size, UInt32(clamping: max(size, leastDictionary)))
        return withUnsafeMutablePointer(to: &options) { options in
            let filters = [
                lzma_filter(id: lzma2, options: UnsafeMutableRawPointer(options)), lzma_filter(id: end, options: nil),
            ]
            return filters.withUnsafeBufferPointer { filters in
                var settings = lzma_mt()
                settings.filters = filters.baseAddress
                settings.check = LZMA_CHECK_CRC32
                // As liblzma has it where nobody says; said here, so that no other version of it does otherwise.
                settings.block_size = max(3 * UInt64(options.pointee.dict_size), 1 << 20)
                settings.threads = UInt32(clamping: max(1, workers))
                // A thread of level 9 takes more than 1 GB. The bytes do not depend on the number of threads.
                while settings.threads > 1, lzma_stream_encoder_mt_memusage(&settings) > lzma_physmem() / 2 {
                    settings.threads -= 1
                }
                return lzma_stream_encoder_mt(stream, &settings)
            }
        }
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws {
        stream.pointee.next_in = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_in = bytes.count
        while stream.pointee.avail_in > 0 { _ = try step(LZMA_RUN) }
    }

    func finish() throws { while try step(LZMA_FINISH) != LZMA_STREAM_END {} }

    private func step(_ action: lzma_action) throws -> lzma_ret {
        stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_out = output.count
        let result = lzma_code(stream, action)
        guard result == LZMA_OK || result == LZMA_STREAM_END else {
            throw result == LZMA_MEM_ERROR ? .noMemory : CodecError(problem: "liblzma says \(result.rawValue)")
        }
        let made = output.count - stream.pointee.avail_out
        if made > 0 { try sink(UnsafeRawBufferPointer(rebasing: output[..<made])) }
        return result
    }
}
