/// The file type bits of `st_mode` (inode(7)).
public enum FileType: UInt32, Sendable, Equatable {
    /// S_IFIFO.
    case fifo = 0o010000
    /// S_IFCHR.
    case characterDevice = 0o020000
    /// S_IFDIR.
    case directory = 0o040000
    /// S_IFBLK.
    case blockDevice = 0o060000
    /// S_IFREG.
    case regular = 0o100000
    /// S_IFLNK.
    case symlink = 0o120000
    /// S_IFSOCK; newc archives of ours hold none.
    case socket = 0o140000

    /// The bits of `st_mode` that hold the type.
    public static let mask: UInt32 = 0o170000
}

extension FileType {
    /// The word for it, as reports have it.
    public var word: String {
        switch self {
        case .regular: "file"
        case .directory: "directory"
        case .symlink: "symlink"
        case .characterDevice: "character device"
        case .blockDevice: "block device"
        case .fifo: "fifo"
        case .socket: "socket"
        }
    }
}
