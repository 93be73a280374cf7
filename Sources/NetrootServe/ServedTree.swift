import Glibc
import NetrootImage
import Synchronization

/// A tree that is offered to clients.
public struct Export: Sendable, Hashable {
    /// The name that MNT is asked for, for example `/debian12`.
    public var path: String
    /// The tree on disk; of an image, its file.
    public var directory: String
    /// Whether `directory` is a squashfs image, which is served without being unpacked.
    public private(set) var isImage = false
    /// The generation, part of every file handle: handles of another generation are stale, never mixed up.
    public var generation: UInt32

    /// An export of `directory` under the name `path`.
    public init(path: String, directory: String, generation: UInt32) {
        self.path = path
        self.directory = directory
        self.generation = generation
    }

    /// An export of a squashfs image under the name `path`.
    public init(path: String, image: String, generation: UInt32) {
        self.init(path: path, directory: image, generation: generation)
        isImage = true
    }

    /// The path without slashes at its end.
    var normalPath: String {
        var path = Substring(path)
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        return String(path)
    }
}

/// An export and its tables, which all connections share.
final class ServedTree: Sendable {
    let export: Export
    let path: String
    /// FNV-1a of the path.
    let pathHash: UInt32
    private let state: Mutex<TreeState>
    private let isUsed = Mutex(false)
    /// The files of which the log has been told that they cannot be read.
    private let noted = Mutex<Set<UInt64>>([])
    private static let mostNotes = 100

    /// Opens the tree and reads all of it.
    /// - Parameter cache: where blocks of images are kept, for all trees of a server.
    /// - Throws: `.unreadableExport`, `.unreadableImage`.
    init(
        _ export: Export, limits: NFSLimits, descriptors: DescriptorCache, cache: SquashfsCache = SquashfsCache()
    ) throws(ServeError) {
        self.export = export
        path = export.normalPath
        pathHash = Self.hash(path)
        if export.isImage {
            do throws(SquashfsReadError) {
                let image = try SquashfsReader(export.directory, cache: cache)
                state = Mutex(try TreeState.open(image, descriptors: descriptors, now: monotonicSeconds()))
            } catch {
                throw .unreadableImage(path: export.path, error: error)
            }
            return
        }
        do throws(Errno) {
            state = Mutex(
                try TreeState.open(
                    directory: export.directory, limits: limits, descriptors: descriptors, now: monotonicSeconds()))
        } catch {
            throw .unreadableExport(path: export.path, directory: export.directory, reason: "\(error)")
        }
    }

    static func hash(_ path: String) -> UInt32 {
        var path = path
        return path.withUTF8 { fnv1a(UnsafeRawBufferPointer($0)) }
    }

    /// `fsid` of the attributes: two generations are two filesystems, though they lie on one.
    var fileSystem: UInt64 { UInt64(pathHash) << 32 | UInt64(export.generation) }

    /// A handle for an inode of this tree.
    func handle(_ inode: UInt64) -> FileHandle {
        FileHandle(export: pathHash, generation: export.generation, inode: inode)
    }

    /// Calls `body` with the tables, alone.
    func withState<R>(_ body: (inout TreeState) throws(NFSStatus) -> sending R) throws(NFSStatus) -> R {
        try state.withLock { (state) throws(NFSStatus) in try body(&state) }
    }

    /// Whether a file's failure is to be told: once each, and not of very many.
    func isNew(failure inode: UInt64) -> Bool {
        noted.withLock { $0.count < Self.mostNotes && $0.insert(inode).inserted }
    }

    /// Calls `body` the first time; whoever comes meanwhile waits for it.
    func use(first body: (Export) -> Void) {
        isUsed.withLock { isUsed in
            guard !isUsed else { return }
            isUsed = true
            body(export)
        }
    }
}

/// Seconds of a clock that only goes forward.
func monotonicSeconds() -> UInt32 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC_COARSE, &time)
    // A difference is what counts, so the wrap after 136 years does no harm. Never below a day, so that "long ago"
    // needs no negative number.
    return UInt32(truncatingIfNeeded: time.tv_sec) &+ 86_400
}

extension ServedTree {
    /// Whether the directory or the image is still there.
    var isPresent: Bool { access(export.directory, F_OK) == 0 }
}
