import Glibc
import NetrootSystem

/// Reads the files of a tree in the order of their paths, and hands their content to a `BlockStream`: whole blocks, and
/// fragment blocks of small files and tail ends. Files with the same content share their blocks.
struct PackContents {
    private let tree: PackTree
    private let stream: BlockStream
    private let blockSize: Int
    private let settings: [UInt8]
    private let cancelled: CancelFlag
    private let hasher = BlockHasher()
    /// By node: its index in the stream's files; -1 before it is read.
    private(set) var fileOf: [Int]
    /// Sizes of all files, each once however many names it has.
    private(set) var bytes: Int64 = 0
    private var same: [Content: Int] = [:]
    private var begun: Set<Content> = []
    private var plan = FragmentPlan([], blockSize: 4096)
    private var pieces = 0
    private var fragment: BlockSlot?
    /// Digest and length of each piece of the fragment block.
    private var parts: [(BlockDigest, Int)] = []
    private var planned = 0
    private var directory = (index: -1, descriptor: Int32(-1))

    private struct Content: Hashable {
        let size: Int64
        let digest: BlockDigest
    }

    /// - Parameter settings: what the bytes of a compressed block depend on besides the raw block.
    init(tree: PackTree, stream: BlockStream, blockSize: Int, settings: [UInt8], cancelled: CancelFlag) {
        self.tree = tree
        self.stream = stream
        self.blockSize = blockSize
        self.settings = settings
        self.cancelled = cancelled
        fileOf = [Int](repeating: -1, count: tree.nodes.count)
    }

    /// - Throws: `PackError`, `SystemError`, `CancellationError`.
    mutating func run() throws {
        plan = makePlan()
        defer { if directory.descriptor >= 0 { close(directory.descriptor) } }
        var order: [Int] = []
        tree.forEachInPathOrder { if tree.nodes[$0].isRegular { order.append($0) } }
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
        if directory.index != node.parent {
            if directory.descriptor >= 0 { close(directory.descriptor) }
            directory = (-1, -1)
            directory = (node.parent, try tree.open(directory: node.parent))
        }
        let file = PackSource(
            descriptor: try tree.open(file: index, in: directory.descriptor), node: node, index: index, tree: tree)
        defer { close(file.descriptor) }
        let shape = shape(node.size)
        guard shape.blocks <= 1 << 26 else {
            throw PackError.unfit(path: tree.display(index), problem: "it has more than \(1 << 26) blocks")
        }
        let group = shape.tail > 0 ? plan.blocks[pieces] : 0
        if shape.tail > 0 { pieces += 1 }
        let result =
            shape.blocks == 0
            ? try packSmall(file, group: group)
            : try packLarge(file, blocks: shape.blocks, tail: shape.tail, group: group)
        try file.checkUnchanged()
        return result
    }

    private mutating func packSmall(_ file: PackSource, group: Int) throws -> Int {
        let piece = try addPiece(file, at: 0, count: Int(file.node.size), group: group)
        let content = Content(size: file.node.size, digest: piece.digest)
        // What was read is overwritten by the next piece.
        if let known = same[content] { return known }
        let place = keep(piece)
        let number = add(PackedFile(fragment: place.fragment, offset: place.offset))
        same[content] = number
        return number
    }

    private mutating func packLarge(_ file: PackSource, blocks: Int, tail: Int, group: Int) throws -> Int {
        let slot = try stream.take()
        let head = try read(file, block: 0, into: slot)
        let start = Content(size: file.node.size, digest: head)
        // Read twice, but only where an equal one is likely.
        if !begun.insert(start).inserted, let known = same[try content(of: file, blocks: blocks, tail: tail, slot)] {
            stream.giveBack(slot)
            return known
        }
        let base = stream.sizes.count
        stream.sizes.append(contentsOf: repeatElement(0, count: blocks))
        let number = add(PackedFile(blocks: base..<base + blocks))
        var digests: [BlockDigest] = []
        stream.giveBack(slot)
        for block in 0..<blocks {
            try cancelled.check()
            let slot = try stream.take()
            let digest = try read(file, block: block, into: slot)
            digests.append(digest)
            if digest == .zeros {
                stream.files[number].zeros += Int64(slot.count)
                stream.giveBack(slot)
                continue
            }
            slot.key = key([(digest, slot.count)])
            slot.target = .file(number, block: base + block)
            try stream.submit(slot)
        }
        if tail > 0 {
            let piece = try addPiece(file, at: Int64(blocks) * Int64(blockSize), count: tail, group: group)
            digests.append(piece.digest)
            let place = keep(piece)
            stream.files[number].fragment = place.fragment
            stream.files[number].offset = place.offset
        }
        same[Content(size: file.node.size, digest: digest(of: digests))] = number
        return number
    }

