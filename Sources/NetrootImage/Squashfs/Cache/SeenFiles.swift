import Glibc
import NetrootSystem

/// What a tree's files held when they were last read: from a file's identity to the SHA-256 of its pieces, so that an
/// unchanged file need not be read to know the keys of its blocks.
///
/// It trusts the change time (`st_ctime`, inode(7)): the kernel sets it, and no call sets it back. An entry is made only
/// for a file that was last changed `margin` seconds before the pack began, by the clock of its own filesystem: a change
/// after its digest was taken has another time ("racy git", git's `Documentation/technical/racy-git.txt`). Who uses a
/// digest to make a block reads the file and compares.
///
/// One file for a tree and the way it is cut, replaced as a whole. Little-endian: magic `nrseen01`, the key (32 bytes), the
/// body's length and `PayloadSum` (8 bytes each), the first 8 bytes of SHA-256 of all that. The body has for each file:
/// inode, size, seconds of mtime and ctime (8 bytes each), their nanoseconds, the number of digests, 0 (4 bytes each), then
/// the digests.
final class SeenFiles {
    /// A file is not what its entry says, though nothing tells them apart: nothing here can be trusted.
    struct Mismatch: Error {
        let path: String
    }

    static let suffix = ".seen"
    /// Of a file that is being written, or was when its writer was killed.
    static let newSuffix = ".seen-new"
    /// Seconds. Filesystems count time in steps of up to two (FAT).
    static let margin = 2
    private static let magic = Array("nrseen01".utf8)
    private static let headerLength = 64
    private static let entryLength = 48

    let path: String
    /// Something in the file is not as it was written.
    private(set) var isDamaged = false
    private let key: Digest
    private let directory: String
    private let clock: timespec?
    private let hasher: SHA256Hasher
    /// The body that was read, and where in it a file's entry is, by inode.
    private var old: [UInt8] = []
    private var index: [UInt64: Int] = [:]
    /// The body that is written.
    private var new: [UInt8] = []

    /// Reads what the last pack of the tree left.
    /// - Parameters:
    ///   - root: the tree's root; another tree has another.
    ///   - cutting: on what a file's pieces depend.
    ///   - clock: of the tree's filesystem, before any file is read; nil to keep nothing.
    ///   - isTrusted: false to use nothing of what is there.
    init(
        in directory: String, root: (device: UInt64, inode: UInt64), cutting: String, clock: timespec?, isTrusted: Bool
    ) throws(DigestError) {
        hasher = try SHA256Hasher()
        self.directory = directory
        self.clock = clock
        key = hasher.digest { feed in
            Array("netroot seen 1\n\(cutting)\n\(root.device) \(root.inode)\n".utf8).withUnsafeBytes(feed)
        }
        path =
            "\(directory)/\(key.withBytes { String(UInt64(littleEndian: $0.load(as: UInt64.self)), radix: 16) })"
            + Self.suffix
        if isTrusted { read() }
    }

