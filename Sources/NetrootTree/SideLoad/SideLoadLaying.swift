import NetrootSystem

/// Lays side-loads over a root as the kernel, our `/init` and dracut's hook do, and keeps what happens and what fails.
///
/// The kernel (`init/initramfs.c`) unpacks every archive behind the others: a later file takes an earlier one's place, a
/// directory sets mode and owner again and removes a symlink of its name, and what has no directory above it is dropped.
/// Names below `netroot/overlay` are laid later, by the rules of `rootovl_copy` (dracut-modules/95netroot-rootovl).
struct SideLoadLaying: Sendable {
    /// What the kernel unpacks to.
    var rootfs: RootModel
    /// What is below `netroot/overlay` after all archives are unpacked, with the side-load that each came from.
    private var overlay = RootModel()
    private var origins: [[UInt8]: String] = [:]
    private var deletions: (file: String, text: [UInt8])?
    private(set) var accounts: (file: String, text: [UInt8])?
    private(set) var password: String?
    var report: SideLoadReport
    private let kind: SideLoadImage.Kind
    private(set) var unreached = 0

    /// - Parameter rootfs: what the kernel has unpacked of the image; of the layout `squashfs` the root, whose directories the
    ///   archive has.
    init(_ rootfs: RootModel, of kind: SideLoadImage.Kind, report: SideLoadReport) {
        self.rootfs = rootfs
        self.kind = kind
        self.report = report
    }

    // MARK: - As the kernel unpacks

    /// An entry of the next archive.
    mutating func unpack(_ entry: SideLoadEntry, of file: String) {
        if let reason = Self.flaw(of: entry) { return report.refuse(file, entry.path, reason) }
        if let path = SideLoad.rootPath(of: entry.path) { return unpack(entry, toOverlay: path, of: file) }
        switch String(decoding: entry.path, as: UTF8.self) {
        case SideLoad.ownDirectory, SideLoad.overlay:
            if entry.node.type != .directory { report.refuse(file, entry.path, "it is not a directory") }
        case SideLoad.rootPassword:
            guard entry.node.type == .regular else { return report.refuse(file, entry.path, "it is not a file") }
            noteReplaced(SideLoad.rootPassword, of: password, by: file)
            password = file
        default:
            if RescueArchive.isNetroots(entry.path) {
                report.refuse(file, entry.path, "it would take the place of the image's own; leave it out")
            } else {
                unpack(entry, toRootfs: entry.path, of: file)
            }
        }
    }

    /// What is wrong with an entry whatever the image is.
    private static func flaw(of entry: SideLoadEntry) -> String? {
        if entry.isAbsolute { return "the name is absolute; write it without the slash at its beginning" }
        if entry.hasDots { return "the name has '..', '.' or an empty part; name the file by its path from the root" }
        if entry.isDevice { return "a device; the kernel and udev make those (devtmpfs), leave it out" }
        return entry.node.type == .socket ? "a socket; leave it out" : nil
    }

    private mutating func unpack(_ entry: SideLoadEntry, toRootfs path: [UInt8], of file: String) {
        let (above, name) = DirectoryHandle.split(path)
        guard !name.isEmpty else { return }
        let parent = rootfs.resolved(above)
        var place = RootModel.joined(parent ?? above, name)
        guard !RescueArchive.isNetroots(place) else {
            return report.refuse(
                file, path, "a symlink on its way leads to /\(TerminalText.line(place)), which is the image's own")
        }
        guard let parent, rootfs[parent]?.type == .directory else {
            return report.refuse(
                file, path,
                "the image has no directory /\(TerminalText.line(above)), and neither has the archive before "
                    + "it; the kernel makes none, and drops the file")
        }
        // `/init` lays directories as those below netroot/overlay; the kernel has changed the archive's own alone.
        if kind == .squashfs, entry.node.type == .directory {
            place = rootfs.resolved(place) ?? place
            if let there = rootfs[place], there.type == .directory {
                return report.record(.kept, place, there, of: file)
            }
        }
        let there = rootfs[place]
        if let there, let reason = Self.harm(entry.node, there) { return report.refuse(file, path, reason) }
        rootfs[place] = entry.node
        guard kind.rootIsRootfs else {
            unreached += 1
            return
        }
        if let reason = Self.lost(place) { return report.refuse(file, path, reason) }
        let isKept = there?.type == .directory
        report.record(isKept ? .kept : there == nil ? .added : .replaced, place, entry.node, of: file)
        if path.elementsEqual(SideLoad.accounts.utf8), let text = entry.content { accounts = (file, text) }
    }

