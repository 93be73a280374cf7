import CLinux
import Glibc
import NetrootImage
import NetrootSystem

/// The files of a directory on their way into another one.
struct DirectoryCopy {
    let source: DirectoryHandle
    var writer: RootWriter
    let numbers: UnknownOwners
    private(set) var report = RootFill.Report()
    private var contents = FileCopy()
    /// Where the first name of a file with several is.
    private var firsts: [UInt: [UInt8]] = [:]
    private var seen: Set<UInt> = []

    init(source: DirectoryHandle, writer: RootWriter, numbers: UnknownOwners) {
        self.source = source
        self.writer = writer
        self.numbers = numbers
    }

    /// - Parameter leavesOut: told of a file's type and whether it is its first name.
    mutating func run(_ leavesOut: (FileType, Bool, inout RootFill.Report) -> Bool) throws {
        writer.directory(path: [], try attributes(try source.status(), [], in: source))
        // The copies of the walk's directories are made in its order, so the last one is the one that is filled.
        var to = (path: [UInt8](), handle: writer.root)
        try source.walk { entry in
            guard let type = entry.type else { return }
            let isLinked = type != .directory && entry.status.st_nlink > 1
            let isFirst = !isLinked || seen.insert(entry.status.st_ino).inserted
            if leavesOut(type, isFirst, &report) { return }
            let directory = DirectoryHandle.split(entry.path).directory
            if to.path != directory { to = (directory, try writer.root.below(directory)) }
            if !isFirst, let first = firsts[entry.status.st_ino] {
                return try writer.link(first, to: entry.name, in: to.handle)
            }
            if isLinked { firsts[entry.status.st_ino] = entry.path }
            try copy(entry.name, type, entry.status, from: entry.directory, to: to.handle, path: entry.path)
        }
        try writer.finish()
        report.xattrs = writer.droppedXattrs
    }

    private mutating func copy(
        _ name: [UInt8], _ type: FileType, _ status: stat, from: DirectoryHandle, to: DirectoryHandle, path: [UInt8]
    ) throws {
        switch type {
        case .directory: try writer.directory(name, in: to, path: path, try attributes(status, name, in: from))
        case .regular:
            let descriptor = openat(
                from.descriptor, DirectoryHandle.terminated(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
            guard descriptor >= 0 else { throw from.failure("read", name) }
            defer { close(descriptor) }
            var opened = stat()
            guard fstat(descriptor, &opened) == 0, opened.st_ino == status.st_ino, opened.st_dev == status.st_dev else {
                throw FileListingError.changed(path: from.display(name))
            }
            let attributes = try attributes(opened, name, in: from)
            try writer.file(name, in: to, attributes) { target in
                try contents.copy(from: descriptor, opened, to: target) { from.display(name) }
            }
        case .symlink:
            try writer.symlink(
                name, in: to, target: try from.target(of: name), try attributes(status, name, in: from))
        default:
            try writer.node(
                name, in: to, type, device: UInt32(truncatingIfNeeded: status.st_rdev),
                try attributes(status, name, in: from))
        }
    }

    private func attributes(
        _ status: stat, _ name: [UInt8], in parent: DirectoryHandle
    ) throws -> RootWriter.Attributes {
        guard !numbers.contain(status) else { throw RootFillError.foreign(path: parent.display(name)) }
        return RootWriter.Attributes(
            mode: UInt32(status.st_mode) & 0o7777, uid: status.st_uid, gid: status.st_gid, modified: status.st_mtim,
            xattrs: try xattrs(of: name, in: parent))
    }

    /// What squashfs keeps, and access control lists.
    private func xattrs(
        of name: [UInt8], in parent: DirectoryHandle
    ) throws -> [(name: [UInt8], value: [UInt8])] {
        let place = parent.procPath(name)
        let names = try DirectoryHandle.sized {
            llistxattr(place, $0, $1)
        } failing: {
            parent.failure("read", name, code: $0)
        }
        return try names.split(separator: 0).map { Array($0) }.filter(Self.keeps).map { key in
            let value = try DirectoryHandle.sized {
                lgetxattr(place, DirectoryHandle.terminated(key), $0, $1)
            } failing: {
                parent.failure("read", name, code: $0)
            }
            return (key, value)
        }
    }

    private static func keeps(_ name: [UInt8]) -> Bool {
        SquashfsWriter.keeps(xattr: name) || name.starts(with: "system.posix_acl_".utf8)
    }
}

/// Owners that a build without root cannot tell apart: the kernel shows all of them as one.
struct UnknownOwners {
    private let uid: UInt32?
    private let gid: UInt32?

    init() throws { (uid, gid) = try UserNamespace.isEntered() ? UserNumbers.overflow() : (nil, nil) }

    func contain(_ status: stat) -> Bool { status.st_uid == uid || status.st_gid == gid }
}
