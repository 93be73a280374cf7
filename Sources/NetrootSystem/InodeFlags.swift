import CLinux
import Glibc

/// The flags of a file that keep everybody from changing it, root included: `i` and `a` of chattr(1).
public enum InodeFlags {
    /// `FS_IMMUTABLE_FL` and `FS_APPEND_FL` (linux/fs.h); statx(2) has the same bits.
    private static let mask: UInt32 = 0x10 | 0x20

    /// Takes the flags from all files and directories of a tree, the top included. What is mounted in it is left alone.
    /// - Returns: the paths of the files that had one, from the top; empty for the top itself.
    /// - Throws: `SystemError`, `CancellationError`.
    public static func clear(tree directory: String) throws -> [[UInt8]] {
        let top = try DirectoryHandle(directory)
        var found: [[UInt8]] = []
        func clear(_ name: [UInt8], in directory: DirectoryHandle, path: [UInt8]) throws {
            guard areSet(name, in: directory) else { return }
            guard Self.clear(name, in: directory) else {
                throw directory.failure("take the chattr(1) flags from", name)
            }
            found.append(path)
        }
        try clear([], in: top, path: [])
        try top.walk { entry in
            guard entry.type == .regular || entry.type == .directory else { return }
            try clear(entry.name, in: entry.directory, path: entry.path)
        }
        return found
    }

    /// Takes the flags from one file or directory; a symlink is not followed.
    /// - Throws: `SystemError`.
    public static func clear(_ path: String) throws {
        let parent = try DirectoryHandle(Files.parent(path))
        let name = Array(Files.name(path).utf8)
        guard clear(name, in: parent) else { throw parent.failure("take the chattr(1) flags from", name) }
    }

    /// Whether a file has one of the flags; the directory itself for the empty name. A symlink is not followed.
    static func areSet(_ name: [UInt8], in directory: DirectoryHandle) -> Bool {
        var attributes: UInt64 = 0
        let result = inode_attributes(directory.descriptor, DirectoryHandle.terminated(name), &attributes)
        return result == 0 && UInt32(truncatingIfNeeded: attributes) & mask != 0
    }

    /// Takes the flags from a file or directory; only those can have them, and to open a device may do something.
    /// - Returns: false, with `errno`, where the kernel refused.
    @discardableResult
    static func clear(_ name: [UInt8], in directory: DirectoryHandle) -> Bool {
        guard areSet(name, in: directory) else { return true }
        guard !name.isEmpty else { return clear(directory.descriptor) }
        var status = stat()
        guard fstatat(directory.descriptor, DirectoryHandle.terminated(name), &status, AT_SYMLINK_NOFOLLOW) == 0 else {
            return false
        }
        guard status.st_mode & S_IFMT == S_IFREG || status.st_mode & S_IFMT == S_IFDIR else { return true }
        let descriptor = openat(
            directory.descriptor, DirectoryHandle.terminated(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return clear(descriptor)
    }

    /// Takes the flags from an open file or directory.
    /// - Returns: false, with `errno`, where the kernel refused.
    static func clear(_ descriptor: Int32) -> Bool {
        var flags: UInt32 = 0
        guard inode_flags_get(descriptor, &flags) == 0 else {
            // A filesystem without flags.
            return errno == ENOTTY || errno == ENOTSUP
        }
        guard flags & mask != 0 else { return true }
        return inode_flags_set(descriptor, flags & ~mask) == 0
    }
}
