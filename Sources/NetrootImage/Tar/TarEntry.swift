/// One member of a tar archive.
public struct TarEntry: Sendable, Equatable {
    /// What the member is.
    public enum Kind: Sendable, Equatable {
        /// A regular file; its content follows the header.
        case regular
        /// Another name of a file that the archive, or an earlier one, brought.
        case hardLink(to: [UInt8])
        /// A symbolic link; the target may be any bytes but NUL.
        case symlink(to: [UInt8])
        /// A character device with these numbers.
        case characterDevice(major: UInt32, minor: UInt32)
        /// A block device with these numbers.
        case blockDevice(major: UInt32, minor: UInt32)
        case directory
        /// A named pipe.
        case fifo
    }

    /// An extended attribute (xattr(7)).
    public struct Xattr: Sendable, Equatable {
        /// With its namespace: `security.capability`.
        public var name: [UInt8]
        /// Any bytes.
        public var value: [UInt8]
    }

    /// As the archive has it; any bytes but NUL.
    public var path: [UInt8]
    /// What it is.
    public var kind: Kind
    /// The permissions, with setuid, setgid and sticky: the lower twelve bits of `st_mode`.
    public var mode: UInt32
    /// The owner's number.
    public var uid: UInt32
    /// The group's number.
    public var gid: UInt32
    /// Seconds since 1970; earlier times are 0.
    public var mtime: UInt32
    /// The bytes of a regular file's content; of anything else 0.
    public var size: UInt64
    /// In the archive's order.
    public var xattrs: [Xattr] = []

    /// The zero bytes that fill the content's last block.
    static func padding(after size: UInt64) -> Int { Int((512 - size % 512) % 512) }
}

/// What is wrong with a member, before it is known where; without a full stop.
struct TarFault: Error {
    let problem: String

    init(_ problem: String) { self.problem = problem }
}
