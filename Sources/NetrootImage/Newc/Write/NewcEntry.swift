public import NetrootSystem

public import struct SystemPackage.FilePath

/// One file, directory, symlink or special file that goes into a newc archive.
public struct NewcEntry: Sendable, Equatable {
    /// What the entry is and holds.
    public enum Content: Sendable, Equatable {
        /// A regular file with these bytes.
        case bytes([UInt8])
        /// A regular file whose bytes are read from this path when the archive is written.
        case file(FilePath)
        /// A symbolic link; the target may be any bytes but NUL.
        case symlink([UInt8])
        case directory
        /// A character device with these numbers.
        case characterDevice(major: UInt32, minor: UInt32)
        /// A block device with these numbers.
        case blockDevice(major: UInt32, minor: UInt32)
        /// A named pipe.
        case fifo
    }

    /// Relative to the root, without `.`, `..` or empty components; any bytes but NUL.
    public var path: [UInt8]
    /// What it is and holds.
    public var content: Content
    /// The permissions, with setuid, setgid and sticky: the lower twelve bits of `st_mode`.
    public var mode: UInt32
    /// The owner's number.
    public var uid: UInt32
    /// The group's number.
    public var gid: UInt32
    /// Seconds since 1970.
    public var mtime: UInt32

    /// - Parameter mode: nil takes 0755 for a directory, 0777 for a symlink, 0644 for all else.
    public init(
        path: [UInt8], content: Content, mode: UInt32? = nil, uid: UInt32 = 0, gid: UInt32 = 0, mtime: UInt32 = 0
    ) {
        self.path = path
        self.content = content
        self.mode = mode ?? content.usualMode
        self.uid = uid
        self.gid = gid
        self.mtime = mtime
    }

    /// The same with a path that is text.
    public init(
        _ path: String, _ content: Content, mode: UInt32? = nil, uid: UInt32 = 0, gid: UInt32 = 0, mtime: UInt32 = 0
    ) {
        self.init(path: Array(path.utf8), content: content, mode: mode, uid: uid, gid: gid, mtime: mtime)
    }
}

extension NewcEntry.Content {
    fileprivate var usualMode: UInt32 {
        switch self {
        case .directory: 0o755
        case .symlink: 0o777
        case .bytes, .file, .characterDevice, .blockDevice, .fifo: 0o644
        }
    }

    /// The file type in `st_mode` (inode(7)).
    public var fileType: FileType {
        switch self {
        case .bytes, .file: .regular
        case .symlink: .symlink
        case .directory: .directory
        case .characterDevice: .characterDevice
        case .blockDevice: .blockDevice
        case .fifo: .fifo
        }
    }
}