    /// The time by the clock of a directory's filesystem, told by a file without a name; the directory stays as it is.
    /// - Returns: nil where it cannot be told: no right to write, or no such files.
    static func clock(of directory: String) -> timespec? {
        let descriptor = open(directory, unnamed | O_RDWR | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var status = stat()
        return fstat(descriptor, &status) == 0 ? status.st_ctim : nil
    }

    private func read() {
        guard Files.exists(path) else { return }
        do {
            let bytes = try Files.read(path, limit: 1 << 30)
            isDamaged = !bytes.withUnsafeBytes { parse($0) }
        } catch {
            isDamaged = true
        }
        if isDamaged { (old, index) = ([], [:]) }
    }

    private func parse(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard bytes.count >= Self.headerLength else { return false }
        let body = UnsafeRawBufferPointer(rebasing: bytes[Self.headerLength...])
        guard header(of: body).elementsEqual(bytes[..<Self.headerLength]) else { return false }
        old = Array(body)
        index.reserveCapacity(body.count / (Self.entryLength + Digest.length))
        var at = 0
        while at < body.count {
            guard at + Self.entryLength <= body.count else { return false }
            let count = Int(UInt32(littleEndian: body.loadUnaligned(fromByteOffset: at + 40, as: UInt32.self)))
            index[UInt64(littleEndian: body.loadUnaligned(fromByteOffset: at, as: UInt64.self))] = at
            at += Self.entryLength + count * Digest.length
        }
        return at == body.count
    }

    private func header(of body: UnsafeRawBufferPointer) -> [UInt8] {
        var header = Self.magic
        key.withBytes { header += $0 }
        for number in [UInt64(body.count), PayloadSum.of(body)] {
            withUnsafeBytes(of: number.littleEndian) { header += $0 }
        }
        header.withUnsafeBytes { hasher.digest($0) }.withBytes { header += $0[..<8] }
        return header
    }

    /// The digests of a file's pieces; nil where it is not known as it is now.
    func digests(of node: PackNode, count: Int) -> [Digest]? {
        guard !node.isElsewhere, let at = index[UInt64(node.inode)] else { return nil }
        let end = at + Self.entryLength + count * Digest.length
        guard end <= old.count else { return nil }
        let expected = Self.entry(node, count: count)
        return old.withUnsafeBytes { bytes in
            guard bytes[at..<at + Self.entryLength].elementsEqual(expected) else { return nil }
            new.append(contentsOf: bytes[at..<end])
            return (0..<count).map {
                let start = at + Self.entryLength + $0 * Digest.length
                return Digest(UnsafeRawBufferPointer(rebasing: bytes[start..<start + Digest.length]))
            }
        }
    }

    /// Keeps what was read, where a later change will be seen.
    /// - Parameter node: as it was before and after.
    func keep(_ digests: [Digest], of node: PackNode) {
        guard let clock, !node.isElsewhere, isSafe(node.mtime, at: clock), isSafe(node.ctime, at: clock) else { return }
        new += Self.entry(node, count: digests.count)
        for digest in digests { digest.withBytes { new += $0 } }
    }

    private func isSafe(_ time: timespec, at clock: timespec) -> Bool {
        (time.tv_sec + Self.margin, time.tv_nsec) < (clock.tv_sec, clock.tv_nsec)
    }

    private static func entry(_ node: PackNode, count: Int) -> [UInt8] {
        withUnsafeTemporaryAllocation(byteCount: entryLength, alignment: 8) { bytes in
            let words = [
                UInt64(node.inode), UInt64(bitPattern: node.size), UInt64(bitPattern: Int64(node.mtime.tv_sec)),
                UInt64(bitPattern: Int64(node.ctime.tv_sec)),
                UInt64(node.mtime.tv_nsec) | UInt64(node.ctime.tv_nsec) << 32, UInt64(count),
            ]
            for (number, word) in words.enumerated() {
                bytes.storeBytes(of: word.littleEndian, toByteOffset: number * 8, as: UInt64.self)
            }
            return Array(bytes)
        }
    }

    /// Replaces the file by what this pack found; not synced: damage is noticed.
    /// - Throws: `SystemError`.
    func save(limit: Int64) throws {
        guard !new.isEmpty, Int64(Self.headerLength + new.count) <= limit else { return Self.remove(path) }
        // Used now; another run may have removed it.
        if new == old, !isDamaged, utimensat(AT_FDCWD, path, nil, 0) == 0 { return }
        let temporary = "\(directory)/\(String(UInt64.random(in: .min ... .max), radix: 16))\(Self.newSuffix)"
        let descriptor = try SystemError.check(
            "write", temporary, open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600))
        defer { close(descriptor) }
        do {
            try SystemError.check("lock", temporary, flock(descriptor, LOCK_EX | LOCK_NB))
            try write(descriptor)
            try SystemError.check("write", path, rename(temporary, path))
        } catch {
            unlink(temporary)
            throw error
        }
    }

    private func write(_ descriptor: Int32) throws {
        var bytes = new.withUnsafeBytes { header(of: $0) }
        bytes += new
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress.map { $0 + done }, $0.count - done)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw SystemError("write", path, code: count < 0 ? errno : ENOSPC) }
            done += count
        }
    }

    /// Removes what a writer left that was killed.
    static func removeUnfinished(_ path: String) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        // Locked while it is written.
        if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { unlink(path) }
    }

    static func remove(_ path: String) { unlink(path) }
}

/// `O_TMPFILE` (open(2)), which Glibc's module leaves out.
private let unnamed: Int32 = 0o20_000_000 | O_DIRECTORY
