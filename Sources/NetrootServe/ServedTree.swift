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
    var normalPath: String { String(decoding: MountPath(Array(path.utf8)).bytes, as: UTF8.self) }
}

/// A path as MNT names it. Slashes that are too many and dots between slashes are no part of it.
struct MountPath: Equatable {
    let names: [[UInt8]]

    init(_ bytes: [UInt8]) {
        names = bytes.split(separator: UInt8(ascii: "/")).filter { $0 != [UInt8(ascii: ".")] }.map { Array($0) }
    }

    /// With a slash before each name.
    var bytes: [UInt8] { names.isEmpty ? [UInt8(ascii: "/")] : names.flatMap { [UInt8(ascii: "/")] + $0 } }
}

/// What tells a file from one that takes its place while the first is open.
struct FileIdentity: Equatable, Sendable {
    var device: UInt64
    var inode: UInt64

    init(device: UInt64, inode: UInt64) {
        self.device = device
        self.inode = inode
    }

    init(_ status: stat) {
        self.init(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
    }
}

/// An export and its tables, which all connections share.
final class ServedTree: Sendable {
    let export: Export
    let path: String
    /// The names of the path.
    let mountPath: MountPath
    /// FNV-1a of the path.
    let pathHash: UInt32
    /// What file handles have for `pathHash`: another one where another tree has taken the path and the generation of
    /// this, for inode numbers are used again, and a client would read one file for another.
    let handleHash: UInt32
    /// Whether it took the place of another while the server ran. Handles without a mark of the tree, as they were made
    /// before, are those of the other then.
    let isRemade: Bool
    private let identity: FileIdentity
    /// Of an image: how its file was last seen, and its mark.
    private let stamp: Mutex<SquashfsFileStamp?>
    private let mark: UInt64
    private let state: Mutex<TreeState>
    /// How many threads that may wait for the disk have the tables, or want them.
    private let waiting = Atomic<Int>(0)
    private let isUsed = Atomic(false)
    private let use = Mutex(false)
    private let lastLook = Atomic<UInt32>(0)
    /// Whether another tree has taken its place.
    private let isReplaced = Atomic(false)
    private let hasUnreadable = Atomic(false)
    private let isFull = Atomic(false)
    private let unreadable = Mutex<[UInt64: UInt64]>([:])
    /// The files of which the log has been told that they cannot be read.
    private let noted = Mutex<Set<UInt64>>([])
    static let mostNotes = 100

    /// Opens the tree and reads all of it.
    /// - Parameters:
    ///   - cache: where blocks of images are kept, for all trees of a server.
    ///   - former: the one that was served and of which it takes the place.
    /// - Throws: `.unreadableExport`, `.unreadableImage`.
    init(
        _ export: Export, limits: NFSLimits, descriptors: DescriptorCache, cache: SquashfsCache = SquashfsCache(),
        former: Former? = nil
    ) throws(ServeError) {
        self.export = export
        path = export.normalPath
        mountPath = MountPath(Array(export.path.utf8))
        pathHash = Self.hash(path)
        let opened: TreeState
        let mark: UInt64
        var stamp: SquashfsFileStamp?
        if export.isImage {
            do throws(SquashfsReadError) {
                let image = try SquashfsReader(export.directory, cache: cache)
                mark = image.mark
                stamp = image.fileStamp
                opened = try TreeState.open(image, descriptors: descriptors, now: monotonicSeconds())
            } catch {
                throw .unreadableImage(path: export.path, error: error)
            }
        } else {
            do throws(Errno) {
                opened = try TreeState.open(
                    directory: export.directory, limits: limits, descriptors: descriptors, now: monotonicSeconds())
                mark = opened.mark
            } catch {
                throw .unreadableExport(path: export.path, directory: export.directory, reason: "\(error)")
            }
        }
        self.mark = mark
        self.stamp = Mutex(stamp)
        handleHash = pathHash ^ Self.hash(mark)
        if let former {
            isRemade = former.handleHash != handleHash || former.isRemade
        } else {
            isRemade = false
        }
        identity = opened.identity
        state = Mutex(opened)
    }

    /// What is to be known of a tree when another one takes its place, or it comes back.
    struct Former {
        var handleHash: UInt32
        var isRemade: Bool
    }

    var former: Former { Former(handleHash: handleHash, isRemade: isRemade) }

    static func hash(_ path: String) -> UInt32 {
        var path = path
        return path.withUTF8 { fnv1a(UnsafeRawBufferPointer($0)) }
    }

    private static func hash(_ mark: UInt64) -> UInt32 { withUnsafeBytes(of: mark.littleEndian) { fnv1a($0) } }

