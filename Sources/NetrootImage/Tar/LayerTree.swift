/// The files of a root by their names, as the layers so far make it: what is needed to say where a name leads, and what a
/// whiteout or another file in its place removes.
///
/// Every step costs the length of the name, and what it removes, whatever the layers hold.
struct LayerTree: Sendable {
    /// What is kept of a file.
    enum Kind: Sendable, Equatable {
        case directory
        case symlink([UInt8])
        case device
        /// A regular file or a FIFO.
        case file
    }

    /// A file that is gone.
    struct Removal: Sendable, Equatable {
        /// From the root, without a slash at either end.
        let path: [UInt8]
        let kind: Kind
    }

    /// What putting a file in its place did.
    struct Change: Sendable, Equatable {
        /// What was there, those below a directory before it.
        var removed: [Removal] = []
        /// Directories on the way that no layer has a member for, the highest first.
        var made: [[UInt8]] = []
        /// It is a directory, as it was before.
        var isKept = false
    }

    /// A name with the symlinks before its last component resolved.
    struct Place {
        /// The directories that lead to it, none of them a symlink.
        var parent: [[UInt8]]
        let name: [UInt8]
        /// Whether a symlink was on the way.
        let throughSymlink: Bool

        var path: [UInt8] { LayerTree.joined(parent + [name]) }
    }

    private struct Node {
        var kind: Kind
        /// The number of the layer that brought it.
        var layer: Int
        /// The last layer that removed what earlier ones brought below it.
        var pruned = -1
        var children: [[UInt8]: Int] = [:]
    }

    private var nodes = [Node(kind: .directory, layer: 0)]
    private var layer = 0

    /// The longest path of the kernel, without its NUL (PATH_MAX).
    static let longestPath = 4095
    /// As many symlinks as the kernel follows (MAXSYMLINKS).
    static let mostLinks = 40

    /// From now on names are those of the next layer.
    mutating func beginLayer() { layer += 1 }

    /// The components of a name; a leading `/` is that of the root.
    /// - Throws: `TarFault` for `..`, and for what no filesystem takes.
    static func components(_ path: [UInt8]) throws(TarFault) -> [[UInt8]] {
        var components: [[UInt8]] = []
        guard path.count <= longestPath else { throw TarFault("a name of more than \(longestPath) bytes") }
        for part in path.split(separator: UInt8(ascii: "/")) where !part.elementsEqual(".".utf8) {
            guard !part.elementsEqual("..".utf8) else { throw TarFault("a name with '..'") }
            guard part.count <= 255 else { throw TarFault("a name of more than 255 bytes between two slashes") }
            components.append(Array(part))
        }
        return components
    }

    /// Follows the symlinks before the last component, as a program in the root would.
    /// - Parameter components: at least one.
    /// - Throws: `TarFault` where they lead out of the root, or in circles.
    func place(_ components: [[UInt8]]) throws(TarFault) -> Place {
        var pending = Array(components.dropLast().reversed())
        var done: [(name: [UInt8], node: Int?)] = []
        var links = 0
        var steps = 0
        while let name = pending.popLast() {
            steps += 1
            guard steps <= Self.longestPath else { throw TarFault("a way of too many symlinks") }
            if name.elementsEqual("..".utf8) {
                guard done.popLast() != nil else { throw TarFault("a symlink on the way leads out of the root") }
                continue
            }
            let above = done.isEmpty ? 0 : done[done.count - 1].node
            let node = above.flatMap { nodes[$0].children[name] }
            guard let node, case .symlink(let target) = nodes[node].kind else {
                done.append((name, node))
                continue
            }
            links += 1
            guard links <= Self.mostLinks else { throw TarFault("more than \(Self.mostLinks) symlinks on the way") }
            // An absolute target is one in the root: that is where a booted machine looks.
            if target.first == UInt8(ascii: "/") { done = [] }
            for part in target.split(separator: UInt8(ascii: "/")).reversed() where !part.elementsEqual(".".utf8) {
                pending.append(Array(part))
            }
        }
        let place = Place(
            parent: done.map(\.name), name: components[components.count - 1], throughSymlink: links > 0)
        guard place.path.count <= Self.longestPath else {
            throw TarFault("a name of more than \(Self.longestPath) bytes")
        }
        return place
    }

    /// What has the name; nil for nothing.
    func kind(at place: Place) -> Kind? { child(place).map { nodes[$0].kind } }

