import Glibc
import NetrootSystem

/// Reads the files of a tree in the order of their paths, and hands their content to a `BlockStream`: whole blocks, and
/// fragment blocks of small files and tail ends. Files with the same content share their blocks. A file whose digests are
/// known is read only where its block is not in the cache.
struct PackContents {
    private let tree: PackTree
    private let stream: BlockStream
    private let blockSize: Int
    private let settings: [UInt8]
    private let cancelled: CancelFlag
    private let seen: SeenFiles?
    private let opener: PackOpener
    private let hasher: SHA256Hasher
    /// By node: its index in the stream's files; -1 before it is read.
    private(set) var fileOf: [Int]
    /// Sizes of all files, each once however many names it has.
    private(set) var bytes: Int64 = 0
    private var same: [Content: Int] = [:]
    private var begun: Set<Content> = []
    private var plan = FragmentPlan([], blockSize: 4096)
    private var pieces = 0
    private var fragment: BlockSlot?
    /// The pieces of the fragment block, and their bytes together.
    private var parts: [Part] = []
    private var fragmentBytes = 0
    private var planned = 0

    private struct Content: Hashable {
        let size: Int64
        let digest: Digest
    }

    /// A file that is packed: open, or with the digests of its pieces.
    private enum Input {
        case open(PackSource)
        case known(Int, PackNode, [Digest])

        var node: PackNode {
            switch self {
            case .open(let file): file.node
            case .known(_, let node, _): node
            }
        }
    }

    /// - Parameters:
    ///   - settings: what the bytes of a compressed block depend on besides the raw block.
    ///   - seen: digests that are known; nil to read all.
    init(
        tree: PackTree, stream: BlockStream, blockSize: Int, settings: [UInt8], seen: SeenFiles?, cancelled: CancelFlag
    ) throws(DigestError) {
        hasher = try SHA256Hasher()
        self.tree = tree
        self.stream = stream
        self.blockSize = blockSize
        self.settings = settings
        self.seen = seen
        self.cancelled = cancelled
        opener = PackOpener(tree)
        fileOf = [Int](repeating: -1, count: tree.nodes.count)
    }

    /// - Throws: `PackError`, `SystemError`, `CancellationError`.
    mutating func run() throws {
        plan = makePlan()
        var order: [Int] = []
        tree.forEachInPathOrder { if tree.nodes[$0].isRegular { order.append($0) } }
        try PackLimits.checkBlocks(of: order, in: tree, blockSize: blockSize)
        for index in order {
            let first = tree.nodes[index].first
            guard fileOf[first] < 0 else { continue }
            try cancelled.check()
            bytes += tree.nodes[index].size
            fileOf[first] = try tree.nodes[index].size == 0 ? add(PackedFile()) : pack(index)
        }
        try submitFragment()
        try stream.finish()
    }

    private func makePlan() -> FragmentPlan {
        var pieces: [FragmentPlan.Piece] = []
        var seen = [Bool](repeating: false, count: tree.nodes.count)
        tree.forEachInPathOrder { index in
            let node = tree.nodes[index]
            guard node.isRegular, !seen[node.first] else { return }
            seen[node.first] = true
            let tail = shape(node.size).tail
            if tail > 0 { pieces.append(FragmentPlan.Piece(size: tail, hash: node.pathHash)) }
        }
        return FragmentPlan(pieces, blockSize: blockSize)
    }

    /// How many blocks a file has, and the bytes that go into a fragment block.
    private func shape(_ size: Int64) -> (blocks: Int, tail: Int) {
        let whole = Int(size) / blockSize
        let rest = Int(size) % blockSize
        return rest >= FragmentPlan.limit(blockSize: blockSize) ? (whole + 1, 0) : (whole, rest)
    }

    private mutating func pack(_ index: Int) throws -> Int {
        let node = tree.nodes[index]
        let shape = shape(node.size)
        let group = shape.tail > 0 ? plan.blocks[pieces] : 0
        if shape.tail > 0 { pieces += 1 }
        if let digests = seen?.digests(of: node, count: shape.blocks + (shape.tail > 0 ? 1 : 0)) {
            return try pack(.known(index, node, digests), shape, group).number
        }
        return try opener.with(index) { file in
            let (number, digests) = try pack(.open(file), shape, group)
            if try file.checkUnchanged(), !digests.isEmpty { seen?.keep(digests, of: node) }
            return number
        }
    }

