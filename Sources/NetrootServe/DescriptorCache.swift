import Glibc
import Synchronization

/// An open file descriptor, closed with its last owner: a READ goes on while the cache lets go of the file.
final class OpenFile: Sendable {
    let descriptor: Int32
    /// Whether reading it may wait for a disk.
    let mayWait: Bool

    init(owning descriptor: Int32, mayWait: Bool = true) {
        self.descriptor = descriptor
        self.mayWait = mayWait
    }

    deinit {
        close(descriptor)
    }
}

/// The files and directories that are kept open, of all trees of a server together; the longest unused goes first. Each
/// tree's root, which is always open, is counted too. A tree's lock is taken before this one's, never after.
final class DescriptorCache: Sendable {
    fileprivate struct Slot {
        /// The tree and the node.
        var key: UInt64
        var file: OpenFile
        var used: UInt64
    }

    fileprivate struct State {
        var slots: [Slot] = []
        var places: [UInt64: Int] = [:]
        var clock: UInt64 = 0
        var trees = 0
        var lastTree: UInt32 = 0
    }

    private let state = Mutex(State())
    private let limit: Int
    /// What there is room for however many trees there are.
    private static let leastFiles = 4

    init(limit: Int) {
        self.limit = limit
    }

    /// Files and directories that are kept open now, without the roots.
    var count: Int { state.withLock { $0.slots.count } }

    /// Makes room for a tree's root.
    /// - Returns: a number that no other tree has.
    fileprivate func addTree() -> UInt32 {
        let (tree, files) = state.withLock { state in
            state.trees += 1
            state.lastTree &+= 1
            return (state.lastTree, state.shrink(to: room(state)))
        }
        withExtendedLifetime(files) {}
        return tree
    }

    fileprivate func removeTree(_ tree: UInt32) {
        let files = state.withLock { state in
            state.trees -= 1
            let keys = state.slots.map(\.key).filter { UInt32($0 >> 32) == tree }
            return keys.map { state.remove($0) }
        }
        withExtendedLifetime(files) {}
    }

    fileprivate func find(_ key: UInt64) -> OpenFile? {
        state.withLock { state in
            guard let place = state.places[key] else { return nil }
            state.clock += 1
            state.slots[place].used = state.clock
            return state.slots[place].file
        }
    }

    fileprivate func add(_ file: OpenFile, for key: UInt64) {
        // What goes is closed when the lock is no longer held.
        let files = state.withLock { state in
            let before = state.remove(key)
            let others = state.shrink(to: room(state) - 1)
            state.clock += 1
            state.places[key] = state.slots.count
            state.slots.append(Slot(key: key, file: file, used: state.clock))
            return (before, others)
        }
        withExtendedLifetime(files) {}
    }

    fileprivate func remove(_ key: UInt64) {
        let file = state.withLock { $0.remove(key) }
        withExtendedLifetime(file) {}
    }

    /// Lets go of everything, for want of descriptors.
    fileprivate func removeAll() {
        let files = state.withLock { $0.shrink(to: 0) }
        withExtendedLifetime(files) {}
    }

    private func room(_ state: borrowing State) -> Int { max(Self.leastFiles, limit - state.trees) }
}

extension DescriptorCache.State {
    fileprivate mutating func remove(_ key: UInt64) -> OpenFile? {
        guard let place = places.removeValue(forKey: key) else { return nil }
        slots.swapAt(place, slots.count - 1)
        let slot = slots.removeLast()
        if place < slots.count { places[slots[place].key] = place }
        return slot.file
    }

    /// Takes out the longest unused until no more than `count` are left.
    fileprivate mutating func shrink(to count: Int) -> [OpenFile] {
        var files: [OpenFile] = []
        while slots.count > count, let oldest = slots.min(by: { $0.used < $1.used }) {
            if let file = remove(oldest.key) { files.append(file) }
        }
        return files
    }
}

/// A tree's part of the cache, which it gives back with its end.
struct TreeDescriptors: ~Copyable {
    private let cache: DescriptorCache
    private let tree: UInt32

    init(in cache: DescriptorCache) {
        self.cache = cache
        tree = cache.addTree()
    }

    deinit {
        cache.removeTree(tree)
    }

    private func key(_ node: UInt32) -> UInt64 { UInt64(tree) << 32 | UInt64(node) }

    /// The open file of a node.
    func find(_ node: UInt32) -> OpenFile? { cache.find(key(node)) }
    func add(_ file: OpenFile, for node: UInt32) { cache.add(file, for: key(node)) }
    func remove(_ node: UInt32) { cache.remove(key(node)) }

    /// Lets go of the files of all trees, for want of descriptors.
    func removeAll() { cache.removeAll() }
}