    /// Puts a file in its place.
    /// - Throws: `TarFault` where one of the names before the last is not a directory.
    mutating func put(_ kind: Kind, at place: Place) throws(TarFault) -> Change {
        var change = Change()
        var parent = 0
        for (depth, name) in place.parent.enumerated() {
            if let node = nodes[parent].children[name] {
                guard nodes[node].kind == .directory else { throw TarFault("a name below what is not a directory") }
                parent = node
            } else {
                parent = add(.directory, name, to: parent)
                change.made.append(Self.joined(Array(place.parent[...depth])))
            }
        }
        guard let existing = nodes[parent].children[place.name] else {
            _ = add(kind, place.name, to: parent)
            return change
        }
        if kind == .directory, nodes[existing].kind == .directory {
            nodes[existing].layer = layer
            change.isKept = true
            return change
        }
        change.removed = below(existing, place.path) { _ in true }.reversed().map(\.removal)
        change.removed.append(Removal(path: place.path, kind: nodes[existing].kind))
        _ = add(kind, place.name, to: parent)
        return change
    }

    /// Whether one of the names is there, and no directory.
    func isBlocked(_ directory: [[UInt8]]) -> Bool {
        var node = 0
        for name in directory {
            guard let next = nodes[node].children[name] else { return false }
            guard nodes[next].kind == .directory else { return true }
            node = next
        }
        return false
    }

    /// A whiteout: what earlier layers brought under this name is gone.
    /// - Returns: that, those below a directory before it.
    mutating func hide(_ place: Place) -> [Removal] {
        guard let parent = find(place.parent), let node = nodes[parent].children[place.name] else { return [] }
        var removed = prune(node, place.path)
        if nodes[node].layer < layer, nodes[node].children.isEmpty {
            nodes[parent].children[place.name] = nil
            removed.append(Removal(path: place.path, kind: nodes[node].kind))
        }
        return removed
    }

    /// An opaque whiteout: what earlier layers brought into this directory is gone.
    mutating func hideChildren(of directory: [[UInt8]]) -> [Removal] {
        find(directory).map { prune($0, Self.joined(directory)) } ?? []
    }

    static func joined(_ components: [[UInt8]]) -> [UInt8] { Array(components.joined(separator: [UInt8(ascii: "/")])) }

    private func find(_ components: [[UInt8]]) -> Int? {
        var node = 0
        for name in components {
            guard let next = nodes[node].children[name] else { return nil }
            node = next
        }
        return node
    }

    private func child(_ place: Place) -> Int? { find(place.parent).flatMap { nodes[$0].children[place.name] } }

    private mutating func add(_ kind: Kind, _ name: [UInt8], to parent: Int) -> Int {
        nodes.append(Node(kind: kind, layer: layer))
        nodes[parent].children[name] = nodes.count - 1
        return nodes.count - 1
    }

    private struct Found {
        let parent: Int
        let name: [UInt8]
        let node: Int
        let removal: Removal
    }

    /// All below a directory, each after the directory that holds it, but what is in those that `enters` says no to.
    private func below(_ top: Int, _ path: [UInt8], enters: (Int) -> Bool) -> [Found] {
        var found: [Found] = []
        func add(_ node: Int, _ path: [UInt8]) {
            let start = path.isEmpty ? [] : path + [UInt8(ascii: "/")]
            for (name, child) in nodes[node].children {
                let removal = Removal(path: start + name, kind: nodes[child].kind)
                found.append(Found(parent: node, name: name, node: child, removal: removal))
            }
        }
        add(top, path)
        var next = 0
        while next < found.count {
            if enters(found[next].node) { add(found[next].node, found[next].removal.path) }
            next += 1
        }
        return found
    }

    /// Removes what earlier layers brought below a directory; what this layer brought stays, whatever the order.
    private mutating func prune(_ top: Int, _ path: [UInt8]) -> [Removal] {
        // Once a layer and directory: a thousand whiteouts of one large directory cost no more than one.
        guard nodes[top].pruned < layer else { return [] }
        let found = below(top, path) { nodes[$0].pruned < layer }
        nodes[top].pruned = layer
        for entry in found { nodes[entry.node].pruned = layer }
        var removed: [Removal] = []
        for entry in found.reversed() where nodes[entry.node].layer < layer && nodes[entry.node].children.isEmpty {
            nodes[entry.parent].children[entry.name] = nil
            removed.append(entry.removal)
        }
        return removed
    }
}
