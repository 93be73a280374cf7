import NIOCore

/// Cuts a TCP stream into RPC records (RFC 5531, 11): fragments, each with a mark of its length. It holds at most one
/// unfinished record and what came in the same read behind it.
struct RecordAssembler {
    /// What the stream holds next.
    enum Next {
        /// A whole record: where it lies in the buffer given.
        case record(ByteBuffer, offset: Int, count: Int)
        /// The rest has not come yet.
        case incomplete
        /// More than the limits allow: close the connection.
        case tooLarge
    }

    private let recordLimit: Int
    private let fragmentLimit: Int
    /// Bytes not yet taken as records.
    private var stream: ByteBuffer?
    /// Earlier fragments of the record under way.
    private var gathered: ByteBuffer?
    private var fragments = 0

    init(recordBytes: Int, fragments: Int) {
        recordLimit = recordBytes
        fragmentLimit = fragments
    }

    /// Whether a record has begun and not ended.
    var isInside: Bool { stream != nil || gathered != nil }

    /// Bytes of memory that are held.
    var held: Int { (stream?.storageCapacity ?? 0) + (gathered?.storageCapacity ?? 0) }

    /// Adds what was read. The buffer itself is taken over where nothing is left of earlier reads.
    mutating func append(_ bytes: consuming ByteBuffer) {
        if stream == nil {
            stream = bytes
        } else {
            stream?.writeImmutableBuffer(bytes)
        }
    }

    /// Takes the next record.
    mutating func next() -> Next {
        while let stream {
            guard let mark = stream.getInteger(at: stream.readerIndex, as: UInt32.self) else { return incomplete() }
            let count = Int(mark & ~RPC.lastFragment)
            let before = gathered?.readableBytes ?? 0
            guard before + count <= recordLimit, fragments < fragmentLimit else { return .tooLarge }
            guard stream.readableBytes >= 4 + count else { return incomplete() }
            let offset = stream.readerIndex + 4
            let isLast = mark & RPC.lastFragment != 0
            if isLast, gathered == nil {
                consume(4 + count)
                return .record(stream, offset: offset, count: count)
            }
            gather(stream, offset: offset, count: count)
            consume(4 + count)
            if isLast, let record = gathered {
                gathered = nil
                fragments = 0
                return .record(record, offset: record.readerIndex, count: record.readableBytes)
            }
        }
        return .incomplete
    }

    private mutating func gather(_ bytes: ByteBuffer, offset: Int, count: Int) {
        fragments += 1
        var record = gathered ?? ByteBuffer()
        gathered = nil
        bytes.withUnsafeReadableBytes { all in
            _ = record.writeBytes(UnsafeRawBufferPointer(rebasing: all[(offset - bytes.readerIndex)...].prefix(count)))
        }
        gathered = record
    }

    private mutating func consume(_ count: Int) {
        stream?.moveReaderIndex(forwardBy: count)
        if stream?.readableBytes == 0 { stream = nil }
    }

    /// Keeps what is left in a buffer of its own, that the one of the read can be used again.
    private mutating func incomplete() -> Next {
        if let stream, stream.readerIndex > 0 || stream.capacity > 2 * stream.readableBytes + 256 {
            var rest = ByteBufferAllocator().buffer(capacity: stream.readableBytes)
            rest.writeImmutableBuffer(stream)
            self.stream = rest
        }
        return .incomplete
    }
}
