import CSquashFS
import Dispatch
import Glibc
public import NetrootConfig
import NetrootSystem

/// Packs a directory tree into a squashfs image (version 4.0, `Documentation/filesystems/squashfs.rst` of Linux).
///
/// Kept are owner, mode, time of modification, hard links, devices, fifos, sockets, holes, and extended attributes in
/// `user.`, `trusted.` and `security.`. The same tree gives the same bytes, with a cache and without.
public struct SquashfsWriter: Sendable {
    /// The root of the tree.
    public let tree: String
    /// The image; replaced in one step when it is whole.
    public let image: String
    /// How blocks are compressed.
    public var compression = BlockCompression.standard
    public var blockSize = BlockSize.standard
    /// Times are clamped to this, in seconds since 1970 (`SOURCE_DATE_EPOCH`); nil for no bound.
    public var latest: UInt32?
    /// Where compressed blocks are kept; nil for nowhere.
    public var cache: BlockCachePlace?
    /// The image's permissions; nil for those that the umask leaves of 0666.
    public var mode: UInt32?
    /// Threads that compress.
    public var workers = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))

    /// Nothing is looked at yet; `write` packs.
    public init(tree: String, image: String) {
        self.tree = tree
        self.image = image
    }

    /// What was packed.
    public struct Report: Sendable, Equatable {
        /// The image's size in bytes.
        public var bytes: Int64 = 0
        /// The sizes of the regular files in bytes, each once however many names it has.
        public var unpackedBytes: Int64 = 0
        /// Inodes of any type.
        public var files = 0
        /// Blocks in the image, and how many of them were in the cache.
        public var blocks = 0
        public var cachedBlocks = 0
        /// What a user should read: attributes that were dropped, what is wrong with the cache.
        public var notes: [String] = []
    }

    /// Packs the tree.
    ///
    /// Until the end the image that was there stays; what was begun is removed where this throws.
    /// - Throws: `PackError`, `SystemError`, `CancellationError`.
    public func write() async throws -> Report {
        let cancelled = CancelFlag()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                // On a thread of its own: it reads and waits for minutes.
                DispatchQueue(label: "netroot.pack.read").async {
                    continuation.resume(with: Result { try pack(cancelled) })
                }
            }
        } onCancel: {
            cancelled.set()
        }
    }

    private func pack(_ cancelled: CancelFlag) throws -> Report {
        try PackPlaces.check(tree: tree, image: image)
        // What is stored as it is needs no cache.
        let cache = compression.codec == .none ? nil : try cache.flatMap { try BlockCache($0) }
        // Also after a failure: what was compressed is worth keeping, and the bound holds.
        defer { cache?.finish() }
        do {
            return try pack(cancelled, cache, trustsSeen: true)
        } catch let mismatch as SeenFiles.Mismatch {
            // Others may have been taken for equal to it.
            var report = try pack(cancelled, cache, trustsSeen: false)
            report.notes.append(
                "\(mismatch.path) was changed without a new change time (ctime); every file was read anew")
            return report
        }
    }

    private func pack(_ cancelled: CancelFlag, _ cache: BlockCache?, trustsSeen: Bool) throws -> Report {
        // Before any file is looked at.
        let clock = cache.flatMap { _ in SeenFiles.clock(of: tree) }
        let xattrs = try PackXattrs(image: image)
        var scan = try PackScan(path: tree, xattrs: xattrs, cancelled: cancelled)
        try scan.run()
        let seen = try cache?.seen(
            root: (UInt64(scan.device), UInt64(scan.tree.nodes[0].inode)),
            cutting: "\(blockSize.bytes) \(FragmentPlan.limit(blockSize: blockSize.bytes))", clock: clock,
            isTrusted: trustsSeen)
        let output = try SquashfsOutput(path: image, mode: mode)
        let compressor = try BlockCompressor(compression, blockSize: blockSize.bytes, image: image)
        var superblock = try begin(output, compressor, scan.tree)
        let stream = try BlockStream(
            output: output, cache: cache, compression: compression, blockSize: blockSize.bytes, workers: workers)
        var contents = try PackContents(
            tree: scan.tree, stream: stream, blockSize: blockSize.bytes, settings: try settings(), seen: seen,
            cancelled: cancelled)
        try contents.run()
        try cancelled.check()
        let metadata = try PackMetadata(
            tree: scan.tree, contents: contents, stream: stream, compressor: compressor, latest: latest)
        try metadata.write(xattrs: xattrs, super: &superblock)
        superblock.bytes_used = output.size
        // Whole blocks of 4 KiB, as every device has them.
        let padding = [UInt8](repeating: 0, count: Int((4096 - output.size % 4096) % 4096))
        try padding.withUnsafeBytes { try output.append($0) }
        try output.check("write", sqfs_super_write(&superblock, output.file))
        try output.publish()
        cache?.finish(seen)
        return Report(
            bytes: Int64(output.size), unpackedBytes: contents.bytes, files: Int(superblock.inode_count),
            blocks: stream.written, cachedBlocks: stream.cached,
            notes: dropped(xattrs) + (cache?.notes ?? []))
    }

    /// The superblock's place, and the compressor's options behind it where they are not the defaults.
    private func begin(
        _ output: SquashfsOutput, _ compressor: BlockCompressor, _ tree: PackTree
    ) throws -> sqfs_super_t {
        var superblock = sqfs_super_t()
        let times = tree.nodes.lazy.map { PackMetadata.time($0, latest: latest) }
        try output.check(
            "write",
            sqfs_super_init(
                &superblock, blockSize.bytes, latest ?? times.max() ?? 0, compression.codec.squashfsID))
        // Whatever libsquashfs calls it: to kernel and unsquashfs the bit says that equal files share their blocks.
        superblock.flags |= UInt16(SQFS_FLAG_NO_DUPLICATES.rawValue)
        if compression.codec == .none {
            for flag in [
                SQFS_FLAG_UNCOMPRESSED_INODES, SQFS_FLAG_UNCOMPRESSED_DATA, SQFS_FLAG_UNCOMPRESSED_FRAGMENTS,
                SQFS_FLAG_UNCOMPRESSED_XATTRS, SQFS_FLAG_UNCOMPRESSED_IDS,
            ] { superblock.flags |= UInt16(flag.rawValue) }
        }
        try output.check("write", sqfs_super_write(&superblock, output.file))
        let options = compressor.pointer.pointee.write_options(compressor.pointer, output.file)
        if try output.check("write", options) > 0 {
            superblock.flags |= UInt16(SQFS_FLAG_COMPRESSOR_OPTIONS.rawValue)
        }
        return superblock
    }

    /// What a compressed block depends on besides the raw block: settings, and the libraries that compress.
    private func settings() throws -> [UInt8] {
        Array("netroot block 1\n\(compression)\n\(blockSize.bytes)\n\(try CodecLibraries.loaded())\n".utf8)
    }

    private func dropped(_ xattrs: PackXattrs) -> [String] {
        let acls = xattrs.droppedACLs
        let others = xattrs.droppedOthers
        guard acls + others > 0 else { return [] }
        var parts: [String] = []
        if acls > 0 { parts.append("\(acls) POSIX ACL\(acls == 1 ? "" : "s")") }
        if others > 0 { parts.append("\(others) other extended attribute\(others == 1 ? "" : "s")") }
        return ["warning: \(parts.joined(separator: " and ")) dropped: squashfs cannot hold them"]
    }
}

