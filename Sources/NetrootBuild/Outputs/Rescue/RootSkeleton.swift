import Glibc
import NetrootImage
import NetrootSystem

/// The directories of a root without their files, and the symlinks that lead to directories.
///
/// The kernel makes no parents that are missing, so without them a file of a side-load would vanish. `/init` tells them from
/// what a side-load names by their owner.
struct RootSkeleton {
    /// `netr`, as a number: whom no file of a side-load belongs to.
    static let owner: UInt32 = 0x6E65_7472

    /// What `/init` and its files have for themselves.
    static let reserved: Set<[UInt8]> = [Array("init".utf8), Array("netroot".utf8)]

    /// The entries, in the order of the walk.
    let entries: [NewcEntry]

    /// Reads every directory of a root.
    /// - Throws: `SystemError`, `CancellationError`.
    init(of root: String) throws {
        let directory = try DirectoryHandle(root)
        var entries: [NewcEntry] = []
        try directory.walk { file in
            guard !Self.reserved.contains(Array(file.path.prefix { $0 != UInt8(ascii: "/") })) else { return }
            switch file.type {
            case .directory: entries.append(Self.entry(file.path, .directory))
            case .symlink where try Self.isDirectory(file.path, in: directory):
                entries.append(Self.entry(file.path, .symlink(try file.directory.target(of: file.name))))
            default: break
            }
        }
        self.entries = entries
    }

    private static func entry(_ path: [UInt8], _ content: NewcEntry.Content) -> NewcEntry {
        NewcEntry(path: path, content: content, uid: owner, gid: owner)
    }

    private static func isDirectory(_ path: [UInt8], in root: DirectoryHandle) throws -> Bool {
        do {
            close(try root.open(path, DirectoryHandle.placeOnly | O_DIRECTORY, .inside))
            return true
        } catch let error as SystemError where [ENOENT, ENOTDIR, ELOOP].contains(error.code) {
            return false
        }
    }
}