    /// Why a plain name does not become a file of the root.
    private static func lost(_ place: [UInt8]) -> String? {
        if let mount = SideLoad.mountPoint(above: place) { return hidden(mount) }
        guard place.elementsEqual(SideLoad.deletions.utf8) else { return nil }
        return
            "a list of what is deleted belongs below \(SideLoad.overlay)/; here it deletes in one layout and not in the other"
    }

    private static func hidden(_ mount: String) -> String {
        let instead = mount == "run" ? "; what /run/systemd has can lie below /etc/systemd" : ""
        return "a filesystem of the running system is mounted over /\(mount), and hides it\(instead)"
    }

    /// What a plain name does to the file of that name.
    private static func harm(_ node: RootModel.Node, _ there: RootModel.Node) -> String? {
        guard node.type == .directory else {
            return there.type == .directory
                ? "a \(node.type.word) here and a directory in the image; the kernel drops it" : nil
        }
        switch there.type {
        case .directory:
            let isSame = node.mode == there.mode && node.uid == there.uid && node.gid == there.gid
            return isSame
                ? nil
                : "the directory would get \(octal(node.mode)) \(node.uid):\(node.gid), and has \(octal(there.mode)) "
                    + "\(there.uid):\(there.gid) in the image; give it these, or lay it below \(SideLoad.overlay)/"
        case .symlink:
            return
                "a directory here and a symlink to \(TerminalText.line(there.target)) in the image, which the kernel "
                + "would remove; name the target, or lay it below \(SideLoad.overlay)/"
        default: return "a directory here and a \(there.type.word) in the image"
        }
    }

    private mutating func unpack(_ entry: SideLoadEntry, toOverlay path: [UInt8], of file: String) {
        if path.elementsEqual(SideLoad.deletions.utf8), entry.node.type == .regular {
            noteReplaced("\(SideLoad.overlay)/\(SideLoad.deletions)", of: deletions?.file, by: file)
            deletions = (file, entry.content ?? [])
            return
        }
        if path.elementsEqual(SideLoad.accounts.utf8), let text = entry.content { accounts = (file, text) }
        let (above, name) = DirectoryHandle.split(path)
        let there = overlay[path]
        if overlay.resolved(above) != above {
            report.refuse(
                file, entry.path,
                "a symlink of the side-load lies on its way, which the kernel follows out of \(SideLoad.overlay)/; name the "
                    + "place that it leads to")
        } else if overlay.resolved(above).flatMap({ overlay[$0] })?.type != .directory {
            report.refuse(
                file, entry.path,
                "the archive has no directory \(SideLoad.overlay)/\(TerminalText.line(above)) before it; "
                    + "the kernel makes none, and drops the file")
        } else if let there, there.type == .directory, entry.node.type != .directory {
            report.refuse(file, entry.path, "a \(entry.node.type.word) here and a directory in a side-load before it")
        } else if let there, there.type == .symlink, entry.node.type == .directory {
            report.refuse(file, entry.path, "a directory here and a symlink in a side-load before it")
        } else if !name.isEmpty {
            overlay[path] = entry.node
            origins[path] = file
        }
    }

    /// Of two files with one name the kernel leaves the last.
    private mutating func noteReplaced(_ path: String, of earlier: String?, by file: String) {
        guard let earlier, earlier != file else { return }
        report.notes.append("\(file): \(path) takes the place of that of \(earlier), which does nothing any more")
    }

