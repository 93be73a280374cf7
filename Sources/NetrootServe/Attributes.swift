import NIOCore

extension ByteBuffer {
    /// Writes a node's `fattr3` (RFC 1813, 2.6), 84 bytes in one go.
    mutating func writeAttributes(_ index: UInt32, of table: borrowing FileTable, fileSystem: UInt64) {
        let node = table.nodes[Int(index)]
        let owner = table.owners[Int(node.owner)]
        let mode = UInt32(node.mode)
        let type = NFSFileType(mode: mode)
        let isDevice = type == .blockDevice || type == .characterDevice
        let modified = Self.time(node.modified)
        let changed = Self.time(node.changed)
        writeMultipleIntegers(
            type.rawValue, mode & 0o7777, UInt32(node.links), owner.user, owner.group, isDevice ? 0 : node.size,
            UInt64(node.blocks) * 512)
        writeMultipleIntegers(
            isDevice ? Self.deviceMajor(node.size) : 0, isDevice ? Self.deviceMinor(node.size) : 0, fileSystem,
            node.inode, modified, modified, changed)
    }

    /// Writes a `post_op_attr` that has attributes.
    mutating func writeOptionalAttributes(_ index: UInt32, of table: borrowing FileTable, fileSystem: UInt64) {
        writeInteger(1, as: UInt32.self)
        writeAttributes(index, of: table, fileSystem: fileSystem)
    }

    /// `nfstime3`, seconds and nanoseconds, in one word.
    private static func time(_ nanoseconds: Int64) -> UInt64 {
        var seconds = nanoseconds / 1_000_000_000
        var rest = nanoseconds % 1_000_000_000
        if rest < 0 {
            seconds -= 1
            rest += 1_000_000_000
        }
        return UInt64(UInt32(truncatingIfNeeded: seconds)) << 32 | UInt64(rest)
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
