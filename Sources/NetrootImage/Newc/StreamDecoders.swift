import CCodecs

/// zlib, one member of a gzip file (RFC 1952).
final class GzipDecoder: StreamDecoder {
    private let stream: UnsafeMutablePointer<z_stream>

    init() throws(CodecError) {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        guard gzip_begin(stream) == Z_OK else {
            stream.deallocate()
            throw .noMemory
        }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    func step(
        _ input: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer
    ) throws(CodecError) -> DecoderStep {
        // zlib does not write there; its type only lacks the word.
        stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self))
        stream.pointee.avail_in = UInt32(input.count)
        stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_out = UInt32(output.count)
        let result = inflate(stream, Z_NO_FLUSH)
        guard [Z_OK, Z_STREAM_END, Z_BUF_ERROR].contains(result) else {
            throw result == Z_MEM_ERROR ? .noMemory : .damaged
        }
        return DecoderStep(
            taken: input.count - Int(stream.pointee.avail_in), made: output.count - Int(stream.pointee.avail_out),
            isEnd: result == Z_STREAM_END)
    }
}

/// libzstd, one frame (RFC 8878). Its window is at most 128 MiB, as the library has it where nobody allows more.
final class ZstdDecoder: StreamDecoder {
    private let stream: OpaquePointer

    init() throws(CodecError) {
        guard let made = ZSTD_createDStream() else { throw .noMemory }
        stream = made
    }

    deinit { ZSTD_freeDStream(stream) }

    func step(
        _ input: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer
    ) throws(CodecError) -> DecoderStep {
        var source = ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: 0)
        var target = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
        let result = ZSTD_decompressStream(stream, &target, &source)
        guard ZSTD_isError(result) == 0 else {
            throw CodecError(problem: String(cString: ZSTD_getErrorName(result)))
        }
        return DecoderStep(taken: source.pos, made: target.pos, isEnd: result == 0)
    }
}

/// liblzma, one stream of xz or of lzma(1).
final class LZMADecoder: StreamDecoder {
    enum Format { case xz, lzma }

    /// Bytes: `xz -9` needs 65 MiB, and the largest dictionary that the format has, 4 GiB.
    private static let memory: UInt64 = 256 << 20

    private let stream: UnsafeMutablePointer<lzma_stream>

    init(_ format: Format) throws(CodecError) {
        stream = .allocate(capacity: 1)
        stream.initialize(to: lzma_stream())
        let result =
            switch format {
            case .xz: lzma_stream_decoder(stream, Self.memory, 0)
            case .lzma: lzma_alone_decoder(stream, Self.memory)
            }
        guard result == LZMA_OK else {
            stream.deallocate()
            throw .noMemory
        }
    }

    deinit {
        lzma_end(stream)
        stream.deallocate()
    }

    func step(
        _ input: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer
    ) throws(CodecError) -> DecoderStep {
        stream.pointee.next_in = input.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_in = input.count
        stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_out = output.count
        let result = lzma_code(stream, LZMA_RUN)
        switch result {
        case LZMA_OK, LZMA_STREAM_END, LZMA_BUF_ERROR: break
        case LZMA_MEM_ERROR: throw .noMemory
        case LZMA_MEMLIMIT_ERROR:
            throw CodecError(problem: "its dictionary needs more than \(Self.memory >> 20) MiB of memory")
        default: throw .damaged
        }
        return DecoderStep(
            taken: input.count - stream.pointee.avail_in, made: output.count - stream.pointee.avail_out,
            isEnd: result == LZMA_STREAM_END)
    }
}

/// libbz2, one stream.
final class Bzip2Decoder: StreamDecoder {
    private let stream: UnsafeMutablePointer<bz_stream>

    init() throws(CodecError) {
        stream = .allocate(capacity: 1)
        stream.initialize(to: bz_stream())
        guard BZ2_bzDecompressInit(stream, 0, 0) == BZ_OK else {
            stream.deallocate()
            throw .noMemory
        }
    }

    deinit {
        BZ2_bzDecompressEnd(stream)
        stream.deallocate()
    }

    func step(
        _ input: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer
    ) throws(CodecError) -> DecoderStep {
        // libbz2 does not write there; its type only lacks the word.
        stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress?.assumingMemoryBound(to: CChar.self))
        stream.pointee.avail_in = UInt32(input.count)
        stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: CChar.self)
        stream.pointee.avail_out = UInt32(output.count)
        let result = BZ2_bzDecompress(stream)
        guard result == BZ_OK || result == BZ_STREAM_END else { throw result == BZ_MEM_ERROR ? .noMemory : .damaged }
        return DecoderStep(
            taken: input.count - Int(stream.pointee.avail_in), made: output.count - Int(stream.pointee.avail_out),
            isEnd: result == BZ_STREAM_END)
    }
}

