/// The directories, symlinks and devices of a root, as the layers so far make it: what is needed to say where a name leads.
///
/// Every step costs the length of the name, whatever the layers hold.
struct LayerTree: Sendable {
    /// What is kept of a file.
    enum Kind: Sendable, Equatable {
        case directory
        case symlink([UInt8])
        case device
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

    /// There is something below the layer that is being read.
    var isBeyondFirstLayer: Bool { layer > 1 }

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

    /// What has the name; nil for a regular file, and for nothing.
    func kind(at place: Place) -> Kind? { child(place).map { nodes[$0].kind } }

    /// Puts a file in its place.
    /// - Parameter kind: nil for one that need not be kept.
    mutating func put(_ kind: Kind?, at place: Place) {
        let existing = child(place)
        guard let kind else {
            if existing != nil { remove(place) }
            return
        }
        if kind == .directory, let existing, nodes[existing].kind == .directory {
            nodes[existing].layer = layer
            return
        }
        var parent = 0
        for name in place.parent { parent = enter(name, of: parent) }
        nodes.append(Node(kind: kind, layer: layer))
        nodes[parent].children[place.name] = nodes.count - 1
    }

    /// A whiteout: what earlier layers brought under this name is gone.
    mutating func hide(_ place: Place) {
        guard let node = child(place) else { return }
        prune(node)
        if nodes[node].layer < layer, nodes[node].children.isEmpty { remove(place) }
    }

    /// An opaque whiteout: what earlier layers brought into this directory is gone.
    mutating func hideChildren(of directory: [[UInt8]]) {
        if let node = find(directory) { prune(node) }
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

    private mutating func remove(_ place: Place) {
        if let parent = find(place.parent) { nodes[parent].children[place.name] = nil }
    }

    /// The directory of this name, made where there is none.
    private mutating func enter(_ name: [UInt8], of parent: Int) -> Int {
        if let node = nodes[parent].children[name], nodes[node].kind == .directory { return node }
        nodes.append(Node(kind: .directory, layer: layer))
        nodes[parent].children[name] = nodes.count - 1
        return nodes.count - 1
    }

    /// Removes what earlier layers brought below a directory; what this layer brought stays, whatever the order.
    private mutating func prune(_ top: Int) {
        // Once a layer and directory: a thousand whiteouts of one large directory cost no more than one.
        guard nodes[top].pruned < layer else { return }
        var found: [(parent: Int, name: [UInt8], node: Int)] = []
        var next = 0
        var node = top
        while true {
            nodes[node].pruned = layer
            for (name, child) in nodes[node].children where nodes[child].pruned < layer {
                found.append((node, name, child))
            }
            guard next < found.count else { break }
            node = found[next].node
            next += 1
        }
        for (parent, name, node) in found.reversed() where nodes[node].layer < layer && nodes[node].children.isEmpty {
            nodes[parent].children[name] = nil
        }
    }
}
