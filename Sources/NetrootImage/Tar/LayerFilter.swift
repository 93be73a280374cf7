/// What makes the files of a root from the members of its layers, in their order.
///
/// Paths are plain: from the root, without a slash at either end, `.`, `..`, empty names or symlinks on the way.
public protocol LayerTarget: Sendable {
    /// Removes a file, or a directory that is empty by now.
    mutating func remove(_ path: [UInt8], isDirectory: Bool) throws
    /// Makes a directory that no member has described.
    /// - Parameter modified: its time in seconds since 1970.
    mutating func makeDirectory(_ path: [UInt8], modified: UInt32) throws
    /// Makes what a member describes, where nothing has the name; of a regular file the content follows.
    mutating func make(_ entry: TarEntry) throws
    /// Gives a directory that is there, the root for an empty path, the attributes of a member.
    mutating func change(_ entry: TarEntry) throws
    /// The next bytes of the regular file that was made.
    mutating func content(_ bytes: ArraySlice<UInt8>) throws
    /// The regular file that was made is whole.
    mutating func endContent() throws
}

/// Takes the members of layers, says which would leave the root, and passes on what the rest does to it.
///
/// Rules: OCI image-spec, "Image Layer Filesystem Changeset".
struct LayerFilter<Target: LayerTarget>: TarReceiver, Sendable {
    /// What errors call the layer.
    private(set) var layer = ""
    /// Whether device nodes are passed on.
    let keepsDevices: Bool
    /// How many device nodes were left out, whatever hard links they have.
    private(set) var droppedDevices = 0
    var target: Target
    private var tree = LayerTree()
    /// What is missing of the content that is passed on.
    private var contentLeft: UInt64 = 0

    init(_ target: Target, keepsDevices: Bool) {
        self.target = target
        self.keepsDevices = keepsDevices
    }

    /// From now on members are those of the next layer.
    mutating func beginLayer(_ name: String) {
        layer = name
        contentLeft = 0
        tree.beginLayer()
    }

    /// - Throws: `LayerError.refused`, and what the target throws.
    mutating func begin(_ entry: TarEntry) throws {
        let verdict: Verdict
        do {
            verdict = try checked(entry)
        } catch {
            throw LayerError.refused(layer: layer, entry: LayerError.shown(entry.path), problem: error.problem)
        }
        // A device that was left out is in the tree, so that nothing takes it for something else, and nowhere else.
        for removal in verdict.change.removed where keepsDevices || removal.kind != .device {
            try target.remove(removal.path, isDirectory: removal.kind == .directory)
        }
        for path in verdict.change.made { try target.makeDirectory(path, modified: entry.mtime) }
        guard let made = verdict.entry else { return }
        guard !verdict.change.isKept else { return try target.change(made) }
        try target.make(made)
        guard made.kind == .regular else { return }
        contentLeft = made.size
        if contentLeft == 0 { try target.endContent() }
    }

    mutating func content(_ bytes: ArraySlice<UInt8>) throws {
        try target.content(bytes)
        contentLeft -= UInt64(bytes.count)
        if contentLeft == 0 { try target.endContent() }
    }

    /// What a member does.
    private struct Verdict {
        /// Under its plain name; nil where it makes nothing.
        var entry: TarEntry?
        var change = LayerTree.Change()
    }

    private mutating func checked(_ entry: TarEntry) throws(TarFault) -> Verdict {
        let components = try LayerTree.components(entry.path)
        var kept = entry
        kept.xattrs.removeAll { !Self.isKept($0.name) }
        guard let last = components.last else {
            guard entry.kind == .directory else { throw TarFault("it would replace the root itself") }
            kept.path = []
            return Verdict(entry: kept, change: LayerTree.Change(isKept: true))
        }
        let place = try tree.place(components)
        kept.path = place.path
        guard !(components.dropLast() + place.parent).contains(where: Whiteout.hasPrefix) else {
            throw TarFault("a whiteout that is a directory")
        }
        if Whiteout.hasPrefix(last) { return Verdict(change: try hide(place, by: entry)) }
        let kind: LayerTree.Kind
        switch entry.kind {
        case .regular, .fifo: kind = .file
        case .directory: kind = .directory
        case .symlink(let target):
            guard !target.isEmpty, target.count <= LayerTree.longestPath else {
                throw TarFault("a symlink with a target of \(target.count) bytes")
            }
            kind = .symlink(target)
        case .characterDevice, .blockDevice:
            kind = .device
            if !keepsDevices { droppedDevices += 1 }
        case .hardLink(let target):
            let original: LayerTree.Place
            (original, kind) = try source(target, of: place)
            kept.kind = .hardLink(to: original.path)
        }
        let change = try tree.put(kind, at: place)
        return Verdict(entry: kind == .device && !keepsDevices ? nil : kept, change: change)
    }

    private func source(
        _ target: [UInt8], of place: LayerTree.Place
    ) throws(TarFault) -> (place: LayerTree.Place, kind: LayerTree.Kind) {
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
        guard let kind = tree.kind(at: original) else {
            throw TarFault("a hard link to '\(LayerError.shown(target))', which is not there")
        }
        guard kind != .directory else { throw TarFault("a hard link to a directory") }
        guard !original.path.starts(with: place.path + [UInt8(ascii: "/")]) else {
            throw TarFault("a hard link to a file of the directory that it would replace")
        }
        return (original, kind)
    }

    private mutating func hide(_ place: LayerTree.Place, by entry: TarEntry) throws(TarFault) -> LayerTree.Change {
        guard entry.kind == .regular, entry.size == 0 else { throw TarFault("a whiteout that is not an empty file") }
        guard !place.throughSymlink else { throw TarFault("a whiteout through a symlink") }
        guard !tree.isBlocked(place.parent) else { throw TarFault("a name below what is not a directory") }
        switch try Whiteout(place.name) {
        case .opaque: return LayerTree.Change(removed: tree.hideChildren(of: place.parent))
        case .name(let name):
            let hidden = LayerTree.Place(parent: place.parent, name: name, throughSymlink: false)
            return LayerTree.Change(removed: tree.hide(hidden))
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