/// The kernel's legacy frame of lz4 (`lib/decompress_unlz4.c`): a magic number, then blocks with their lengths before them,
/// each of 8 MiB unpacked but the last. Nothing says where it ends, but a length of 0 or the end of the file.
enum LZ4Decoder {
    static let magic: [UInt8] = [0x02, 0x21, 0x4C, 0x18]
    private static let blockSize = 8 << 20
    /// `LZ4_COMPRESSBOUND`.
    private static let longest = blockSize + blockSize / 255 + 16

    static func run(_ start: BlockInput, _ receive: ([UInt8]) throws -> Bool) throws -> Int64 {
        var input = start
        while true {
            let head = try input.peek(4)
            // Frames may follow each other.
            if head == magic {
                _ = try input.take(4)
                continue
            }
            let length = head.reversed().reduce(0) { $0 << 8 | Int($1) }
            guard head.count == 4, length > 0 else { return input.offset }
            guard length <= longest else { throw CodecError.damaged }
            _ = try input.take(4)
            let packed = try input.take(length)
            var made: Int32 = 0
            let output = [UInt8](unsafeUninitializedCapacity: blockSize) { output, count in
                made = packed.withUnsafeBytes { packed in
                    LZ4_decompress_safe(
                        packed.baseAddress, output.baseAddress, Int32(packed.count), Int32(output.count))
                }
                count = max(0, Int(made))
            }
            guard made >= 0 else { throw CodecError.damaged }
            if !output.isEmpty, try !receive(output) { return input.offset }
        }
    }
}

/// The file format of lzop(1) (`lib/decompress_unlzo.c`): a header, then blocks with their lengths before them, up to one of
/// length 0. Its checksums are passed over, as by the kernel.
enum LZOPDecoder {
    static let magic: [UInt8] = [0x89, 0x4C, 0x5A, 0x4F, 0x00, 0x0D, 0x0A, 0x1A, 0x0A]
    /// What lzop makes at most is 64 MiB; the kernel takes 256 KiB.
    private static let longest = 256 << 10

    /// Bits of the header's flags (`conf.h` of lzop): checksums of the unpacked and of the packed bytes, a filter.
    private enum Flag {
        static let unpackedSums: [UInt32] = [0x1, 0x100]
        static let packedSums: [UInt32] = [0x2, 0x200]
        static let filter: UInt32 = 0x800
    }

    static func run(_ start: BlockInput, _ receive: ([UInt8]) throws -> Bool) throws -> Int64 {
        var input = start
        let flags = try header(&input)
        while true {
            let unpacked = Int(try input.number(bytes: 4))
            if unpacked == 0 { return input.offset }
            let length = Int(try input.number(bytes: 4))
            guard unpacked <= longest, length > 0, length <= unpacked else { throw CodecError.damaged }
            var sums = Flag.unpackedSums.count { flags & $0 != 0 }
            if length < unpacked { sums += Flag.packedSums.count { flags & $0 != 0 } }
            _ = try input.take(4 * sums)
            let packed = try input.take(length)
            let output = length == unpacked ? packed : try unpack(packed, unpacked)
            if try !receive(output) { return input.offset }
        }
    }

    /// - Returns: its flags.
    private static func header(_ input: inout BlockInput) throws -> UInt32 {
        guard try input.take(magic.count) == magic else { throw CodecError.damaged }
        let version = try input.number(bytes: 2)
        // The library's version, the one that is needed, the method; then the level.
        _ = try input.take(version >= 0x940 ? 6 : 3)
        let flags = try input.number(bytes: 4)
        if flags & Flag.filter != 0 { _ = try input.take(4) }
        // Mode and time; then the name, and the header's checksum.
        _ = try input.take(version >= 0x940 ? 12 : 8)
        _ = try input.take(Int(try input.number(bytes: 1)) + 4)
        return flags
    }

    private static func unpack(_ packed: [UInt8], _ count: Int) throws(CodecError) -> [UInt8] {
        var result: Int32 = 0
        let output = [UInt8](unsafeUninitializedCapacity: count) { output, made in
            var length = lzo_uint(count)
            result = packed.withUnsafeBytes {
                lzo1x_decompress_safe(
                    $0.baseAddress?.assumingMemoryBound(to: UInt8.self), lzo_uint($0.count), output.baseAddress,
                    &length,
                    nil)
            }
            made = result == LZO_E_OK ? Int(length) : 0
        }
        guard result == LZO_E_OK, output.count == count else { throw .damaged }
        return output
    }
}
