import Glibc
import NetrootSystem

/// Where compressed blocks are kept between packs, and how many bytes they may take.
public struct BlockCachePlace: Sendable, Equatable {
    /// The directory; made where it is missing, readable by its owner only: blocks hold what the root holds.
    public let directory: String
    /// The most bytes after a pack; 0 for none.
    public let limit: Int64

    /// The directory that holds all caches.
    let cache: String

    /// `blocks` in the directory that holds all caches.
    public init(cache: String, limit: Int64) {
        directory = cache + "/blocks"
        self.cache = cache
        self.limit = limit
    }
}

/// From a raw block, a codec and its settings to the compressed block. For one thread; for any number of processes.
///
/// Every entry is checked when it is used. What is wrong with the cache is a note: it costs time, never correctness.
final class BlockCache {
    /// What a use of the cache found.
    enum Found {
        case compressed(Int)
        case incompressible, nothing
    }

    private struct Place {
        var file: Int
        var offset: Int64
        var length: Int
        var isUsed: Bool
    }

    private let place: BlockCachePlace
    private let hasher: SHA256Hasher
    private var files: [BlockCacheFile] = []
    private var index: [Digest: Place] = [:]
    /// The file that this run writes; the last of `files`.
    private var own: Int?
    /// No more is added: the directory cannot be written, or this run has filled it.
    private var isClosed = false
    /// Others can write the directory: nothing is taken from it either.
    private var isRefused = false
    /// Of files that are being written by others.
    private var othersBytes: Int64 = 0
    private var damaged = 0
    /// What a user should read.
    private(set) var notes: [String] = []

    /// Files of digests, of other trees too: where, how large, and when used.
    private var seenFiles: [(path: String, size: Int64, lastUse: timespec)] = []
    private var isFinished = false

    /// More trees are forgotten.
    private static let mostSeen = 32
    /// More files are merged.
    private static let mostFiles = 64

    /// Reads what is there; nil where the limit is 0.
    /// - Throws: `DigestError.unavailable`.
    init?(_ place: BlockCachePlace) throws(DigestError) {
        guard place.limit > 0 else { return nil }
        self.place = place
        hasher = try SHA256Hasher()
        do {
            // Whoever can write an entry can put a block into the image: its checksum is none against him.
            _ = try CacheDirectory.make("blocks", in: place.cache)
            for name in try Files.names(in: place.directory) {
                let path = "\(place.directory)/\(name)"
                if name.hasSuffix(BlockCacheFile.suffix) { try open(path) }
                if name.hasSuffix(SeenFiles.newSuffix) { SeenFiles.removeUnfinished(path) }
            }
        } catch let error as CacheError {
            isClosed = true
            isRefused = true
            notes.append("the block cache is not used: \("\(error)".replacing("\n", with: "; "))")
        } catch {
            unusable(error)
        }
    }

    private func open(_ path: String) throws {
        guard let file = try BlockCacheFile(reading: path) else {
            if Files.exists(path) { othersBytes += try Files.size(path) }
            return
        }
        let number = files.count
        files.append(file)
        file.forEachRecord(hasher) { offset, header in
            index[header.key] = Place(file: number, offset: offset, length: header.length, isUsed: false)
        }
        if file.isDamaged { damaged += 1 }
    }

    /// Looks a block up.
    /// - Parameter output: takes the compressed block.
    func find(_ key: Digest, into output: UnsafeMutableRawBufferPointer) -> Found {
        guard var found = index[key] else { return .nothing }
        let file = files[found.file]
        guard let header = file.read(at: found.offset, length: found.length, key: key, into: output, hasher) else {
            file.isDamaged = true
            damaged += 1
            index[key] = nil
            return .nothing
        }
        if !found.isUsed {
            found.isUsed = true
            index[key] = found
            file.usedBytes += recordLength(found)
        }
        return header.compresses ? .compressed(found.length) : .incompressible
    }

    /// Keeps a block.
    /// - Parameter payload: the compressed block; nil for one that does not compress.
    func add(_ key: Digest, _ payload: UnsafeRawBufferPointer?) {
        let length = payload?.count ?? 0
        guard !isClosed, index[key] == nil,
            ownSize + Int64(BlockCacheFile.headerLength + length) <= place.limit
        else { return }
        do {
            try append(key, payload)
        } catch {
            unusable(error)
        }
    }

    private var ownSize: Int64 { own.map { files[$0].size } ?? 0 }

    private func append(_ key: Digest, _ payload: UnsafeRawBufferPointer?) throws {
        let number: Int
        if let own {
            number = own
        } else {
            files.append(try BlockCacheFile(creatingIn: place.directory))
            number = files.count - 1
            own = number
        }
        let offset = try files[number].append(key: key, payload: payload, hasher)
        let added = Place(file: number, offset: offset, length: payload?.count ?? 0, isUsed: true)
        index[key] = added
        files[number].usedBytes += recordLength(added)
    }

    private func recordLength(_ place: Place) -> Int64 { Int64(BlockCacheFile.headerLength + place.length) }

    private func unusable(_ error: any Error) {
        // What follows from the first failure would only repeat it.
        guard !isClosed else { return }
        isClosed = true
        notes.append("the block cache is not written: \(error)")
    }

