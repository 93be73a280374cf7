import NIOCore
import NetrootImage

extension ByteBuffer {
    /// Writes a node's `fattr3`.
    mutating func writeAttributes(_ index: UInt32, of table: borrowing FileTable, fileSystem: UInt64) {
        let node = table.nodes[Int(index)]
        let owner = table.owners[Int(node.owner)]
        writeItems(atMost: XDRCursor.attributesSize) { $0.put(node, owner, fileSystem: fileSystem) }
    }

    /// Writes a `post_op_attr` that has attributes.
    mutating func writeOptionalAttributes(_ index: UInt32, of table: borrowing FileTable, fileSystem: UInt64) {
        let node = table.nodes[Int(index)]
        let owner = table.owners[Int(node.owner)]
        writeItems(atMost: 4 + XDRCursor.attributesSize) { cursor in
            cursor.put(1 as UInt32)
            cursor.put(node, owner, fileSystem: fileSystem)
        }
    }
}

extension XDRCursor {
    /// Bytes of a `fattr3`.
    static let attributesSize = 84

    /// A node's `fattr3` (RFC 1813, 2.6).
    mutating func put(_ node: FileNode, _ owner: Owner, fileSystem: UInt64) {
        let mode = UInt32(node.mode)
        let type = NFSFileType(mode: mode)
        let isDevice = type == .blockDevice || type == .characterDevice
        put(type.rawValue)
        put(mode & 0o7777)
        put(UInt32(node.links))
        put(owner.user)
        put(owner.group)
        put(isDevice ? 0 : node.size)
        put(UInt64(node.blocks) * 512)
        put(isDevice ? Self.deviceMajor(node.size) : 0)
        put(isDevice ? Self.deviceMinor(node.size) : 0)
        put(fileSystem)
        put(node.inode)
        // Whole seconds, as the image has them: a root is the same by each transport. When it was changed keeps its
        // nanoseconds, by which a client notices a change.
        let modified = Self.time(node.modified) & ~0xFFFF_FFFF
        put(modified)
        put(modified)
        put(Self.time(node.changed))
    }

    /// `nfstime3`, seconds and nanoseconds, in one word.
    private static func time(_ nanoseconds: Int64) -> UInt64 {
        var seconds = nanoseconds / 1_000_000_000
        var rest = nanoseconds % 1_000_000_000
        if rest < 0 {
            seconds -= 1
            rest += 1_000_000_000
        }
        let kept = SquashfsTime.seconds(seconds)
        return UInt64(kept) << 32 | (Int64(kept) == seconds ? UInt64(rest) : 0)
    }

    /// As glibc's `gnu_dev_major`, which is a macro.
    private static func deviceMajor(_ device: UInt64) -> UInt32 {
        UInt32(truncatingIfNeeded: device >> 8 & 0xFFF | device >> 32 & 0xFFFF_F000)
    }

    /// As glibc's `gnu_dev_minor`.
    private static func deviceMinor(_ device: UInt64) -> UInt32 {
        UInt32(truncatingIfNeeded: device & 0xFF | device >> 12 & 0xFFFF_FF00)
    }
}
