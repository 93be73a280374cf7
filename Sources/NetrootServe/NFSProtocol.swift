/// Numbers of NFS version 3 and its companions (RFC 1813; NFSACL as Solaris and Linux have it).
public enum NFSv3 {
    /// The NFS program.
    public static let program: UInt32 = 100_003
    /// The MOUNT program (RFC 1813, 5).
    public static let mountProgram: UInt32 = 100_005
    /// The NFSACL program.
    public static let aclProgram: UInt32 = 100_227
    /// The one version of all three.
    public static let version: UInt32 = 3
    /// `NFS3_FHSIZE`: the most bytes that a file handle has.
    public static let handleLimit = 64
    /// The longest name that a directory holds, and so the longest that a LOOKUP can find.
    public static let nameLimit = 255
    /// `MNTPATHLEN`.
    public static let mountPathLimit = 1024
}

/// The procedures of NFS version 3 (RFC 1813, 3.3), by their numbers: GETATTR is `getAttributes`, and so on.
public enum NFSProcedure: UInt32, Sendable, CaseIterable {
    case null = 0
    case getAttributes, setAttributes, lookup, access, readLink, read, write, create, makeDirectory, makeSymlink
    case makeNode, remove, removeDirectory, rename, link, readDirectory, readDirectoryPlus, fileSystemStatus
    case fileSystemInformation, pathConfiguration, commit
}

/// The procedures of MOUNT version 3 (RFC 1813, 5.2).
enum MountProcedure: UInt32, Sendable {
    case null = 0
    case mount, dump, unmount, unmountAll, export
}

/// `nfsstat3` (RFC 1813, 2.6), as far as a read-only server has use for it.
enum NFSStatus: UInt32, Error, Sendable {
    case ok = 0
    case noEntry = 2
    case io = 5
    case access = 13
    case notDirectory = 20
    case isDirectory = 21
    case invalid = 22
    case readOnly = 30
    case nameTooLong = 63
    case stale = 70
    case badHandle = 10001
    case notSupported = 10004
    case tooSmall = 10005
    case serverFault = 10006
    /// Come back later: the server asks whether there is a new generation, or has no descriptor free.
    case jukebox = 10008
    /// No status of the protocol: what was asked may wait for a disk, and is to be answered by another thread.
    case later = 0xFFFF_FFFF
}

/// `ftype3` (RFC 1813, 2.6).
enum NFSFileType: UInt32, Sendable {
    case regular = 1
    case directory, blockDevice, characterDevice, symlink, socket, fifo

    /// The type in a `st_mode`.
    init(mode: UInt32) {
        self =
            switch mode & 0o170000 {
            case 0o040000: .directory
            case 0o060000: .blockDevice
            case 0o020000: .characterDevice
            case 0o120000: .symlink
            case 0o140000: .socket
            case 0o010000: .fifo
            default: .regular
            }
    }
}
