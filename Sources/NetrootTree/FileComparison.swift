import Glibc
import NetrootImage
import NetrootSystem
import Synchronization

/// A file that is not the same in two roots.
public struct FileDifference: Sendable, Equatable {
    /// From the root, with a slash before each name; `/` for the root.
    public let path: [UInt8]
    /// As it was; nil for one that was not there.
    public let before: FileEntry?
    /// As it is; nil for one that is gone.
    public let after: FileEntry?
    /// What differs; empty where it is not in both.
    public let aspects: Set<FileEntry.Aspect>

    /// How much larger a regular file has become, in bytes.
    public var bytes: Int64 { Int64(clamping: after?.size ?? 0) - Int64(clamping: before?.size ?? 0) }
}

extension FileListing {
    /// What is not the same in another, later root, in the order of the paths: a directory, then all below it.
    ///
    /// Types, permissions, owners, link targets, device numbers, extended attributes and the bytes of regular files are
    /// compared. Times do not count, nor the sizes of directories, nor which names are hard links of one file. Files are
    /// read where they are of one size, and not one file of the disk under two names; memory is taken for a few pieces
    /// of 256 KiB, and for the listings.
    /// - Throws: `FileListingError`, `SystemError`, `SquashfsReadError`, `CancellationError`.
    public func differences(to after: FileListing) async throws -> [FileDifference] {
        var pairs: [Pair] = []
        var unread: [Int] = []
        forEachPair(with: after) { pair in
            let pair = Pair(before: pair.0, after: pair.1, aspects: aspects(pair, after))
            if isToRead(pair, after) { unread.append(pairs.count) } else if pair.isSame { return }
            pairs.append(pair)
        }
        for index in try await differingContents(unread.map { pairs[$0] }, after).map({ unread[$0] }) {
            pairs[index].aspects.insert(.content)
        }
        return pairs.filter { !$0.isSame }.map { pair in
            let path = pair.before.map(path) ?? pair.after.map(after.path) ?? []
            return FileDifference(
                path: path.isEmpty ? [UInt8(ascii: "/")] : path, before: pair.before.map { nodes[$0].entry },
                after: pair.after.map { after.nodes[$0].entry }, aspects: pair.aspects)
        }
    }

    /// The nodes of one path in both.
    private struct Pair: Sendable {
        var before: Int?
        var after: Int?
        var aspects: Set<FileEntry.Aspect>

        var isSame: Bool { before != nil && after != nil && aspects.isEmpty }
    }

    private func aspects(_ pair: (Int?, Int?), _ after: FileListing) -> Set<FileEntry.Aspect> {
        guard let old = pair.0, let new = pair.1 else { return [] }
        return nodes[old].entry.differences(to: after.nodes[new].entry)
    }

    private func isToRead(_ pair: Pair, _ after: FileListing) -> Bool {
        guard let old = pair.before, let new = pair.after else { return false }
        let (before, after) = (nodes[old], after.nodes[new])
        guard before.entry.type == .regular, after.entry.type == .regular else { return false }
        guard before.entry.size == after.entry.size, before.entry.size > 0 else { return false }
        // Places in two images say nothing of each other.
        if case .disk = before.place { return before.place != after.place }
        return true
    }

    /// Both listings at once, name by name.
    private func forEachPair(with other: FileListing, _ body: ((Int?, Int?)) -> Void) {
        var stack: [(Int?, Int?)] = [(0, 0)]
        while let pair = stack.popLast() {
            body(pair)
            var old = pair.0.map { nodes[$0].children } ?? 0..<0
            var new = pair.1.map { other.nodes[$0].children } ?? 0..<0
            var below: [(Int?, Int?)] = []
            while !old.isEmpty || !new.isEmpty {
                guard let first = old.first else {
                    below += new.map { (nil, $0) }
                    break
                }
                guard let second = new.first else {
                    below += old.map { ($0, nil) }
                    break
                }
                let (name, otherName) = (nodes[first].name, other.nodes[second].name)
                let isFirst = name == otherName || name.lexicographicallyPrecedes(otherName)
                let isSecond = name == otherName || !isFirst
                below.append((isFirst ? first : nil, isSecond ? second : nil))
                if isFirst { old.removeFirst() }
                if isSecond { new.removeFirst() }
            }
            stack += below.reversed()
        }
    }

