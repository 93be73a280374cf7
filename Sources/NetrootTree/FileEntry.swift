import Glibc
import NetrootImage
public import NetrootSystem

/// A file of a root, of any type, with what an image can keep of it but its content and its times.
public struct FileEntry: Sendable, Equatable {
    /// The file type.
    public var type: FileType
    /// The lower twelve bits of `st_mode`; 0 of a symlink, where they mean nothing.
    public var mode: UInt32 = 0
    /// The owner's number.
    public var uid: UInt32 = 0
    /// The group's number.
    public var gid: UInt32 = 0
    /// A regular file's bytes; 0 of all others.
    public var size: UInt64 = 0
    /// A device node's numbers, as Linux packs them into 32 bits (`new_encode_dev`); 0 of all others.
    public var device: UInt32 = 0
    /// A symlink's target.
    public var target: [UInt8] = []
    /// Extended attributes of the namespaces `user.`, `trusted.` and `security.`: squashfs has no other, in particular no
    /// POSIX ACLs.
    public var xattrs: [[UInt8]: [UInt8]] = [:]

    /// Major number of a device node.
    public var deviceMajor: UInt32 { device >> 8 & 0xFFF }
    /// Minor number of a device node.
    public var deviceMinor: UInt32 { device & 0xFF | device >> 12 & 0xFFF00 }

    /// What can be different in a file that is there before and after.
    public enum Aspect: String, Sendable, CaseIterable, Encodable {
        /// It is of another type, a directory instead of a symlink, say.
        case type
        /// Other bytes.
        case content
        /// Other permissions.
        case mode
        /// Another owner or group.
        case owner
        /// A symlink that leads elsewhere.
        case target
        /// A device node with other numbers.
        case device
        /// Other extended attributes; capabilities are in one of them.
        case xattrs
    }

    /// What differs, as far as it shows without reading: content differs where the sizes do. Of files of different types
    /// content, target and device are not compared.
    public func differences(to other: FileEntry) -> Set<Aspect> {
        var aspects: Set<Aspect> = []
        if uid != other.uid || gid != other.gid { aspects.insert(.owner) }
        if xattrs != other.xattrs { aspects.insert(.xattrs) }
        if type != .symlink, other.type != .symlink, mode != other.mode { aspects.insert(.mode) }
        guard type == other.type else {
            aspects.insert(.type)
            return aspects
        }
        if size != other.size { aspects.insert(.content) }
        if target != other.target { aspects.insert(.target) }
        if device != other.device { aspects.insert(.device) }
        return aspects
    }

    /// The names of the extended attributes that are not the same, sorted.
    public func differingXattrs(to other: FileEntry) -> [[UInt8]] {
        Set(xattrs.keys).union(other.xattrs.keys).filter { xattrs[$0] != other.xattrs[$0] }
            .sorted { $0.lexicographicallyPrecedes($1) }
    }
}

extension FileEntry {
    /// - Parameters:
    ///   - target: read for a symlink only.
    ///   - xattrs: all that the file has.
    init(_ status: stat, _ type: FileType, target: () throws -> [UInt8], xattrs: [[UInt8]: [UInt8]]) rethrows {
        self.type = type
        uid = status.st_uid
        gid = status.st_gid
        self.xattrs = xattrs
        if type == .symlink { self.target = try target() } else { mode = UInt32(status.st_mode) & 0o7777 }
        if type == .regular { size = UInt64(max(0, status.st_size)) }
        // For numbers of 12 and 20 bits, which Linux has, glibc packs them alike.
        if type.isDevice { device = UInt32(truncatingIfNeeded: status.st_rdev) }
    }

    /// - Throws: `SquashfsReadError`.
    init(_ inode: SquashfsInode, of image: SquashfsReader) throws {
        type = inode.type
        uid = inode.uid
        gid = inode.gid
        if type == .symlink { target = inode.target } else { mode = inode.mode }
        if type == .regular { size = inode.size }
        if type.isDevice { device = inode.device }
        guard inode.xattrIndex != nil else { return }
        for xattr in try image.xattrs(of: inode) { xattrs[xattr.name] = xattr.value }
    }
}

extension FileType {
    fileprivate var isDevice: Bool { self == .characterDevice || self == .blockDevice }
}