    // MARK: - As rootovl_lay

    /// Lays what is below `netroot/overlay` over a root.
    /// - Parameter isKnown: whether the root has what the image has, and not only what was laid.
    mutating func lay(over root: inout RootModel, isKnown: Bool) {
        delete(from: &root, isKnown: isKnown)
        // Where each directory of the overlay has gone.
        var places: [[UInt8]: [UInt8]] = [[]: []]
        for path in overlay.nodes.keys.sorted(by: { $0.lexicographicallyPrecedes($1) }) where !path.isEmpty {
            let (above, name) = DirectoryHandle.split(path)
            guard let node = overlay[path], let directory = places[above], let file = origins[path] else { continue }
            let place = RootModel.joined(directory, name)
            if let mount = SideLoad.mountPoint(above: place), kind != .cpio || mount != "run" {
                // In the layout cpio /init lays into the /run that systemd takes over.
                report.refuse(file, path, Self.hidden(mount))
            } else if node.type == .directory {
                places[path] = layDirectory(node, place, over: &root, isKnown: isKnown, of: file)
            } else if root[place]?.type == .directory {
                report.refuse(file, path, "a \(node.type.word) here and a directory in the root; nothing would boot")
            } else {
                report.record(isKnown ? root[place] == nil ? .added : .replaced : .laid, place, node, of: file)
                root.put(node, at: place)
            }
        }
        setPassword(in: root, isKnown: isKnown)
    }

    /// - Returns: where the directory is in the root; nil where it cannot be laid.
    private mutating func layDirectory(
        _ node: RootModel.Node, _ path: [UInt8], over root: inout RootModel, isKnown: Bool, of file: String
    ) -> [UInt8]? {
        guard let place = root.resolved(path) else {
            report.refuse(file, path, "too many symlinks in the root")
            return nil
        }
        if let there = root[place] {
            guard there.type == .directory else {
                report.refuse(file, path, "a directory here and a \(there.type.word) in the root; nothing would boot")
                return nil
            }
            report.record(.kept, place, there, of: file)
        } else {
            report.record(isKnown ? .added : .laid, place, node, of: file)
            root.put(node, at: place)
        }
        return place
    }

    private mutating func delete(from root: inout RootModel, isKnown: Bool) {
        guard let deletions else { return }
        for line in deletions.text.split(separator: UInt8(ascii: "\n")) where line.first != UInt8(ascii: "#") {
            let name = Array(SideLoad.deletions.utf8)
            let parts = line.split(separator: RootModel.slash)
            guard !parts.contains(where: { $0.elementsEqual("..".utf8) }) else {
                report.refuse(deletions.file, name, "'\(TerminalText.line(Array(line)))': '..' is not allowed")
                continue
            }
            guard let last = parts.last, !last.elementsEqual(".".utf8) else {
                report.refuse(deletions.file, name, "'\(TerminalText.line(Array(line)))' would delete the root")
                continue
            }
            guard let parent = root.resolved(Array(parts.dropLast().joined(separator: [RootModel.slash]))) else {
                report.refuse(deletions.file, name, "'\(TerminalText.line(Array(line)))': too many symlinks")
                continue
            }
            let path = RootModel.joined(parent, Array(last))
            guard let node = root[path] else {
                if isKnown { report.notes.append("/\(TerminalText.line(path)) is not there, and need not be deleted") }
                continue
            }
            _ = root.remove(path)
            report.record(.deleted, path, node, of: deletions.file)
        }
    }

    private mutating func setPassword(in root: RootModel, isKnown: Bool) {
        guard let password else { return }
        guard let path = root.resolved(Array("etc/shadow".utf8)), let shadow = root[path], shadow.type == .regular
        else {
            if isKnown { report.refuse(password, nil, "it has a password for root, and the root has no /etc/shadow") }
            return
        }
        report.record(.replaced, path, shadow, of: password)
    }
}
