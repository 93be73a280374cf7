import NetrootImage
import NetrootSystem

/// A root's files by their paths, as far as something that is laid over them goes: no contents, no times.
struct RootModel: Sendable {
    /// A file of any type.
    struct Node: Sendable, Equatable {
        var type: FileType
        /// The lower twelve bits of `st_mode`.
        var mode: UInt32
        var uid: UInt32
        var gid: UInt32
        /// A symlink's.
        var target: [UInt8] = []
    }

    /// By path, without a slash at either end; the root itself has the empty one.
    private(set) var nodes: [[UInt8]: Node] = [[]: Node(type: .directory, mode: 0o755, uid: 0, gid: 0)]

    static let slash = UInt8(ascii: "/")

    /// An empty root.
    init() {}

    /// The root that a listing has.
    init(_ listing: FileListing) {
        nodes.reserveCapacity(listing.nodes.count)
        for index in listing.nodes.indices {
            let entry = listing.nodes[index].entry
            nodes[Array(listing.path(index).dropFirst())] = Node(
                type: entry.type, mode: entry.mode, uid: entry.uid, gid: entry.gid, target: entry.target)
        }
    }

    subscript(path: [UInt8]) -> Node? {
        get { nodes[path] }
        set { nodes[path] = newValue }
    }

    /// Puts a file there, with the directories above it that are missing.
    mutating func put(_ node: Node, at path: [UInt8]) {
        var parent = DirectoryHandle.split(path).directory
        while nodes[parent] == nil {
            nodes[parent] = Node(type: .directory, mode: 0o755, uid: 0, gid: 0)
            parent = DirectoryHandle.split(parent).directory
        }
        nodes[path] = node
    }

    /// Removes a file, or a directory with all that is in it.
    /// - Returns: the paths that are gone, sorted.
    mutating func remove(_ path: [UInt8]) -> [[UInt8]] {
        guard let node = nodes[path] else { return [] }
        var gone = [path]
        if node.type == .directory {
            let start = path + [Self.slash]
            gone += nodes.keys.filter { $0.starts(with: start) }
        }
        for path in gone { nodes[path] = nil }
        return gone.sorted { $0.lexicographicallyPrecedes($1) }
    }

    static func joined(_ directory: [UInt8], _ name: [UInt8]) -> [UInt8] {
        directory.isEmpty ? name : directory + [slash] + name
    }

    /// A path with every symlink resolved as a process in a chroot would see it; a part that does not exist is kept as it is.
    /// As `rootovl_resolve` of dracut's module does it; nil for more than 40 symlinks.
    func resolved(_ path: [UInt8]) -> [UInt8]? {
        var rest = path[...]
        var done: [UInt8] = []
        var links = 0
        while !rest.isEmpty {
            let part = Array(rest.prefix { $0 != Self.slash })
            rest = rest.dropFirst(part.count + 1)
            if part.isEmpty || part == [0x2E] { continue }
            if part == [0x2E, 0x2E] {
                done = DirectoryHandle.split(done).directory
                continue
            }
            let next = Self.joined(done, part)
            guard let node = nodes[next], node.type == .symlink else {
                done = next
                continue
            }
            links += 1
            guard links <= 40 else { return nil }
            if node.target.first == Self.slash { done = [] }
            rest = (node.target + [Self.slash] + rest)[...]
        }
        return done
    }
}
