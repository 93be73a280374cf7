import Glibc
import NetrootSystem
import SystemPackage

extension NewcArchive {
    /// Who owns the entries of an archive that is made of a directory.
    public enum Owner: Sendable {
        /// User and group 0, whoever made the directory.
        case root
        /// The owners on disk.
        case asOnDisk
    }

    /// An archive of all that lies under a directory, dotfiles and symlinks included.
    ///
    /// - Parameters:
    ///   - directory: what is put in; the directory itself is not, so that its mode does not reach the root.
    ///   - prefix: the path in the archive that stands for the directory, such as `netroot/overlay`; may be empty.
    ///   - owner: whom the entries belong to.
    ///   - latest: times are clamped to this (SOURCE_DATE_EPOCH), in seconds since 1970.
    /// - Throws: `SystemError`; `NewcError.badEntry`, also for a socket, which no archive can hold.
    public init(directory: String, prefix: String, owner: Owner = .root, latest: UInt32 = 0) throws {
        let prefix = Array(prefix.utf8)
        var entries = prefix.isEmpty ? [] : [NewcEntry(path: prefix, content: .directory)]
        try DirectoryHandle(directory).walk(oneFilesystem: false) { file in
            let path = prefix.isEmpty ? file.path : prefix + [UInt8(ascii: "/")] + file.path
            entries.append(
                NewcEntry(
                    path: path, content: try Self.content(of: file), mode: file.status.st_mode & 0o7777,
                    uid: owner == .root ? 0 : file.status.st_uid, gid: owner == .root ? 0 : file.status.st_gid,
                    mtime: min(latest, UInt32(clamping: file.status.st_mtim.tv_sec))))
        }
        try self.init(entries: entries)
    }

    private static func content(of file: DirectoryHandle.WalkEntry) throws -> NewcEntry.Content {
        switch file.type {
        case .regular: return .file(FilePath(platformString: DirectoryHandle.terminated(file.place)))
        case .directory: return .directory
        case .symlink: return .symlink(try file.directory.target(of: file.name))
        case .characterDevice:
            let device = file.status.st_rdev
            return .characterDevice(major: DeviceNumber.major(device), minor: DeviceNumber.minor(device))
        case .blockDevice:
            let device = file.status.st_rdev
            return .blockDevice(major: DeviceNumber.major(device), minor: DeviceNumber.minor(device))
        case .fifo: return .fifo
        case .socket: throw NewcError.badEntry(path: file.display, problem: "it is a socket; remove it")
        case nil: throw NewcError.badEntry(path: file.display, problem: "its file type is unknown")
        }
    }
}

/// makedev(3); glibc's own are macros, which Swift does not see (`sys/sysmacros.h` gives the layout).
enum DeviceNumber {
    static func major(_ device: dev_t) -> UInt32 {
        UInt32(truncatingIfNeeded: device >> 8 & 0xFFF | device >> 32 & ~0xFFF)
    }

    static func minor(_ device: dev_t) -> UInt32 {
        UInt32(truncatingIfNeeded: device & 0xFF | device >> 12 & ~0xFF)
    }
}
