import Glibc
import NetrootSystem

/// The firmware in a root.
public struct FirmwareFiles: Sendable {
    private let tree: RootTree

    /// That of a root; nothing is looked at yet.
    public init(of tree: RootTree) { self.tree = tree }

    /// Removes what is not wanted, and the directories that are empty then.
    /// - Parameter version: the kernel's.
    /// - Throws: `RootPathError`, `SystemError`, `CancellationError`.
    public func remove(allBut needs: FirmwareNeeds, version: String) throws -> RemovedFiles {
        var result = RemovedFiles()
        // One and the same where `/lib` is a symlink.
        let places = try ["lib/firmware", "usr/lib/firmware"].filter { try tree.contains($0) }.map {
            try tree.resolve($0)
        }
        for place in places.removingDuplicates() {
            try remove(allBut: needs, version, in: place, &result)
        }
        return result
    }

    /// - Parameter place: the directory on the host.
    private func remove(
        allBut needs: FirmwareNeeds, _ version: String, in place: String, _ result: inout RemovedFiles
    ) throws {
        let top = try DirectoryHandle(place)
        let inRoot = String(place.dropFirst(tree.directory.count).drop { $0 == "/" })
        let kept = try listing(of: top, inRoot).kept(needs, version: version)
        var directories: [[UInt8]] = []
        try top.walk { entry in
            guard entry.type == .regular || entry.type == .symlink else {
                if entry.type == .directory { directories.append(entry.path) }
                return
            }
            if kept.contains(String(decoding: entry.path, as: UTF8.self)) {
                result.kept += 1
            } else {
                result.removed += 1
                if entry.type == .regular { result.bytes += Int64(entry.status.st_size) }
                try entry.directory.remove(entry.name)
            }
        }
        try top.removeEmpty(directories)
    }

    private func listing(of top: DirectoryHandle, _ inRoot: String) throws -> FirmwareListing {
        var files: [String: [String]] = [:]
        try top.walk { entry in
            let path = String(decoding: entry.path, as: UTF8.self)
            switch entry.type {
            case .regular: files[path] = []
            case .symlink:
                let way = try tree.way(to: "\(inRoot)/\(path)")
                files[path] = way.filter { $0.hasPrefix(inRoot + "/") }.map { String($0.dropFirst(inRoot.count + 1)) }
            default: break
            }
        }
        return FirmwareListing(files: files)
    }
}
