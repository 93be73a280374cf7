import CCodecs

/// The kernel's legacy frame of lz4 (`lib/decompress_unlz4.c`): a magic number, then blocks of 8 MiB with their lengths
/// before them. Nothing in it tells its end. The kernel goes on until the end of all archives, or to a length of 0, which
/// since Linux 5.14 ends the frame: so four zero bytes stand behind the last block, and whatever follows is found.
struct LZ4Blocks: EncoderBlocks {
    let blockSize = 8 << 20
    let history = 0
    let blocksForThread = 1

    /// `LZ4_COMPRESSBOUND`, and the length.
    var longest: Int { blockSize + blockSize / 255 + 16 + 4 }
    var head: [UInt8] { LZ4Decoder.magic }

    func makeCodec() {}

    func compress(_ slot: EncoderSlot, with codec: Void) throws(CodecError) {
        let input = slot.block
        slot.made = 0
        guard !input.isEmpty else { return }
        let place = slot.output.baseAddress.map { $0 + 4 }
        let made = LZ4_compress_default(
            input.baseAddress, place, Int32(input.count), Int32(slot.output.count - 4))
        guard made > 0 else { throw CodecError(problem: "lz4 failed") }
        slot.output.storeBytes(of: UInt32(made).littleEndian, as: UInt32.self)
        slot.made = 4 + Int(made)
    }

    func tail(size: UInt64, sum: UInt) -> [UInt8] { [0, 0, 0, 0] }
}
