import NIOCore

/// Writes XDR items into memory that has been made room for at once: a `fattr3` has 13 of them, and a reply to
/// READDIRPLUS hundreds, for each of which a `ByteBuffer` would look whether it has the room, and whether it is alone.
struct XDRCursor {
    private let space: UnsafeMutableRawBufferPointer
    private(set) var offset = 0

    init(_ space: UnsafeMutableRawBufferPointer) {
        self.space = space
    }

    mutating func put(_ value: UInt32) {
        precondition(offset + 4 <= space.count)
        space.storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt32.self)
        offset += 4
    }

    mutating func put(_ value: UInt64) {
        precondition(offset + 8 <= space.count)
        space.storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt64.self)
        offset += 8
    }

    /// Variable-length opaque data or a string, with its length and padding.
    mutating func put(opaque bytes: UnsafeRawBufferPointer) {
        put(UInt32(bytes.count))
        let padded = (bytes.count + 3) & ~3
        precondition(offset + padded <= space.count)
        if padded > 0 {
            // The last word first, for its padding.
            space.storeBytes(of: 0, toByteOffset: offset + padded - 4, as: UInt32.self)
            UnsafeMutableRawBufferPointer(rebasing: space[offset..<offset + bytes.count]).copyMemory(from: bytes)
        }
        offset += padded
    }
}

extension ByteBuffer {
    /// Makes room for `count` bytes, of which `body` writes as many as it will.
    @inline(__always)
    mutating func writeItems(atMost count: Int, _ body: (inout XDRCursor) -> Void) {
        writeWithUnsafeMutableBytes(minimumWritableBytes: count) { space in
            var cursor = XDRCursor(space)
            body(&cursor)
            return cursor.offset
        }
    }
}
