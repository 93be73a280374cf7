/// Takes the members of a layer, says which would leave the root, and passes on the rest with plain names.
///
/// What it passes on has names without `..`, `.`, empty components or symlinks on the way, so a program that unpacks it has
/// nothing to resolve, and nothing to understand in another way. Rules: OCI image-spec, "Image Layer Filesystem Changeset".
struct LayerFilter: TarReceiver {
    /// What errors call the layer.
    let layer: String
    /// Whether device nodes are passed on.
    let keepsDevices: Bool
    /// The root that the earlier layers make, and this one as far as it was read.
    private(set) var tree: LayerTree
    /// How many device nodes were left out, whatever hard links they have.
    private(set) var droppedDevices = 0
    /// The largest number of an owner or a group.
    private(set) var largestOwner: UInt32 = 0
    private let sink: (ArraySlice<UInt8>) throws -> Void
    /// What is missing of the content that is passed on.
    private var contentLeft: UInt64 = 0
    private var padding = 0

    /// - Parameter sink: takes the bytes of the archive that is passed on.
    init(layer: String, tree: LayerTree, keepsDevices: Bool, sink: @escaping (ArraySlice<UInt8>) throws -> Void) {
        self.layer = layer
        self.keepsDevices = keepsDevices
        self.tree = tree
        self.sink = sink
        self.tree.beginLayer()
    }

    /// - Throws: `LayerError.refused`, and what the sink throws.
    mutating func begin(_ entry: TarEntry) throws {
        guard let kept = try verdict(entry) else { return }
        try sink(TarOutput.header(kept)[...])
        largestOwner = max(largestOwner, kept.uid, kept.gid)
        contentLeft = kept.size
        padding = TarEntry.padding(after: kept.size)
    }

    mutating func content(_ bytes: ArraySlice<UInt8>) throws {
        try sink(bytes)
        contentLeft -= UInt64(bytes.count)
        if contentLeft == 0, padding > 0 { try sink(TarOutput.end[..<padding]) }
    }

    /// The archive's end.
    func finish() throws { try sink(TarOutput.end[...]) }

    private mutating func verdict(_ entry: TarEntry) throws(LayerError) -> TarEntry? {
        do {
            return try checked(entry)
        } catch {
            throw LayerError.refused(layer: layer, entry: LayerError.shown(entry.path), problem: error.problem)
        }
    }

    /// - Returns: what is passed on; nil for nothing.
    private mutating func checked(_ entry: TarEntry) throws(TarFault) -> TarEntry? {
        let components = try LayerTree.components(entry.path)
        var kept = entry
        kept.xattrs.removeAll { !Self.isKept($0.name) }
        guard let last = components.last else {
            guard entry.kind == .directory else { throw TarFault("it would replace the root itself") }
            kept.path = Array("./".utf8)
            return kept
        }
        let place = try tree.place(components)
        kept.path = place.path
        guard !(components.dropLast() + place.parent).contains(where: Whiteout.hasPrefix) else {
            throw TarFault("a whiteout that is a directory")
        }
        if Whiteout.hasPrefix(last) {
            try hide(place, by: entry)
            return kept
        }
        switch entry.kind {
        case .regular, .fifo: tree.put(nil, at: place)
        case .directory: tree.put(.directory, at: place)
        case .symlink(let target):
            guard !target.isEmpty, target.count <= LayerTree.longestPath else {
                throw TarFault("a symlink with a target of \(target.count) bytes")
            }
            tree.put(.symlink(target), at: place)
        case .characterDevice, .blockDevice:
            tree.put(.device, at: place)
            if !keepsDevices {
                droppedDevices += 1
                return leftOut(place, entry)
            }
        case .hardLink(let target):
            let original = try source(target, of: place)
            let kind = tree.kind(at: original)
            guard kind != .directory else { throw TarFault("a hard link to a directory") }
            tree.put(kind, at: place)
            if kind == .device, !keepsDevices { return leftOut(place, entry) }
            kept.kind = .hardLink(to: original.path)
        }
        return kept
    }

    /// In the place of a device node: a whiteout, so that what earlier layers have under its name is gone all the same.
    private func leftOut(_ place: LayerTree.Place, _ entry: TarEntry) -> TarEntry? {
        guard tree.isBeyondFirstLayer else { return nil }
        return TarEntry(
            path: LayerTree.joined(place.parent + [Whiteout.prefix + place.name]), kind: .regular, mode: 0o644, uid: 0,
            gid: 0, mtime: entry.mtime, size: 0)
    }

    private func source(_ target: [UInt8], of place: LayerTree.Place) throws(TarFault) -> LayerTree.Place {
        let components: [[UInt8]]
        do {
            components = try LayerTree.components(target)
        } catch {
            throw TarFault("a hard link to '\(LayerError.shown(target))': \(error.problem)")
        }
        guard !components.isEmpty, !components.contains(where: Whiteout.hasPrefix) else {
            throw TarFault("a hard link to '\(LayerError.shown(target))'")
        }
        let original = try tree.place(components)
        guard !original.parent.contains(where: Whiteout.hasPrefix) else {
            throw TarFault("a hard link into a whiteout")
        }
        guard original.path != place.path else { throw TarFault("a hard link to itself") }
        return original
    }

    private mutating func hide(_ place: LayerTree.Place, by entry: TarEntry) throws(TarFault) {
        guard entry.kind == .regular, entry.size == 0 else { throw TarFault("a whiteout that is no empty file") }
        guard !place.throughSymlink else { throw TarFault("a whiteout through a symlink") }
        switch try Whiteout(place.name) {
        case .opaque: tree.hideChildren(of: place.parent)
        case .name(let name): tree.hide(LayerTree.Place(parent: place.parent, name: name, throughSymlink: false))
        }
    }

    /// Attributes that mean something to the machine that the root is for: file capabilities, ACLs, the users' own. Labels
    /// of SELinux and IMA are another system's, and `overlay` would tell a client's overlay to look elsewhere.
    private static func isKept(_ name: [UInt8]) -> Bool {
        if name.starts(with: "user.".utf8) {
            return !name.starts(with: "user.overlay.".utf8) && !name.elementsEqual("user.rootlesscontainers".utf8)
        }
        return ["security.capability", "system.posix_acl_access", "system.posix_acl_default"]
            .contains { name.elementsEqual($0.utf8) }
    }
}

/// A member that stands for what is not there any more.
private enum Whiteout {
    /// Everything of earlier layers in the directory.
    case opaque
    /// What earlier layers have under this name.
    case name([UInt8])

    static let prefix = Array(".wh.".utf8)

    static func hasPrefix(_ component: [UInt8]) -> Bool { component.starts(with: prefix) }

    init(_ component: [UInt8]) throws(TarFault) {
        if component.elementsEqual(".wh..wh..opq".utf8) {
            self = .opaque
            return
        }
        let name = Array(component.dropFirst(Self.prefix.count))
        // A program that takes the prefix off and goes on has the directory itself, or the one above it.
        guard !name.isEmpty, !name.elementsEqual(".".utf8), !name.elementsEqual("..".utf8) else {
            throw TarFault("a whiteout of '\(String(decoding: name, as: UTF8.self))'")
        }
        guard !Self.hasPrefix(name) else { throw TarFault("a whiteout of an unknown kind") }
        self = .name(name)
    }
}