    /// What is known of a tree's files.
    func seen(root: (device: UInt64, inode: UInt64), cutting: String, clock: timespec?, isTrusted: Bool)
        throws(DigestError) -> SeenFiles
    {
        let seen = try SeenFiles(
            in: place.directory, root: root, cutting: cutting, clock: clock, isTrusted: isTrusted && !isRefused)
        if seen.isDamaged { notes.append("\(seen.path) is damaged; every file was read anew") }
        return seen
    }

    /// Ends the run: marks what was used, and removes what was not used for longest until the rest fits.
    /// - Parameter seen: what a pack that came to its end knows of the files.
    func finish(_ seen: SeenFiles? = nil) {
        guard !isFinished else { return }
        isFinished = true
        if isRefused { return }
        if !isClosed {
            do { try seen?.save(limit: place.limit) } catch { unusable(error) }
        }
        listSeen()
        if damaged > 0 {
            notes.append(
                "the block cache \(place.directory) has \(damaged) damaged "
                    + "\(damaged == 1 ? "entry" : "entries"); what they held was compressed anew")
        }
        for file in files where file.usedBytes > 0 { file.touch() }
        var gone: Set<Int> = []
        for number in files.indices where files[number].isDamaged && number != own { rewrite(number, &gone) }
        let others = files.indices.filter { $0 != own }
        let unused = others.filter { files[$0].usedBytes == 0 && !gone.contains($0) }.sorted(by: isOlder)
        // Other trees' digests save reading alone, blocks more.
        forgetSeen { seenFiles.count > 1 && total(without: gone) > place.limit }
        for number in unused where total(without: gone) > place.limit { remove(number, &gone) }
        let stale = others.filter { !gone.contains($0) && files[$0].usedBytes > 0 }.sorted {
            staleBytes($0) > staleBytes($1)
        }
        for number in stale where total(without: gone) > place.limit { rewrite(number, &gone) }
        for number in others.sorted(by: isOlder) where total(without: gone) > place.limit && !gone.contains(number) {
            remove(number, &gone)
        }
        if let own, total(without: gone) > place.limit { remove(own, &gone) }
        forgetSeen { total(without: gone) > place.limit }
        merge(&gone)
    }

    private func listSeen() {
        var names: [String] = []
        do { names = try Files.names(in: place.directory) } catch { unusable(error) }
        for name in names where name.hasSuffix(SeenFiles.suffix) {
            let path = "\(place.directory)/\(name)"
            var status = stat()
            if lstat(path, &status) == 0 { seenFiles.append((path, Int64(status.st_size), status.st_mtim)) }
        }
        // The newest first.
        seenFiles.sort { ($0.lastUse.tv_sec, $0.lastUse.tv_nsec) > ($1.lastUse.tv_sec, $1.lastUse.tv_nsec) }
        forgetSeen { seenFiles.count > Self.mostSeen }
    }

    private func forgetSeen(while condition: () -> Bool) {
        while condition(), let oldest = seenFiles.popLast() { SeenFiles.remove(oldest.path) }
    }

    private func isOlder(_ a: Int, _ b: Int) -> Bool {
        let (a, b) = (files[a].lastUse, files[b].lastUse)
        return (a.tv_sec, a.tv_nsec) < (b.tv_sec, b.tv_nsec)
    }

    private func staleBytes(_ number: Int) -> Int64 { files[number].size - files[number].usedBytes }

    private func total(without gone: Set<Int>) -> Int64 {
        othersBytes + seenFiles.reduce(0) { $0 + $1.size }
            + files.indices.reduce(0) { gone.contains($1) ? $0 : $0 + files[$1].size }
    }

    private func remove(_ number: Int, _ gone: inout Set<Int>) {
        if files[number].remove() { gone.insert(number) }
    }

    /// Every run adds a file: small ones become one.
    private func merge(_ gone: inout Set<Int>) {
        let left = files.indices.filter { !gone.contains($0) && $0 != own }.sorted { files[$0].size < files[$1].size }
        guard left.count > Self.mostFiles else { return }
        for number in left.prefix(left.count - Self.mostFiles / 2) { rewrite(number, keepingUnused: true, &gone) }
    }

    /// Copies the entries of a file that this run used into its own file, and removes the file.
    private func rewrite(_ number: Int, keepingUnused: Bool = false, _ gone: inout Set<Int>) {
        guard !isClosed else { return }
        let entries = index.filter { $0.value.file == number && ($0.value.isUsed || keepingUnused) }
        let longest = entries.map(\.value.length).max() ?? 0
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(longest, 1), alignment: 16)
        defer { buffer.deallocate() }
        do {
            for (key, entry) in entries.sorted(by: { $0.value.offset < $1.value.offset }) {
                guard
                    let header = files[number].read(
                        at: entry.offset, length: entry.length, key: key, into: buffer, hasher)
                else { continue }
                let payload = UnsafeRawBufferPointer(rebasing: buffer[..<entry.length])
                try append(key, header.compresses ? payload : nil)
            }
        } catch {
            return unusable(error)
        }
        remove(number, &gone)
    }
}
