import CLinux
import Glibc
import NetrootImage
import NetrootSystem

/// An empty directory that files are written into, with all that the kernel keeps of them.
///
/// Every file is made anew in a directory that is open: a name that is there already is an error, never followed or
/// written through. Directories get their owners, permissions and times at the end, by `finish`.
struct RootWriter {
    /// What the kernel keeps of a file besides its content.
    struct Attributes {
        /// The lower twelve bits of `st_mode`.
        var mode: UInt32
        var uid: UInt32
        var gid: UInt32
        var modified: timespec
        var xattrs: [(name: [UInt8], value: [UInt8])]
    }

    let root: DirectoryHandle
    /// Extended attributes that only root may set, and that a build without root left out.
    private(set) var droppedXattrs = 0
    /// What directories get at the end, by their paths.
    private var directories: [[UInt8]: Attributes] = [:]
    private let isNamespace: Bool

    /// - Throws: `RootFillError.notEmpty`, `SystemError`.
    init(_ directory: String) throws {
        root = try DirectoryHandle(directory)
        guard try root.names().isEmpty else { throw RootFillError.notEmpty(path: directory) }
        isNamespace = try UserNamespace.isEntered()
    }

    /// Makes a directory; its attributes are set by `finish`.
    /// - Parameter path: from the root.
    mutating func directory(_ name: [UInt8], in parent: DirectoryHandle, path: [UInt8], _ attributes: Attributes) throws
    {
        guard mkdirat(parent.descriptor, terminated(name), 0o700) == 0 else { throw parent.failure("make", name) }
        directories[path] = attributes
    }

    /// Notes the attributes that a directory which is there gets; the empty path is the root's.
    mutating func directory(path: [UInt8], _ attributes: Attributes) { directories[path] = attributes }

    /// Removes a directory that is empty.
    mutating func removeDirectory(_ name: [UInt8], in parent: DirectoryHandle, path: [UInt8]) throws {
        guard unlinkat(parent.descriptor, terminated(name), AT_REMOVEDIR) == 0 else {
            throw parent.failure("remove", name)
        }
        directories[path] = nil
    }

    /// Makes a regular file; `write` fills its descriptor.
    mutating func file(
        _ name: [UInt8], in parent: DirectoryHandle, _ attributes: Attributes, _ write: (Int32) throws -> Void
    ) throws {
        let file = try NewFile(name, in: parent)
        try write(file.descriptor)
        try finish(file, attributes)
    }

    /// Gives a new file what is its own, when it has its content.
    mutating func finish(_ file: NewFile, _ attributes: Attributes) throws {
        // Before the permissions: chown(2) takes the setuid bit away, and capabilities with it.
        try own(fchown(file.descriptor, attributes.uid, attributes.gid), file.name, file.parent, attributes)
        guard fchmod(file.descriptor, attributes.mode) == 0 else { throw file.parent.failure("protect", file.name) }
        try set(attributes.xattrs, file.name, in: file.parent)
        var times = [attributes.modified, attributes.modified]
        guard futimens(file.descriptor, &times) == 0 else {
            throw file.parent.failure("set the times of", file.name)
        }
    }

    /// Gives a file that was made a further name.
    func link(_ first: [UInt8], to name: [UInt8], in parent: DirectoryHandle) throws {
        let (directory, old) = DirectoryHandle.split(first)
        let source = try root.below(directory)
        guard linkat(source.descriptor, terminated(old), parent.descriptor, terminated(name), 0) == 0 else {
            throw parent.failure("link", name)
        }
    }

    /// Makes a symlink.
    mutating func symlink(
        _ name: [UInt8], in parent: DirectoryHandle, target: [UInt8], _ attributes: Attributes
    ) throws {
        guard symlinkat(terminated(target), parent.descriptor, terminated(name)) == 0 else {
            throw parent.failure("make", name)
        }
        try finish(name, parent, attributes)
    }

    /// Makes a FIFO, or a device node.
    /// - Parameter device: its numbers, as Linux packs them into 32 bits; 0 for a FIFO.
    mutating func node(
        _ name: [UInt8], in parent: DirectoryHandle, _ type: FileType, device: UInt32, _ attributes: Attributes
    ) throws {
        let number = dev_t(device)
        guard mknodat(parent.descriptor, terminated(name), mode_t(type.rawValue) | 0o600, number) == 0 else {
            if errno == EPERM { throw RootFillError.device(path: parent.display(name)) }
            throw parent.failure("make", name)
        }
        // Made a moment ago in a directory that nobody else can enter: it is not a symlink.
        guard fchmodat(parent.descriptor, terminated(name), attributes.mode, 0) == 0 else {
            throw parent.failure("protect", name)
        }
        try finish(name, parent, attributes)
        // chown(2) again.
        guard fchmodat(parent.descriptor, terminated(name), attributes.mode, 0) == 0 else {
            throw parent.failure("protect", name)
        }
    }

