import Glibc
import NetrootImage
import NetrootSystem

/// Makes the members of layers in an empty directory.
///
/// The check has said which names these are; here nothing depends on that: each directory is opened below the root without
/// symlinks, and each file is made where none has its name.
struct LayerWriter: LayerTarget {
    private var writer: RootWriter
    /// The directory of the last member: the next is most often beside it.
    private var last: (path: [UInt8], handle: DirectoryHandle)
    /// The regular file whose content comes.
    private var current: (file: NewFile, attributes: RootWriter.Attributes)?

    /// - Throws: `RootFillError.notEmpty`, `SystemError`.
    init(_ directory: String) throws {
        writer = try RootWriter(directory)
        last = ([], writer.root)
    }

    /// Gives the directories what is theirs.
    /// - Returns: how many extended attributes were left out that only root may set.
    func finish() throws -> Int {
        var writer = writer
        try writer.finish()
        return writer.droppedXattrs
    }

    mutating func remove(_ path: [UInt8], isDirectory: Bool) throws {
        let (parent, name) = try place(path)
        guard isDirectory else {
            guard unlinkat(parent.descriptor, DirectoryHandle.terminated(name), 0) == 0 else {
                throw parent.failure("remove", name)
            }
            return
        }
        // It may be open for the members before this one, and another may come in its place.
        if last.path == path { last = ([], writer.root) }
        try writer.removeDirectory(name, in: parent, path: path)
    }

    mutating func makeDirectory(_ path: [UInt8], modified: UInt32) throws {
        let (parent, name) = try place(path)
        try writer.directory(
            name, in: parent, path: path,
            RootWriter.Attributes(mode: 0o755, uid: 0, gid: 0, modified: Self.time(modified), xattrs: []))
    }

    mutating func change(_ entry: TarEntry) throws { writer.directory(path: entry.path, Self.attributes(entry)) }

    mutating func make(_ entry: TarEntry) throws {
        let (parent, name) = try place(entry.path)
        let attributes = Self.attributes(entry)
        switch entry.kind {
        case .regular: current = (try NewFile(name, in: parent), attributes)
        case .hardLink(let original): try writer.link(original, to: name, in: parent)
        case .symlink(let target): try writer.symlink(name, in: parent, target: target, attributes)
        case .directory: try writer.directory(name, in: parent, path: entry.path, attributes)
        case .fifo: try writer.node(name, in: parent, .fifo, device: 0, attributes)
        case .characterDevice(let major, let minor):
            try writer.node(name, in: parent, .characterDevice, device: Self.device(major, minor), attributes)
        case .blockDevice(let major, let minor):
            try writer.node(name, in: parent, .blockDevice, device: Self.device(major, minor), attributes)
        }
    }

    mutating func content(_ bytes: ArraySlice<UInt8>) throws { try current?.file.write(bytes) }

    mutating func endContent() throws {
        guard let (file, attributes) = current else { return }
        current = nil
        try writer.finish(file, attributes)
    }

    /// The directory of a path, opened, and the last name.
    private mutating func place(_ path: [UInt8]) throws -> (parent: DirectoryHandle, name: [UInt8]) {
        let (directory, name) = DirectoryHandle.split(path)
        // No call below may be given a name that is another directory's.
        guard !name.isEmpty, name != [0x2E], name != [0x2E, 0x2E] else {
            throw writer.root.failure("make", path, code: EINVAL)
        }
        if directory != last.path { last = (directory, try writer.root.below(directory)) }
        return (last.handle, name)
    }

    private static func attributes(_ entry: TarEntry) -> RootWriter.Attributes {
        RootWriter.Attributes(
            mode: entry.mode, uid: entry.uid, gid: entry.gid, modified: time(entry.mtime),
            xattrs: entry.xattrs.map { ($0.name, $0.value) })
    }

    private static func time(_ seconds: UInt32) -> timespec { timespec(tv_sec: Int(seconds), tv_nsec: 0) }

    /// `new_encode_dev` (`linux/kdev_t.h`).
    private static func device(_ major: UInt32, _ minor: UInt32) -> UInt32 {
        minor & 0xFF | major << 8 | (minor & ~0xFF) << 12
    }
}