    /// The digest of a file's content, by reading it.
    private func content(of file: PackSource, blocks: Int, tail: Int, _ slot: BlockSlot) throws -> Content {
        var digests: [BlockDigest] = []
        for block in 0..<blocks { digests.append(try read(file, block: block, into: slot)) }
        if tail > 0 {
            let bytes = UnsafeMutableRawBufferPointer(rebasing: slot.raw[..<tail])
            try file.read(into: bytes, at: Int64(blocks) * Int64(blockSize))
            digests.append(hasher.digest(UnsafeRawBufferPointer(bytes)))
        }
        return Content(size: file.node.size, digest: digest(of: digests))
    }

    private func digest(of digests: [BlockDigest]) -> BlockDigest {
        hasher.digest { feed in for digest in digests { digest.withBytes(feed) } }
    }

    /// Reads a block into an empty slot; the digest of one that holds zeros alone is `.zeros`.
    private func read(_ file: PackSource, block: Int, into slot: BlockSlot) throws -> BlockDigest {
        let offset = Int64(block) * Int64(blockSize)
        slot.count = Int(min(Int64(blockSize), file.node.size - offset))
        if try file.isHole(from: offset, count: slot.count) { return .zeros }
        let bytes = UnsafeMutableRawBufferPointer(rebasing: slot.raw[..<slot.count])
        try file.read(into: bytes, at: offset)
        return Self.isZero(bytes) ? .zeros : hasher.digest(slot.rawBytes)
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

    private struct Piece {
        let digest: BlockDigest
        let count: Int
    }

    /// Reads a piece behind those of the fragment block that the plan gives it; `keep` makes it stay.
    private mutating func addPiece(_ file: PackSource, at offset: Int64, count: Int, group: Int) throws -> Piece {
        if group != planned { try submitFragment() }
        planned = group
        let slot = try fragment ?? stream.take()
        fragment = slot
        let bytes = UnsafeMutableRawBufferPointer(rebasing: slot.raw[slot.count..<slot.count + count])
        try file.read(into: bytes, at: offset)
        return Piece(digest: hasher.digest(UnsafeRawBufferPointer(bytes)), count: count)
    }

    private mutating func keep(_ piece: Piece) -> (fragment: UInt32, offset: UInt32) {
        guard let slot = fragment else { preconditionFailure("a piece was read into a fragment block") }
        parts.append((piece.digest, piece.count))
        let offset = UInt32(slot.count)
        slot.count += piece.count
        return (stream.fragmentCount, offset)
    }

    private mutating func submitFragment() throws {
        guard let slot = fragment, slot.count > 0 else { return }
        fragment = nil
        slot.key = key(parts)
        slot.target = .fragment
        parts.removeAll(keepingCapacity: true)
        try stream.submit(slot)
    }

    /// Over the pieces' digests, so that no byte is hashed twice; a block of one piece has the key of a file's block.
    private func key(_ parts: [(BlockDigest, Int)]) -> BlockDigest {
        hasher.digest { feed in
            settings.withUnsafeBytes(feed)
            for (digest, count) in parts {
                digest.withBytes(feed)
                withUnsafeBytes(of: UInt64(count).littleEndian, feed)
            }
        }
    }
}

/// An open file that is read as it was listed, or not at all.
struct PackSource {
    let descriptor: Int32
    let node: PackNode
    let index: Int
    let tree: PackTree

    /// Fills a buffer.
    /// - Throws: `PackError.changed` where the file is too short, `SystemError`.
    func read(into bytes: UnsafeMutableRawBufferPointer, at offset: Int64) throws {
        var done = 0
        while done < bytes.count {
            let count = pread(
                descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done, off_t(offset) + done)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw SystemError("read", tree.display(index), code: errno) }
            guard count > 0 else { throw PackError.changed(path: tree.display(index)) }
            done += count
        }
    }

    /// Whether nothing is stored of a range: a disk image's holes are not worth reading.
    func isHole(from offset: Int64, count: Int) throws -> Bool {
        guard node.hasHoles else { return false }
        let data = lseek(descriptor, off_t(offset), seekData)
        if data >= 0 { return Int64(data) >= offset + Int64(count) }
        // ENXIO: no data up to the end, or the file has become shorter.
        guard errno == ENXIO else { return false }
        try checkUnchanged()
        return true
    }

    /// - Throws: `PackError.changed` where size, time or identity are not as listed.
    func checkUnchanged() throws {
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_ino == node.inode, Int64(status.st_size) == node.size,
            status.st_mtim.tv_sec == node.mtime.tv_sec, status.st_mtim.tv_nsec == node.mtime.tv_nsec
        else { throw PackError.changed(path: tree.display(index)) }
    }
}

/// `SEEK_DATA` (lseek(2)): Glibc's module leaves it out.
private let seekData: Int32 = 3
