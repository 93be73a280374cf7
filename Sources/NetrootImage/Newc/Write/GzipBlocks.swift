import CCodecs

/// One member of a gzip file (RFC 1952), which is all that the kernel reads of an archive, made as pigz(1) makes it: each
/// block ends on a whole byte (`Z_SYNC_FLUSH`), and may refer to the 32 KiB before it.
struct GzipBlocks: EncoderBlocks {
    let level: Int
    let blockSize = 512 << 10
    let history = 32 << 10
    let blocksForThread = 2

    /// `deflateBound` of zlib where it knows nothing, and the bytes of a flush.
    var longest: Int { blockSize + blockSize >> 3 + blockSize >> 8 + blockSize >> 9 + 64 }

    /// Without name and time; made on Unix.
    var head: [UInt8] { [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, level == 9 ? 2 : level == 1 ? 4 : 0, 3] }

    /// zlib's state, for one thread.
    final class Codec {
        let stream: UnsafeMutablePointer<z_stream>

        init(level: Int) throws(CodecError) {
            stream = .allocate(capacity: 1)
            stream.initialize(to: z_stream())
            guard deflate_begin(stream, Int32(level)) == Z_OK else {
                stream.deallocate()
                throw .noMemory
            }
        }

        deinit {
            deflateEnd(stream)
            stream.deallocate()
        }
    }

    func makeCodec() throws(CodecError) -> Codec { try Codec(level: level) }

    func compress(_ slot: EncoderSlot, with codec: Codec) throws(CodecError) {
        let stream = codec.stream
        deflateReset(stream)
        let history = slot.history
        if let known = history.baseAddress, !history.isEmpty {
            deflateSetDictionary(stream, known.assumingMemoryBound(to: UInt8.self), UInt32(history.count))
        }
        let input = slot.block
        // zlib does not write there; its type only lacks the word.
        let bytes = input.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.next_in = UnsafeMutablePointer(mutating: bytes)
        stream.pointee.avail_in = UInt32(input.count)
        stream.pointee.next_out = slot.output.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_out = UInt32(slot.output.count)
        let result = deflate(stream, slot.isLast ? Z_FINISH : Z_SYNC_FLUSH)
        guard result == (slot.isLast ? Z_STREAM_END : Z_OK), stream.pointee.avail_in == 0, stream.pointee.avail_out > 0
        else { throw CodecError(problem: "zlib says \(result)") }
        slot.made = slot.output.count - Int(stream.pointee.avail_out)
        slot.sum = crc32(0, bytes, UInt32(input.count))
    }

    func tail(size: UInt64, sum: UInt) -> [UInt8] {
        [UInt32(truncatingIfNeeded: sum), UInt32(truncatingIfNeeded: size)].flatMap { number in
            (0..<4).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
        }
    }
}