/// Where a tree is, and where it is packed to.
enum PackPlaces {
    /// - Throws: `PackError`, `SystemError` where the one cannot be packed into the other.
    static func check(tree: String, image: String) throws {
        guard Files.isDirectory(tree) else { throw PackError.noTree(path: tree) }
        guard !Files.isDirectory(image) else { throw SystemError("write", image, code: EISDIR) }
        guard let inside = canonical(Files.parent(image)), let root = canonical(tree) else {
            throw SystemError("write", image, code: errno)
        }
        if inside == root || root == "/" || inside.hasPrefix(root + "/") {
            throw PackError.imageInsideTree(image: image, tree: tree)
        }
    }

    /// realpath(3).
    private static func canonical(_ path: String) -> String? {
        guard let found = realpath(path, nil) else { return nil }
        defer { free(found) }
        return String(cString: found)
    }
}

/// The libraries that compress, as this process has loaded them.
enum CodecLibraries {
    /// Their files' names, which hold their versions: another version may give other bytes.
    /// - Throws: `SystemError` without `/proc`.
    static func loaded() throws -> String {
        let maps = try Files.text("/proc/self/maps")
        let prefixes = ["libsquashfs.", "libzstd.", "liblzma.", "libz.", "liblz4."]
        var names: Set<Substring> = []
        for line in maps.split(separator: "\n") {
            guard let name = line.split(separator: "/").last, prefixes.contains(where: name.hasPrefix) else { continue }
            names.insert(name)
        }
        return names.sorted().joined(separator: " ")
    }
}

/// `SOURCE_DATE_EPOCH` (reproducible-builds.org/specs/source-date-epoch).
public enum SourceDateEpoch {
    /// Its value from the environment; nil where it is not set.
    /// - Throws: `PackError.badEpoch`.
    public static func current() throws(PackError) -> UInt32? {
        guard let text = getenv("SOURCE_DATE_EPOCH").map({ String(cString: $0) }) else { return nil }
        return try value(text)
    }

    /// - Throws: `PackError.badEpoch` for anything but digits, and for a time after 2106.
    static func value(_ text: String) throws(PackError) -> UInt32 {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let seconds = UInt32(text) else {
            throw PackError.badEpoch(text: text)
        }
        return seconds
    }
}

extension SquashfsWriter {
    /// Whether squashfs has room for an extended attribute of this name: it knows the namespaces `user.`, `trusted.` and
    /// `security.`, and no other.
    public static func keeps(xattr name: [UInt8]) -> Bool {
        ["user.", "trusted.", "security."].contains { name.starts(with: $0.utf8) && name.count > $0.utf8.count }
    }
}