    private mutating func finish(_ name: [UInt8], _ parent: DirectoryHandle, _ attributes: Attributes) throws {
        try own(
            fchownat(parent.descriptor, terminated(name), attributes.uid, attributes.gid, AT_SYMLINK_NOFOLLOW), name,
            parent, attributes)
        try set(attributes.xattrs, name, in: parent)
        var times = [attributes.modified, attributes.modified]
        guard utimensat(parent.descriptor, terminated(name), &times, AT_SYMLINK_NOFOLLOW) == 0 else {
            throw parent.failure("set the times of", name)
        }
    }

    /// Gives the directories what is theirs, those below first: a directory that nobody may write to can be filled no more.
    mutating func finish() throws {
        let paths = directories.keys.sorted { $1.lexicographicallyPrecedes($0) }
        for path in paths {
            guard let attributes = directories[path] else { continue }
            let directory = try root.below(path)
            try own(fchown(directory.descriptor, attributes.uid, attributes.gid), [], directory, attributes)
            guard fchmod(directory.descriptor, attributes.mode) == 0 else { throw directory.failure("protect", []) }
            try set(attributes.xattrs, [], in: directory)
            var times = [attributes.modified, attributes.modified]
            guard futimens(directory.descriptor, &times) == 0 else {
                throw directory.failure("set the times of", [])
            }
        }
        directories = [:]
    }

    private func own(
        _ result: Int32, _ name: [UInt8], _ parent: DirectoryHandle, _ attributes: Attributes
    ) throws {
        if result == 0 { return }
        // user_namespaces(7): a number without a mapping.
        if errno == EINVAL || (errno == EPERM && isNamespace) {
            throw RootFillError.owner(path: parent.display(name), uid: attributes.uid, gid: attributes.gid)
        }
        throw parent.failure("give away", name)
    }

    private mutating func set(
        _ xattrs: [(name: [UInt8], value: [UInt8])], _ name: [UInt8], in parent: DirectoryHandle
    ) throws {
        guard !xattrs.isEmpty else { return }
        let place = parent.procPath(name)
        for (key, value) in xattrs where lsetxattr(place, terminated(key), value, value.count, 0) != 0 {
            // xattr(7): `trusted.` and most of `security.` need rights that a user namespace does not give.
            if errno == EPERM, isNamespace, !key.starts(with: "user.".utf8) {
                droppedXattrs += 1
                continue
            }
            throw parent.failure("set the attribute \(String(decoding: key, as: UTF8.self)) of", name)
        }
    }

    private func terminated(_ bytes: some Sequence<UInt8>) -> [CChar] { DirectoryHandle.terminated(bytes) }
}

/// A regular file that is being written, under a name that was free; only its owner can read it yet.
final class NewFile: Sendable {
    let descriptor: Int32
    let name: [UInt8]
    let parent: DirectoryHandle

    /// - Throws: `SystemError`.
    init(_ name: [UInt8], in parent: DirectoryHandle) throws {
        descriptor = openat(
            parent.descriptor, DirectoryHandle.terminated(name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
            0o600)
        guard descriptor >= 0 else { throw parent.failure("make", name) }
        self.name = name
        self.parent = parent
    }

    deinit { close(descriptor) }

    /// Appends.
    /// - Throws: `SystemError`.
    func write(_ bytes: ArraySlice<UInt8>) throws {
        var rest = bytes
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw parent.failure("write", name, code: count < 0 ? errno : ENOSPC) }
            rest = rest.dropFirst(count)
        }
    }
}

/// The numbers of users and groups, as this process sees them.
enum UserNumbers {
    /// Who owns what has no number in the namespace.
    static func overflow() throws -> (uid: UInt32?, gid: UInt32?) {
        let numbers = try ["uid", "gid"].map {
            UInt32(try Files.text("/proc/sys/kernel/overflow\($0)").filter { !$0.isWhitespace })
        }
        return (numbers[0], numbers[1])
    }
}