    /// `fsid` of the attributes: two generations are two filesystems, though they lie on one.
    var fileSystem: UInt64 { UInt64(pathHash) << 32 | UInt64(export.generation) }

    /// A handle for an inode of this tree.
    func handle(_ inode: UInt64) -> FileHandle {
        FileHandle(export: handleHash, generation: export.generation, inode: inode)
    }

    /// Whether a handle is of this tree.
    func owns(_ handle: FileHandle) -> Bool {
        guard export.generation == handle.generation, !isReplaced.load(ordering: .relaxed) else { return false }
        return handle.export == handleHash || handle.export == pathHash && !isRemade
    }

    /// Calls `body` with the tables, alone.
    /// - Parameter mayBlock: whether the caller may wait for the disk, and for others who wait for it.
    /// - Throws: `.later` where it may not, and would have to.
    func withState<R>(
        _ mayBlock: Bool, _ body: (inout TreeState) throws(NFSStatus) -> sending R
    ) throws(NFSStatus) -> R {
        if mayBlock {
            waiting.wrappingAdd(1, ordering: .relaxed)
            defer { waiting.wrappingSubtract(1, ordering: .relaxed) }
            return try state.withLock { (state) throws(NFSStatus) in
                state.mayBlock = true
                return try body(&state)
            }
        }
        while true {
            let result = try state.withLockIfAvailable { (state) throws(NFSStatus) -> R in
                state.mayBlock = false
                return try body(&state)
            }
            if let result { return result }
            if waiting.load(ordering: .relaxed) > 0 { throw .later }
            // Another loop has it, for a microsecond.
            sched_yield()
        }
    }

    /// From where on a file has failed in the middle of a READ; nil where none has.
    func firstUnreadable(of inode: UInt64) -> UInt64? {
        guard hasUnreadable.load(ordering: .relaxed) else { return nil }
        return unreadable.withLock { $0[inode] }
    }

    /// Whether there are more bad files than can be noted: then no READ of those that are not may be promised more than
    /// one piece, which is read before the reply begins.
    var hasManyUnreadable: Bool { isFull.load(ordering: .relaxed) }

    func note(unreadable offset: UInt64, of inode: UInt64) {
        unreadable.withLock { unreadable in
            guard unreadable.count < Self.mostNotes || unreadable[inode] != nil else {
                isFull.store(true, ordering: .relaxed)
                return
            }
            unreadable[inode] = min(offset, unreadable[inode] ?? .max)
        }
        hasUnreadable.store(true, ordering: .relaxed)
    }

    /// Whether a file's failure is to be told: once each, and not of very many.
    func isNew(failure inode: UInt64) -> Bool {
        noted.withLock { $0.count < Self.mostNotes && $0.insert(inode).inserted }
    }

    /// Whether `use(first:)` has anything left to do.
    var wasUsed: Bool { isUsed.load(ordering: .acquiring) }

    /// Calls `body` the first time; whoever comes meanwhile waits for it.
    func use(first body: (Export) -> Void) {
        use.withLock { wasUsed in
            guard !wasUsed else { return }
            wasUsed = true
            body(export)
            isUsed.store(true, ordering: .releasing)
        }
    }
}

/// What lies where the tree was opened.
extension ServedTree {
    private enum Place {
        case same, another, empty
    }

    /// Whether the directory or the image is still there, and no other has its place.
    var isPresent: Bool { place == .same }

    /// Whether there is another one in its place.
    var hasSuccessor: Bool { place == .another }

    private var place: Place {
        var status = stat()
        guard stat(export.directory, &status) == 0 else { return .empty }
        guard FileIdentity(status) == identity else { return .another }
        return stamp.withLock { known in
            let found = SquashfsFileStamp(status)
            guard let seen = known, seen != found else { return .same }
            let mark: UInt64
            do throws(SquashfsReadError) {
                mark = try SquashfsReader.mark(ofImageAt: export.directory)
            } catch {
                // It is being overwritten: the next look finds the whole of it.
                return .same
            }
            // What was written, though it is the same image in the end, may have been read while it was not whole.
            guard mark == self.mark, seen.modified == found.modified, seen.size == found.size else { return .another }
            known = found
            return .same
        }
    }

    /// Its handles are good no longer.
    func retire() { isReplaced.store(true, ordering: .relaxed) }

    /// Whether it is time to look whether another has its place; for one of those who ask.
    func isLookDue(now: UInt32, every seconds: Int) -> Bool {
        let last = lastLook.load(ordering: .relaxed)
        guard now &- last >= UInt32(max(1, seconds)) else { return false }
        return lastLook.compareExchange(expected: last, desired: now, ordering: .relaxed).exchanged
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
