/// Why a stream cannot be decompressed; its caller knows of which file.
struct CodecError: Error, Equatable {
    let problem: String

    static let damaged = CodecError(problem: "it is damaged")
    static let cutOff = CodecError(problem: "it is cut off")
    static let noMemory = CodecError(problem: "there is not enough memory")
}

/// A library that decompresses a stream piece by piece, and tells where the stream ends.
protocol StreamDecoder: AnyObject {
    /// Goes on with the next bytes; without any, with what it has taken before.
    /// - Throws: `CodecError`.
    func step(
        _ input: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer
    ) throws(CodecError) -> DecoderStep
}

/// What one step of a decoder took and made.
struct DecoderStep {
    var taken: Int
    var made: Int
    var isEnd: Bool
}

/// Decompresses one segment of an initramfs from its first byte to its own end, and leaves alone what follows it: in this
/// process, since a program that is fed by a pipe does not tell where its stream ended. Its memory is bounded whatever the
/// bytes say; the reader bounds the output.
enum SegmentDecompression {
    private static let inputSize = 64 << 10
    private static let outputSize = 256 << 10

    /// - Parameters:
    ///   - start: where the segment begins, in bytes.
    ///   - read: bytes of the file, fewer at its end.
    ///   - receive: gets what was decompressed; false ends the run.
    /// - Returns: where the segment ends.
    /// - Throws: `CodecError`, and what the closures throw.
    static func run(
        _ compression: Compression, from start: Int64,
        read: @escaping (_ offset: Int64, _ count: Int) throws -> [UInt8],
        receive: ([UInt8]) throws -> Bool
    ) throws -> Int64 {
        switch compression {
        case .uncompressed: preconditionFailure("nothing to decompress")
        case .gzip: try run(GzipDecoder(), start, read, receive)
        case .zstd: try run(ZstdDecoder(), start, read, receive)
        case .xz: try run(LZMADecoder(.xz), start, read, receive)
        case .lzma: try run(LZMADecoder(.lzma), start, read, receive)
        case .bzip2: try run(Bzip2Decoder(), start, read, receive)
        case .lz4: try LZ4Decoder.run(BlockInput(start, read), receive)
        case .lzo: try LZOPDecoder.run(BlockInput(start, read), receive)
        }
    }

    private static func run(
        _ decoder: some StreamDecoder, _ start: Int64, _ read: (Int64, Int) throws -> [UInt8],
        _ receive: ([UInt8]) throws -> Bool
    ) throws -> Int64 {
        var offset = start
        var input: ArraySlice<UInt8> = []
        while true {
            if input.isEmpty { input = try read(offset, inputSize)[...] }
            var step = DecoderStep(taken: 0, made: 0, isEnd: false)
            let output = try [UInt8](unsafeUninitializedCapacity: outputSize) { buffer, count in
                step = try input.withUnsafeBytes { try decoder.step($0, UnsafeMutableRawBufferPointer(buffer)) }
                count = step.made
            }
            let isAtEnd = input.isEmpty
            offset += Int64(step.taken)
            input = input.dropFirst(step.taken)
            if step.made > 0, try !receive(output) { return offset }
            if step.isEnd { return offset }
            guard step.taken > 0 || step.made > 0 else { throw isAtEnd ? CodecError.cutOff : .damaged }
        }
    }
}

/// The bytes of a format that is made of blocks, whose lengths are told before them.
struct BlockInput {
    private(set) var offset: Int64
    private let read: (Int64, Int) throws -> [UInt8]

    init(_ start: Int64, _ read: @escaping (Int64, Int) throws -> [UInt8]) {
        offset = start
        self.read = read
    }

    /// The next bytes, which stay there.
    func peek(_ count: Int) throws -> [UInt8] { try read(offset, count) }

    /// The next bytes.
    /// - Throws: `CodecError.cutOff` where there are fewer.
    mutating func take(_ count: Int) throws -> [UInt8] {
        let bytes = try read(offset, count)
        guard bytes.count == count else { throw CodecError.cutOff }
        offset += Int64(count)
        return bytes
    }

    /// A number in big-endian order.
    mutating func number(bytes count: Int) throws -> UInt32 { try take(count).reduce(0) { $0 << 8 | UInt32($1) } }
}
