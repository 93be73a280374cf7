public import NIOCore

/// Why a piece of XDR could not be read (RFC 4506).
public enum XDRError: Error, Equatable, Sendable {
    /// The data ends before the item does.
    case truncated
    /// A variable-length item is longer than the limit for it; the length asked for, in bytes.
    case tooLong(UInt32)
    /// A boolean or a discriminant has a value that its type does not have.
    case badValue(UInt32)
}

/// Reads XDR items (RFC 4506) from a slice of a buffer. Nothing is copied and nothing is allocated; every length is
/// checked against what is left and, for variable-length items, against a limit that the caller names.
public struct XDRReader: Sendable {
    /// The buffer that the slice lies in.
    public let buffer: ByteBuffer
    /// The next byte to read, as an index of `buffer`.
    public private(set) var position: Int
    /// The first byte behind the slice.
    public let end: Int

    /// Where a variable-length item lies in the reader's buffer.
    public struct Opaque: Sendable, Equatable {
        /// Index of the first byte in the buffer.
        public let offset: Int
        /// Length in bytes.
        public let count: Int
    }

    /// A reader of the buffer's readable bytes.
    @inlinable
    public init(_ buffer: ByteBuffer) {
        self.init(buffer, offset: buffer.readerIndex, count: buffer.readableBytes)
    }

    /// A reader of `count` bytes from index `offset`; a slice that is not wholly readable reads as empty.
    public init(_ buffer: ByteBuffer, offset: Int, count: Int) {
        self.buffer = buffer
        self.position = offset
        let whole = count >= 0 && offset >= buffer.readerIndex && offset + count <= buffer.writerIndex
        self.end = whole ? offset + count : offset
    }

    /// Bytes that are left.
    public var remaining: Int { end - position }

    /// An unsigned integer (RFC 4506, 4.2).
    /// - Throws: `.truncated`.
    public mutating func uint32() throws(XDRError) -> UInt32 {
        guard remaining >= 4, let value = buffer.getInteger(at: position, as: UInt32.self) else { throw .truncated }
        position += 4
        return value
    }

    /// An unsigned hyper integer (RFC 4506, 4.5).
    /// - Throws: `.truncated`.
    public mutating func uint64() throws(XDRError) -> UInt64 {
        guard remaining >= 8, let value = buffer.getInteger(at: position, as: UInt64.self) else { throw .truncated }
        position += 8
        return value
    }

    /// A boolean (RFC 4506, 4.4).
    /// - Throws: `.truncated`; `.badValue` for anything but 0 and 1.
    public mutating func bool() throws(XDRError) -> Bool {
        let value = try uint32()
        guard value <= 1 else { throw .badValue(value) }
        return value == 1
    }

    /// Steps over `count` bytes of fixed-length opaque data, and its padding (RFC 4506, 4.9).
    /// - Throws: `.truncated`.
    public mutating func fixed(_ count: Int) throws(XDRError) -> Opaque {
        let padded = (count + 3) & ~3
        guard count >= 0, remaining >= padded else { throw .truncated }
        defer { position += padded }
        return Opaque(offset: position, count: count)
    }

    /// Variable-length opaque data or a string of at most `limit` bytes (RFC 4506, 4.10 and 4.11). Padding that is not
    /// zero is let pass, as the clients' own decoders do.
    /// - Throws: `.tooLong`, `.truncated`.
    public mutating func opaque(limit: Int) throws(XDRError) -> Opaque {
        let count = try uint32()
        guard count <= UInt32(limit) else { throw .tooLong(count) }
        return try fixed(Int(count))
    }

    /// Calls `body` with an item's bytes, without copying them.
    @inlinable
    public func withBytes<R>(of item: Opaque, _ body: (UnsafeRawBufferPointer) -> R) -> R {
        buffer.withUnsafeReadableBytes { all in
            body(UnsafeRawBufferPointer(rebasing: all[(item.offset - buffer.readerIndex)...].prefix(item.count)))
        }
    }
}

extension ByteBuffer {
    /// Writes variable-length opaque data or a string: length, bytes, zero padding (RFC 4506, 4.10 and 4.11).
    @inlinable
    public mutating func writeXDR(opaque bytes: UnsafeRawBufferPointer) {
        writeInteger(UInt32(bytes.count))
        writeBytes(bytes)
        writeXDRPadding(after: bytes.count)
    }

    /// Writes a string (RFC 4506, 4.11).
    @inlinable
    public mutating func writeXDR(string: String) {
        let utf8 = string.utf8
        writeInteger(UInt32(utf8.count))
        writeBytes(utf8)
        writeXDRPadding(after: utf8.count)
    }

    /// Writes the zero bytes that bring an item of `count` bytes to a multiple of four.
    @inlinable
    public mutating func writeXDRPadding(after count: Int) {
        let padding = -count & 3
        if padding > 0 { writeRepeatingByte(0, count: padding) }
    }
}