    private mutating func pack(
        _ input: Input, _ shape: (blocks: Int, tail: Int), _ group: Int
    ) throws -> (number: Int, digests: [Digest]) {
        guard shape.blocks > 0 else { return try packSmall(input, group: group) }
        return try packLarge(input, blocks: shape.blocks, tail: shape.tail, group: group)
    }

    private mutating func packSmall(_ input: Input, group: Int) throws -> (Int, [Digest]) {
        let size = input.node.size
        let part = try nextPart(input, at: 0, count: Int(size), group: group)
        let content = Content(size: size, digest: part.digest)
        // What was read is overwritten by the next piece.
        if let known = same[content] { return (known, [part.digest]) }
        let place = keep(part)
        let number = add(PackedFile(fragment: place.fragment, offset: place.offset))
        same[content] = number
        return (number, [part.digest])
    }

    /// - Returns: no digests of a file with very many blocks: it shares none with an equal one, and is read anew each time.
    private mutating func packLarge(
        _ input: Input, blocks: Int, tail: Int, group: Int
    ) throws -> (Int, [Digest]) {
        let isKept = blocks <= PackLimits.keptDigests
        let slot = try stream.take()
        let head = try digest(input, block: 0, into: slot)
        let start = Content(size: input.node.size, digest: head)
        // Read twice, but only where an equal one is likely.
        if isKept, !begun.insert(start).inserted {
            let all = try digests(of: input, blocks: blocks, tail: tail, slot)
            if let known = same[Content(size: input.node.size, digest: digest(of: all))] {
                stream.giveBack(slot)
                return (known, all)
            }
        }
        let base = stream.sizes.count
        stream.sizes.append(contentsOf: repeatElement(0, count: blocks))
        let number = add(PackedFile(blocks: base..<base + blocks))
        var digests: [Digest] = []
        stream.giveBack(slot)
        for block in 0..<blocks {
            try cancelled.check()
            let slot = try stream.take()
            let digest = try digest(input, block: block, into: slot)
            if isKept { digests.append(digest) }
            if digest == .zeros {
                stream.files[number].zeros += Int64(slot.count)
                stream.giveBack(slot)
                continue
            }
            slot.key = key([(digest, slot.count)])
            slot.target = .file(number, block: base + block)
            try stream.submit(slot) {
                guard case .known(let index, _, _) = input else { return }
                try load(index, at: Int64(block) * Int64(blockSize), slot.raw[..<slot.count], digest)
            }
        }
        if tail > 0 {
            let part = try nextPart(input, at: Int64(blocks) * Int64(blockSize), count: tail, group: group)
            if isKept { digests.append(part.digest) }
            let place = keep(part)
            stream.files[number].fragment = place.fragment
            stream.files[number].offset = place.offset
        }
        if isKept { same[Content(size: input.node.size, digest: digest(of: digests))] = number }
        return (number, digests)
    }

    /// The digests of all pieces, by reading an open file.
    private func digests(of input: Input, blocks: Int, tail: Int, _ slot: BlockSlot) throws -> [Digest] {
        switch input {
        case .known(_, _, let digests): return digests
        case .open(let file):
            var digests: [Digest] = []
            for block in 0..<blocks { digests.append(try digest(input, block: block, into: slot)) }
            if tail > 0 {
                let bytes = UnsafeMutableRawBufferPointer(rebasing: slot.raw[..<tail])
                try file.read(into: bytes, at: Int64(blocks) * Int64(blockSize))
                digests.append(hasher.digest(UnsafeRawBufferPointer(bytes)))
            }
            return digests
        }
    }

