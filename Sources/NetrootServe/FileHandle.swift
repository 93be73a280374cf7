import NIOCore

/// A file handle (`nfs_fh3`, RFC 1813, 2.6): what it names is found in the tables of the export, never by a path, so
/// that no handle, made up or not, names anything outside an exported tree. It is made of what lasts, so that a client
/// goes on after a restart of the server.
///
/// 24 bytes: magic, hash of the export's path, generation, inode number (8), checksum.
struct FileHandle: Hashable, Sendable {
    /// FNV-1a of the export's path: two labels may have the same generation number.
    var export: UInt32
    /// The export's generation.
    var generation: UInt32
    /// The inode number.
    var inode: UInt64

    static let size = 24
    private static let magic: UInt32 = 0x6E72_7433

    /// Told from noise and from other servers' handles; no secret, for a handle gives no rights that MNT does not.
    private var checksum: UInt32 {
        var hash = UInt64(export) << 32 | UInt64(generation)
        hash = (hash ^ inode &* 0x9E37_79B9_7F4A_7C15) &* 0xD6E8_FEB8_6659_FD93
        hash = (hash ^ hash >> 32) &* 0xD6E8_FEB8_6659_FD93
        return UInt32(truncatingIfNeeded: hash ^ hash >> 32)
    }

    init(export: UInt32, generation: UInt32, inode: UInt64) {
        self.export = export
        self.generation = generation
        self.inode = inode
    }

    /// Reads a handle from a call's arguments.
    /// - Returns: nil for a handle that this server has not made: NFS3ERR_BADHANDLE.
    /// - Throws: `XDRError` where there is no handle at all: GARBAGE_ARGS.
    static func read(from reader: inout XDRReader) throws(XDRError) -> FileHandle? {
        let item = try reader.opaque(limit: NFSv3.handleLimit)
        guard item.count == size,
            let (magic, export, generation, inode, checksum) = reader.buffer.getMultipleIntegers(
                at: item.offset, as: (UInt32, UInt32, UInt32, UInt64, UInt32).self)
        else { return nil }
        let handle = FileHandle(export: export, generation: generation, inode: inode)
        guard magic == Self.magic, checksum == handle.checksum else { return nil }
        return handle
    }

    /// Writes the handle with its length before it.
    func write(to buffer: inout ByteBuffer) {
        buffer.writeItems(atMost: 4 + Self.size) { write(to: &$0) }
    }

    /// Writes the handle with its length before it.
    func write(to cursor: inout XDRCursor) {
        cursor.put(UInt32(Self.size))
        cursor.put(Self.magic)
        cursor.put(export)
        cursor.put(generation)
        cursor.put(inode)
        cursor.put(checksum)
    }
}

extension ByteBuffer {
    /// As `getInteger`, for the fields of a handle.
    fileprivate func getMultipleIntegers(
        at index: Int, as type: (UInt32, UInt32, UInt32, UInt64, UInt32).Type
    ) -> (UInt32, UInt32, UInt32, UInt64, UInt32)? {
        guard let a = getInteger(at: index, as: UInt32.self), let b = getInteger(at: index + 4, as: UInt32.self),
            let c = getInteger(at: index + 8, as: UInt32.self), let d = getInteger(at: index + 12, as: UInt64.self),
            let e = getInteger(at: index + 20, as: UInt32.self)
        else { return nil }
        return (a, b, c, d, e)
    }
}

/// FNV-1a, 32 bits: file handles and directory cookies depend on it, so it must never change.
func fnv1a(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    var hash: UInt32 = 0x811C_9DC5
    for byte in bytes { hash = (hash ^ UInt32(byte)) &* 0x0100_0193 }
    return hash
}
