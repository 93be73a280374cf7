import NetrootImage
import NetrootSystem

/// An initramfs, read for the marks of a rescue archive: the settings in its first archive, the squashfs image with the length
/// and checksum that they name, and its last entry.
struct RescueArchive: Sendable {
    /// Lines NAME=VALUE, which our `/init` reads too.
    static let settingsPath = "netroot/settings"
    static let squashfsPath = "netroot/root.squashfs"
    /// The last entry of the archive: what follows was appended to it. It holds the setting `archive`.
    static let endPath = "netroot/whole"

    /// In the file's order; of what comes before the end of a rescue archive.
    private(set) var own: [SideLoadEntry] = []
    /// What comes behind it.
    private(set) var appended: [SideLoadEntry] = []
    /// Where the image is in the file, in bytes.
    private(set) var squashfs: Range<UInt64>?
    /// Why it is not whole.
    private(set) var problems: [String] = []
    private(set) var isDracut = false
    /// Whether what follows at once would be taken for a part of it.
    private(set) var endsInOpenFrame = false
    private var settings: [String: String] = [:]
    private var end: String?

    /// Whether netroot made it, whole or not.
    var isRescue: Bool { !settings.isEmpty || squashfs != nil || end != nil }
    /// As INITRAMFS_LAYOUT has it; nil where the archive is not so long.
    var layout: String? { settings["layout"] ?? (squashfs != nil ? "squashfs" : nil) }

    /// Whether an entry is our `/init`'s own, and no file of the root.
    static func isNetroots(_ path: [UInt8]) -> Bool {
        path.elementsEqual("init".utf8) || path.elementsEqual(SideLoad.ownDirectory.utf8)
            || path.starts(with: Array("\(SideLoad.ownDirectory)/".utf8))
    }

    /// Reads a file to its end, or to the place where it is damaged.
    /// - Throws: `SystemError`, `DigestError`, `CancellationError`.
    init(_ path: String) async throws {
        var limits = NewcReader.Limits()
        limits.content = SideLoadFile.contentLimit
        limits.passesOverLarger = true
        let wanted = [Self.settingsPath, Self.endPath].map { Array($0.utf8) }
        var reading = RescueArchive()
        do {
            let initramfs = try await Initramfs.open(
                path, limits: limits,
                keeping: { wanted.contains($0) || SideLoad.isRead(SideLoad.rootPath(of: $0) ?? $0) },
                visit: { reading.add($0, segment: $1) })
            reading.endsInOpenFrame = initramfs.endsInOpenFrame
            reading.isDracut = !initramfs.contents.dracutModules.isEmpty
        } catch let error where error is NewcError || error is InitramfsError {
            let words = SideLoadFile.words("\(error)", without: path)
            reading.problems.append("the archive is damaged or cut: \(words)")
        }
        self = reading
        if isRescue, problems.isEmpty { problems = try damage(path) }
    }

    private init() {}

    private mutating func add(_ entry: NewcReader.Entry, segment: UInt64) {
        guard end == nil else {
            appended.append(SideLoadEntry(entry))
            return
        }
        let text = entry.content.map { String(decoding: $0, as: UTF8.self) }
        switch String(decoding: entry.path, as: UTF8.self) {
        case Self.settingsPath:
            for line in text?.split(separator: "\n") ?? [] {
                let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                if parts.count == 2 { settings[String(parts[0])] = String(parts[1]) }
            }
        // It is in an archive that is not compressed: it could not be read where it is otherwise.
        case Self.squashfsPath: squashfs = segment + entry.start..<segment + entry.start + entry.size
        case Self.endPath: end = text.map { String($0.prefix { $0 != "\n" }) }
        default: break
        }
        own.append(SideLoadEntry(entry))
    }

    /// Fails as our `/init` does.
    private func damage(_ path: String) throws -> [String] {
        var reasons: [String] = []
        if let bytes = settings["image_bytes"] {
            if let squashfs {
                if bytes != "\(squashfs.count)" { reasons.append("the root has \(squashfs.count) of \(bytes) bytes") }
            } else {
                reasons.append("the root is missing")
            }
        }
        if end == nil {
            reasons.append("its end is missing")
        } else if let archive = settings["archive"], archive != end {
            reasons.append("its end belongs to another archive")
        }
        if reasons.isEmpty, let squashfs {
            let sums = [
                ("image_sha256", { try DigestAlgorithm.sha256.hexadecimal(ofFile: path, part: squashfs) }),
                ("image_md5", { try MD5.hexadecimal(ofFile: path, part: squashfs) }),
            ]
            for (name, sum) in sums {
                guard let wanted = settings[name], try sum() != wanted else { continue }
                reasons.append("the root's checksum is not the one that the build wrote")
            }
        }
        return reasons.map { "the archive is damaged or cut: \($0)" }
    }
}