    /// The digest of a block, and its length in an empty slot; an open file's block is read into it. The digest of one that
    /// holds zeros alone is `.zeros`.
    private func digest(_ input: Input, block: Int, into slot: BlockSlot) throws -> Digest {
        let offset = Int64(block) * Int64(blockSize)
        slot.count = Int(min(Int64(blockSize), input.node.size - offset))
        switch input {
        case .known(_, _, let digests): return digests[block]
        case .open(let file):
            if try file.isHole(from: offset, count: slot.count) { return .zeros }
            let bytes = UnsafeMutableRawBufferPointer(rebasing: slot.raw[..<slot.count])
            try file.read(into: bytes, at: offset)
            return Self.isZero(bytes) ? .zeros : hasher.digest(slot.rawBytes)
        }
    }

    /// Reads what was known by its digest alone.
    /// - Throws: `SeenFiles.Mismatch` where it has another.
    private func load(
        _ index: Int, at offset: Int64, _ bytes: Slice<UnsafeMutableRawBufferPointer>, _ digest: Digest
    ) throws {
        let bytes = UnsafeMutableRawBufferPointer(rebasing: bytes)
        try opener.with(index) { file in
            try file.read(into: bytes, at: offset)
            try file.checkUnchanged()
        }
        guard hasher.digest(UnsafeRawBufferPointer(bytes)) == digest else {
            throw SeenFiles.Mismatch(path: tree.display(index))
        }
    }

    private func digest(of digests: [Digest]) -> Digest {
        hasher.digest { feed in for digest in digests { digest.withBytes(feed) } }
    }

    private static func isZero(_ bytes: UnsafeMutableRawBufferPointer) -> Bool {
        guard let base = bytes.baseAddress, bytes[0] == 0 else { return false }
        return memcmp(base, base + 1, bytes.count - 1) == 0
    }

    private mutating func add(_ file: PackedFile) -> Int {
        stream.files.append(file)
        return stream.files.count - 1
    }

    // MARK: Fragments

    private struct Part {
        let digest: Digest
        let count: Int
        /// The file, and where in it the piece begins.
        let index: Int
        let offset: Int64
        /// Whether its bytes are in the slot.
        let isRead: Bool
    }

    /// The piece behind those of the fragment block that the plan gives it, read there unless it is known; `keep` makes it
    /// stay.
    private mutating func nextPart(_ input: Input, at offset: Int64, count: Int, group: Int) throws -> Part {
        if group != planned { try submitFragment() }
        planned = group
        switch input {
        case .known(let index, _, let digests):
            guard let digest = digests.last else { preconditionFailure("a file with a tail has a digest") }
            return Part(digest: digest, count: count, index: index, offset: offset, isRead: false)
        case .open(let file):
            let slot = try fragment ?? stream.take()
            fragment = slot
            let bytes = UnsafeMutableRawBufferPointer(rebasing: slot.raw[fragmentBytes..<fragmentBytes + count])
            try file.read(into: bytes, at: offset)
            let digest = hasher.digest(UnsafeRawBufferPointer(bytes))
            return Part(digest: digest, count: count, index: file.index, offset: offset, isRead: true)
        }
    }

    private mutating func keep(_ part: Part) -> (fragment: UInt32, offset: UInt32) {
        parts.append(part)
        let offset = UInt32(fragmentBytes)
        fragmentBytes += part.count
        return (stream.fragmentCount, offset)
    }

    private mutating func submitFragment() throws {
        guard fragmentBytes > 0 else { return }
        let slot = try fragment ?? stream.take()
        fragment = nil
        slot.count = fragmentBytes
        slot.key = key(parts.map { ($0.digest, $0.count) })
        slot.target = .fragment
        try stream.submit(slot) {
            var at = 0
            for part in parts {
                if !part.isRead { try load(part.index, at: part.offset, slot.raw[at..<at + part.count], part.digest) }
                at += part.count
            }
        }
        parts.removeAll(keepingCapacity: true)
        fragmentBytes = 0
    }

    /// Over the pieces' digests, so that no byte is hashed twice; a block of one piece has the key of a file's block.
    private func key(_ parts: [(Digest, Int)]) -> Digest {
        hasher.digest { feed in
            settings.withUnsafeBytes(feed)
            for (digest, count) in parts {
                digest.withBytes(feed)
                withUnsafeBytes(of: UInt64(count).littleEndian, feed)
            }
        }
    }
}
