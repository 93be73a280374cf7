import NetrootImage
import NetrootSystem

/// A file with a side-load, read once.
struct SideLoadFile: Sendable {
    let path: String
    /// Whether what follows at once would be taken for a part of it.
    let endsInOpenFrame: Bool
    /// In the file's order.
    let entries: [SideLoadEntry]
    /// Why not all of it could be read.
    let problem: String?

    /// Contents of files of up to this are looked at, in bytes.
    static let contentLimit: UInt64 = 1 << 20

    /// Reads a file to its end, or to the place where it is damaged.
    /// - Throws: `SystemError`, `FileKindError` where it cannot be opened, `CancellationError`.
    init(_ path: String) async throws {
        self.path = path
        var limits = NewcReader.Limits()
        limits.content = Self.contentLimit
        limits.passesOverLarger = true
        var entries: [SideLoadEntry] = []
        var problem: String?
        do {
            let archive = try await Initramfs.open(
                path, limits: limits,
                keeping: { name in
                    let place = SideLoad.rootPath(of: name) ?? name
                    return SideLoad.isRead(place) || SecretScan.isLookedAt(place)
                },
                visit: { entry, _ in entries.append(SideLoadEntry(entry)) })
            problem = try archive.kernelRefusal()
            endsInOpenFrame = archive.endsInOpenFrame
        } catch let error where error is NewcError || error is InitramfsError {
            problem = Self.words("\(error)", without: path)
            endsInOpenFrame = false
        }
        self.entries = entries
        self.problem = problem
    }

    /// The reason of an error that begins with the file's path.
    static func words(_ text: String, without path: String) -> String {
        text.hasPrefix(path + ": ") ? String(text.dropFirst(path.count + 2)) : text
    }
}
