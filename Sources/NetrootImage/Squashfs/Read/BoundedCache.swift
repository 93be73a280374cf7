import Synchronization

/// Values by image and place, of which the longest unused go when they take more bytes than the limit. Threads that want
/// the same value at a time make it once; those that want others do not wait.
final class BoundedCache<Value: Sendable>: Sendable {
    struct Key: Hashable, Sendable {
        var image: UInt32
        var place: UInt64
    }

    /// A value, or the one who makes it: he holds the lock meanwhile, and the others wait for that.
    private final class Slot: Sendable {
        let value = Mutex<Value?>(nil)
    }

    /// A link of the list from newest to oldest; -1 is its end.
    private struct Link {
        var key: Key
        var slot: Slot
        var bytes = 0
        var newer = -1
        var older = -1
    }

    private struct State {
        var places: [Key: Int] = [:]
        var links: [Link] = []
        var newest = -1
        var oldest = -1
        var bytes = 0

        mutating func use(_ key: Key, orInsert slot: Slot) -> Slot {
            if let place = places[key] {
                unlink(place)
                makeNewest(place)
                return links[place].slot
            }
            places[key] = links.count
            links.append(.init(key: key, slot: slot))
            makeNewest(links.count - 1)
            return slot
        }

        /// Counts a value that was made, and takes out what is too much.
        mutating func charge(
            _ key: Key, _ slot: Slot, _ size: Int, limit: Int
        ) -> [Slot] {
            guard let place = places[key], links[place].slot === slot else { return [] }
            // At least 1, which tells a value from one that is being made.
            links[place].bytes = max(1, size)
            bytes += links[place].bytes
            return shrink(to: limit, keeping: key)
        }

        mutating func shrink(to limit: Int, keeping key: Key? = nil) -> [Slot] {
            var gone: [Slot] = []
            while bytes > limit, oldest >= 0, links[oldest].key != key {
                if let slot = remove(links[oldest].key) { gone.append(slot) }
            }
            return gone
        }

        mutating func remove(_ key: Key, ifIs slot: Slot) {
            guard let place = places[key], links[place].slot === slot else { return }
            _ = remove(key)
        }

        mutating func remove(_ key: Key) -> Slot? {
            guard let place = places.removeValue(forKey: key) else { return nil }
            unlink(place)
            bytes -= links[place].bytes
            let slot = links[place].slot
            let last = links.count - 1
            if place != last {
                // The last one moves into the hole.
                let link = links[last]
                links[place] = link
                places[link.key] = place
                if link.newer >= 0 { links[link.newer].older = place } else { newest = place }
                if link.older >= 0 { links[link.older].newer = place } else { oldest = place }
            }
            links.removeLast()
            return slot
        }

        private mutating func makeNewest(_ place: Int) {
            links[place].newer = -1
            links[place].older = newest
            if newest >= 0 { links[newest].newer = place } else { oldest = place }
            newest = place
        }

        private mutating func unlink(_ place: Int) {
            let link = links[place]
            if link.newer >= 0 { links[link.newer].older = link.older } else { newest = link.older }
            if link.older >= 0 { links[link.older].newer = link.newer } else { oldest = link.newer }
        }
    }

    private let state = Mutex(State())
    private let limit: Int
    private let size: @Sendable (Value) -> Int

    /// - Parameters:
    ///   - limit: bytes; a single larger value is kept until the next comes.
    ///   - size: bytes that a value counts for.
    init(limit: Int, size: @escaping @Sendable (Value) -> Int) {
        self.limit = limit
        self.size = size
    }

    /// Bytes that are kept now.
    var bytes: Int { state.withLock { $0.bytes } }

    /// Whether the value is there, without waiting for one who makes it.
    func contains(_ key: Key) -> Bool {
        state.withLock { state in
            guard let place = state.places[key] else { return false }
            return state.links[place].bytes > 0
        }
    }

    /// The value, made by `make` where it is not there. What `make` throws is not kept: the next one tries again.
    func value(_ key: Key, make: () throws(SquashfsReadError) -> Value) throws(SquashfsReadError) -> Value {
        let slot = state.withLock { $0.use(key, orInsert: Slot()) }
        var isNew = false
        do throws(SquashfsReadError) {
            let value = try slot.value.withLock { (value) throws(SquashfsReadError) -> Value in
                if let value { return value }
                let made = try make()
                value = made
                isNew = true
                return made
            }
            if isNew {
                // What goes is freed when the lock is no longer held.
                let gone = state.withLock { $0.charge(key, slot, size(value), limit: limit) }
                withExtendedLifetime(gone) {}
            }
            return value
        } catch {
            state.withLock { $0.remove(key, ifIs: slot) }
            throw error
        }
    }

    /// Lets go of the longest unused until no more than `bytes` are kept.
    func shrink(to bytes: Int) {
        let gone = state.withLock { $0.shrink(to: bytes) }
        withExtendedLifetime(gone) {}
    }

    /// Lets go of everything of an image.
    func removeAll(of image: UInt32) {
        let gone = state.withLock { state in
            let keys = state.places.keys.filter { $0.image == image }
            return keys.compactMap { state.remove($0) }
        }
        withExtendedLifetime(gone) {}
    }
}
