/// A growing array of plain values in chunks of 4096: it never moves what it holds, so growing needs no second copy,
/// and it wastes at most one chunk. (An `Array` of 30,000 nodes doubles itself through four megabytes.)
struct ChunkedArray<Element: BitwiseCopyable>: ~Copyable {
    private var chunks: [UnsafeMutablePointer<Element>] = []
    private(set) var count = 0

    private static var shift: Int { 12 }
    private static var mask: Int { (1 << shift) - 1 }

    init() {}

    deinit {
        for chunk in chunks { chunk.deallocate() }
    }

    /// The element at `index`; out of bounds is a trap, as with an array.
    subscript(index: Int) -> Element {
        get {
            precondition(index >= 0 && index < count)
            return chunks[index >> Self.shift][index & Self.mask]
        }
        set {
            precondition(index >= 0 && index < count)
            chunks[index >> Self.shift][index & Self.mask] = newValue
        }
    }

    /// Calls `body` with the element in place.
    mutating func update<R>(_ index: Int, _ body: (inout Element) -> R) -> R {
        precondition(index >= 0 && index < count)
        return body(&chunks[index >> Self.shift][index & Self.mask])
    }

    mutating func append(_ element: Element) {
        if count == chunks.count << Self.shift {
            chunks.append(.allocate(capacity: 1 << Self.shift))
        }
        chunks[count >> Self.shift].advanced(by: count & Self.mask).initialize(to: element)
        count += 1
    }
}

/// Names, one behind the other, each with its length before it and a zero byte behind it.
struct NameArena: ~Copyable {
    private var chunks: [UnsafeMutablePointer<UInt8>] = []
    private var used = 0

    private static var shift: Int { 16 }
    private static var size: Int { 1 << shift }

    init() {}

    deinit {
        for chunk in chunks { chunk.deallocate() }
    }

    /// Keeps a name of 1 to 255 bytes.
    /// - Returns: where; good for as long as the arena.
    mutating func append(_ name: UnsafeRawBufferPointer) -> UInt32 {
        precondition(name.count <= NFSv3.nameLimit)
        let need = name.count + 2
        if chunks.isEmpty || used + need > Self.size {
            chunks.append(.allocate(capacity: Self.size))
            used = 0
        }
        let base = chunks[chunks.count - 1]
        base[used] = UInt8(name.count)
        UnsafeMutableRawBufferPointer(start: base + used + 1, count: name.count).copyMemory(from: name)
        base[used + need - 1] = 0
        defer { used += need }
        return UInt32((chunks.count - 1) << Self.shift | used)
    }

    /// The bytes of a name; they live as long as the arena. A zero byte follows them.
    func bytes(_ name: UInt32) -> UnsafeRawBufferPointer {
        let start = chunks[Int(name) >> Self.shift] + (Int(name) & (Self.size - 1))
        return UnsafeRawBufferPointer(start: start + 1, count: Int(start[0]))
    }

    /// The name as C wants it.
    func cString(_ name: UInt32) -> UnsafePointer<CChar> {
        let start = chunks[Int(name) >> Self.shift] + (Int(name) & (Self.size - 1)) + 1
        return UnsafeRawPointer(start).assumingMemoryBound(to: CChar.self)
    }
}
