import Glibc
public import NetrootImage
public import NetrootSystem

/// Fills an empty directory with the files of a squashfs image, or of another directory.
///
/// Neither is trusted: nothing is written outside of the directory, and nothing outside of the source is read, whatever
/// names and links say. netroot's own reader instead of unsquashfs: it checks each name before anything is made of it, and
/// leaves device nodes out.
public struct RootFill: Sendable {
    /// What was left out.
    public struct Report: Sendable, Equatable {
        /// Device nodes; hard links of one count once.
        public internal(set) var devices = 0
        /// Sockets: what listened to them is elsewhere.
        public internal(set) var sockets = 0
        /// Extended attributes that only root may set.
        public internal(set) var xattrs = 0
    }

    /// The directory; it exists and is empty.
    public let directory: String
    /// Whether device nodes are made.
    public let keepsDevices: Bool

    /// Nothing is looked at yet.
    public init(directory: String, keepsDevices: Bool) {
        self.directory = directory
        self.keepsDevices = keepsDevices
    }

    // MARK: - From an image

    /// Unpacks an image: content, holes, owners, permissions, times, extended attributes, hard links.
    /// - Throws: `SquashfsReadError`, `RootFillError`, `SystemError`, `CancellationError`.
    public func unpack(_ image: SquashfsReader) throws -> Report {
        var writer = try RootWriter(directory)
        var report = Report()
        // Where the first name of a file with several is.
        var firsts: [UInt32: [UInt8]] = [:]
        var buffer = FillBuffer(image.superblock.blockSize)
        try image.scan { directory in
            try Task.checkCancellation()
            let parent = try writer.root.below(directory.path)
            if directory.path.isEmpty { writer.directory(path: [], try Self.attributes(directory.inode, of: image)) }
            for entry in directory.entries {
                let inode = entry.inode
                guard !leavesOut(inode.type, isFirst: entry.isFirst, &report) else { continue }
                let path = directory.path + [UInt8(ascii: "/")] + entry.name
                guard entry.isFirst else {
                    guard let first = firsts[inode.number] else {
                        throw image.corrupt(Self.text(path), "it has more names than its inode says")
                    }
                    try writer.link(first, to: entry.name, in: parent)
                    continue
                }
                if inode.links > 1, inode.type != .directory { firsts[inode.number] = path }
                let attributes = try Self.attributes(inode, of: image)
                switch inode.type {
                case .directory: try writer.directory(entry.name, in: parent, path: path, attributes)
                case .symlink: try writer.symlink(entry.name, in: parent, target: inode.target, attributes)
                case .regular:
                    let file = try image.file(inode.reference)
                    try writer.file(entry.name, in: parent, attributes) { descriptor in
                        try buffer.write(file, of: image, to: descriptor) { parent.display(entry.name) }
                    }
                default: try writer.node(entry.name, in: parent, inode.type, device: inode.device, attributes)
                }
            }
        }
        try writer.finish()
        report.xattrs = writer.droppedXattrs
        return report
    }

    private static func attributes(_ inode: SquashfsInode, of image: SquashfsReader) throws -> RootWriter.Attributes {
        RootWriter.Attributes(
            mode: inode.mode, uid: inode.uid, gid: inode.gid,
            modified: timespec(tv_sec: Int(inode.modified), tv_nsec: 0),
            xattrs: try image.xattrs(of: inode).map { ($0.name, $0.value) })
    }

    private static func text(_ path: [UInt8]) -> String { String(decoding: path, as: UTF8.self) }

    private func leavesOut(_ type: FileType, isFirst: Bool, _ report: inout Report) -> Bool {
        switch type {
        case .characterDevice, .blockDevice:
            if !keepsDevices, isFirst { report.devices += 1 }
            return !keepsDevices
        case .socket:
            if isFirst { report.sockets += 1 }
            return true
        default: return false
        }
    }

    // MARK: - From a directory

    /// Copies a directory, but what other filesystems are mounted in it, with all that an image keeps, and access control
    /// lists.
    /// - Throws: `RootFillError`, `SystemError`, `CancellationError`.
    public func copy(_ source: String) throws -> Report {
        var copy = DirectoryCopy(
            source: try DirectoryHandle(source), writer: try RootWriter(directory), numbers: try UnknownOwners())
        try copy.run { leavesOut($0, isFirst: $1, &$2) }
        return copy.report
    }
}

/// Why a directory cannot be filled.
public enum RootFillError: ReportableError, Equatable {
    /// There is something in it.
    case notEmpty(path: String)
    /// A file's owner has no number in the user namespace of a build without root.
    case owner(path: String, uid: UInt32, gid: UInt32)
    /// A file of the source belongs to somebody who has no number in the user namespace.
    case foreign(path: String)
    /// A device node cannot be made.
    case device(path: String)

    /// Always `.failed`.
    public var exitStatus: ExitStatus { .failed }

    /// One line: which file, what is in the way, what to do.
    public var description: String {
        switch self {
        case .notEmpty(let path): "\(path) is not empty; a root is unpacked into an empty directory only"
        case .owner(let path, let uid, let gid):
            "\(TerminalText.line(path)) belongs to user \(uid) and group \(gid), which this build without root has no numbers for; "
                + "widen the user's ranges in /etc/subuid and /etc/subgid, or build as root"
        case .foreign(let path):
            "\(TerminalText.line(path)) belongs to somebody else, whose number a build without root cannot see; "
                + "copy the directory as the user who builds, or build as root"
        case .device(let path):
            "the device node \(TerminalText.line(path)) cannot be made without root; leave out --allow-devices, or build as root"
        }
    }
}