    /// The indices of those pairs whose files have different contents.
    private func differingContents(_ pairs: [Pair], _ after: FileListing) async throws -> [Int] {
        let next = NextPair()
        // Two at least: while one waits for the disk, another decompresses or compares.
        let workers = min(max(2, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))), 8)
        return try await withThrowingTaskGroup(of: [Int].self) { group in
            for _ in 0..<workers {
                group.addTask {
                    var differing: [Int] = []
                    let comparer = ContentComparer()
                    // Neighbours share blocks of an image: they are one worker's.
                    let run = 16
                    while true {
                        let start = next.index.add(run, ordering: .relaxed).oldValue
                        guard start < pairs.count else { return differing }
                        for index in start..<min(start + run, pairs.count) {
                            try Task.checkCancellation()
                            guard let old = pairs[index].before, let new = pairs[index].after else { continue }
                            let isSame = try comparer.isSame(try contents(of: old), try after.contents(of: new))
                            if !isSame { differing.append(index) }
                        }
                    }
                }
            }
            var all: [Int] = []
            for try await part in group { all += part }
            return all
        }
    }

    private func contents(of index: Int) throws -> any FileContents {
        let size = nodes[index].entry.size
        switch (source, nodes[index].place) {
        case (.directory(let tree), _): return try DiskContents(tree, path(index), size: size)
        case (.image(let image), .image(let reference)):
            return ImageContents(image: image, file: try image.file(reference))
        case (.image(let image), .disk): throw image.corrupt("listing", "a file of no inode")
        }
    }
}

/// Where the worker that is free goes on.
private final class NextPair: Sendable {
    let index = Atomic(0)
}

/// The bytes of a regular file.
private protocol FileContents {
    var size: UInt64 { get }
    /// Fills the buffer from `offset` on; both within the size.
    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws
}

private struct ImageContents: FileContents {
    let image: SquashfsReader
    let file: SquashfsFile
    var size: UInt64 { file.size }

    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
        // Complete: the reader throws where the image has less than the file's size.
        _ = try image.read(file, at: offset, into: buffer)
    }
}

private final class DiskContents: FileContents {
    let size: UInt64
    private let tree: FileTree
    private let path: [UInt8]
    private let descriptor: Int32

    init(_ tree: FileTree, _ path: [UInt8], size: UInt64) throws {
        self.tree = tree
        self.path = path
        self.size = size
        let descriptor = try tree.open(path)
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
            UInt64(max(0, status.st_size)) == size
        else {
            close(descriptor)
            throw FileListingError.changed(path: tree.display(path))
        }
        // Last: until then deinit does not run where this throws, and the descriptor is closed once.
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
        try tree.read(path, descriptor, at: offset, into: buffer)
    }
}

/// Compares files piece by piece, for one thread.
private final class ContentComparer {
    private static let piece = 256 << 10
    private let first = UnsafeMutableRawBufferPointer.allocate(byteCount: piece, alignment: 4096)
    private let second = UnsafeMutableRawBufferPointer.allocate(byteCount: piece, alignment: 4096)

    deinit {
        first.deallocate()
        second.deallocate()
    }

    func isSame(_ one: some FileContents, _ other: some FileContents) throws -> Bool {
        guard one.size == other.size else { return false }
        var offset: UInt64 = 0
        while offset < one.size {
            let count = Int(min(UInt64(Self.piece), one.size - offset))
            try one.read(at: offset, into: .init(rebasing: first[..<count]))
            try other.read(at: offset, into: .init(rebasing: second[..<count]))
            guard let a = first.baseAddress, let b = second.baseAddress, memcmp(a, b, count) == 0 else { return false }
            offset += UInt64(count)
        }
        return true
    }
}
