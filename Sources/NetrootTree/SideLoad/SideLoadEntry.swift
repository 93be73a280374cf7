import NetrootImage
import NetrootSystem

/// An entry of a side-load, as the archive has it, with what of its content matters.
struct SideLoadEntry: Sendable {
    /// Without a leading `/` or `./`.
    let path: [UInt8]
    let isAbsolute: Bool
    let node: RootModel.Node
    /// What its content is, where that is something that not everybody may have.
    let secret: SecretFinding.Kind?
    /// Of the few files that are read: lists of what is deleted, accounts.
    let content: [UInt8]?

    init(_ entry: NewcReader.Entry) {
        path = entry.path
        isAbsolute = entry.isAbsolute
        node = RootModel.Node(
            type: entry.type, mode: entry.mode, uid: entry.uid, gid: entry.gid,
            target: entry.type == .symlink ? (entry.content ?? []).filter { $0 != 0 } : [])
        let place = SideLoad.rootPath(of: entry.path) ?? entry.path
        if entry.type == .regular, let content = entry.content {
            secret = SecretScan.kind(of: place, size: Int64(clamping: entry.size)) { content }
        } else {
            secret = nil
        }
        content = SideLoad.isRead(place) ? entry.content : nil
    }

    /// One that is to be written.
    init(_ entry: NewcEntry, secret: SecretFinding.Kind?) {
        path = entry.path
        isAbsolute = false
        node = RootModel.Node(type: entry.content.fileType, mode: entry.mode, uid: entry.uid, gid: entry.gid)
        self.secret = secret
        content = nil
    }

    var isDevice: Bool { node.type == .characterDevice || node.type == .blockDevice }

    /// Whether the name leads out of where it is, or says in other words what it names.
    var hasDots: Bool {
        path.split(separator: RootModel.slash, omittingEmptySubsequences: false)
            .contains { $0.elementsEqual("..".utf8) || $0.elementsEqual(".".utf8) || $0.isEmpty }
    }
}

/// A side-load: an archive that is appended to an initramfs, and whose files reach the root.
public enum SideLoad {
    /// What lies below this directory of the archive is laid over the root, by dracut's hook and by our `/init`.
    public static let overlay = "netroot/overlay"
    /// A file of the archive with root's new password, hashed (crypt(5)), which the same place sets in the root's
    /// `/etc/shadow`.
    public static let rootPassword = "netroot/root-password"
    /// The directory of the archive that belongs to netroot.
    static let ownDirectory = "netroot"

    /// The directory of the root that another filesystem hides as soon as it runs, and that holds a path; nil for none.
    ///
    /// /init and dracut mount them before anything is laid, and take them along into the root.
    static func mountPoint(above path: [UInt8]) -> String? {
        guard let end = path.firstIndex(of: RootModel.slash) else { return nil }
        let name = String(decoding: path[..<end], as: UTF8.self)
        return ["dev", "proc", "sys", "run"].contains(name) ? name : nil
    }

    private static let overlayStart = Array("\(overlay)/".utf8)

    /// The path in the root of an entry that is laid over it; nil for any other.
    static func rootPath(of path: [UInt8]) -> [UInt8]? {
        path.starts(with: overlayStart) ? Array(path.dropFirst(overlayStart.count)) : nil
    }

    /// Whether an entry is for the root where the kernel's own files are not.
    static func isLaid(_ path: [UInt8]) -> Bool {
        rootPath(of: path) != nil || path.elementsEqual(rootPassword.utf8)
    }

    /// Whether what a file holds changes what the check says.
    static func isRead(_ path: [UInt8]) -> Bool {
        [deletions, accounts].contains { path.elementsEqual($0.utf8) }
    }

    /// At the top of the overlay: what is deleted before anything is laid (`rootovl_lay` of dracut-modules/95netroot-rootovl).
    static let deletions = ".rootovldel"
    static let accounts = "etc/passwd"
}
