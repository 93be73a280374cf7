import Glibc

/// An open file descriptor, closed with its last owner: a READ goes on while the cache lets go of the file.
final class OpenFile: Sendable {
    let descriptor: Int32

    init(owning descriptor: Int32) {
        self.descriptor = descriptor
    }

    deinit {
        close(descriptor)
    }
}

/// The files and directories of a tree that are kept open, at most `limit`; the longest unused goes first.
struct DescriptorCache {
    private struct Slot {
        var node: UInt32
        var file: OpenFile
        var used: UInt64
    }

    private var slots: [Slot] = []
    private var places: [UInt32: Int] = [:]
    private var clock: UInt64 = 0
    private let limit: Int

    init(limit: Int) {
        self.limit = max(4, limit)
    }

    /// The open file of a node.
    mutating func find(_ node: UInt32) -> OpenFile? {
        guard let place = places[node] else { return nil }
        clock += 1
        slots[place].used = clock
        return slots[place].file
    }

    mutating func add(_ file: OpenFile, for node: UInt32) {
        remove(node)
        if slots.count >= limit { removeOldest() }
        clock += 1
        places[node] = slots.count
        slots.append(Slot(node: node, file: file, used: clock))
    }

    mutating func remove(_ node: UInt32) {
        guard let place = places.removeValue(forKey: node) else { return }
        slots.swapAt(place, slots.count - 1)
        slots.removeLast()
        if place < slots.count { places[slots[place].node] = place }
    }

    /// Lets go of everything, for want of descriptors.
    mutating func removeAll() {
        slots.removeAll()
        places.removeAll()
    }

    private mutating func removeOldest() {
        if let oldest = slots.min(by: { $0.used < $1.used }) { remove(oldest.node) }
    }
}
