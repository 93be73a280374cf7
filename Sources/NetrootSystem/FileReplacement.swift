import Glibc
public import SystemPackage

/// A file on its way into another's place: under a temporary name beside it, then synced and renamed. A reader sees the old
/// content or the new, never a part; what fails leaves the old. The temporary file is locked (flock(2)) as long as it is
/// written, so that the next run knows what one left that was killed.
public final class FileReplacement {
    /// How the temporary file is named.
    public enum Naming: Sendable {
        /// `NAME.netroot-new`, whose place the next run takes where one was killed.
        case fixed
        /// `NAME.netroot-new-` and 16 hexadecimal digits: for files that take long, so that two runs do not meet.
        case unique
    }

    /// Empty, open for reading and writing.
    public let descriptor: FileDescriptor
    private let place: Place
    private let temporary: [UInt8]
    private var isPublished = false

    /// A name in an open directory, or a path.
    private struct Place {
        var directory: DirectoryHandle?
        let name: [UInt8]

        var descriptor: Int32 { directory?.descriptor ?? AT_FDCWD }
        var text: String { directory?.display(name) ?? String(decoding: name, as: UTF8.self) }

        func failure(_ operation: String) -> SystemError { SystemError(operation, text, code: errno) }

        /// A new file. What has the name is never followed or reused: in a root tree somebody may have put a symlink there.
        func make(_ name: [UInt8], mode: UInt32) -> Int32 {
            openat(
                descriptor, DirectoryHandle.terminated(name), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                mode_t(mode))
        }

        func remove(_ name: [UInt8]) -> Bool {
            unlinkat(descriptor, DirectoryHandle.terminated(name), 0) == 0 || errno == ENOENT
        }

        func rename(_ temporary: [UInt8]) -> Bool {
            renameat(
                descriptor, DirectoryHandle.terminated(temporary), descriptor, DirectoryHandle.terminated(name)) == 0
        }
    }

    /// - Parameters:
    ///   - mode: of the temporary file; the umask takes its part.
    /// - Throws: `SystemError`.
    public convenience init(of path: String, naming: Naming = .fixed, mode: UInt32 = 0o600) throws {
        try self.init(Place(name: Array(path.utf8)), naming, mode)
    }

    /// - Parameter name: in the directory, without a slash.
    /// - Throws: `SystemError`.
    public convenience init(of name: [UInt8], in directory: DirectoryHandle) throws {
        try self.init(Place(directory: directory, name: name), .fixed, 0o600)
    }

    private init(_ place: Place, _ naming: Naming, _ mode: UInt32) throws {
        self.place = place
        switch naming {
        case .fixed:
            temporary = place.name + Self.suffix
            descriptor = try Self.makeFixed(temporary, place, mode)
        case .unique:
            Self.removeUnfinished(of: place.text)
            (temporary, descriptor) = try Self.makeUnique(place, mode)
        }
    }

    deinit {
        if !isPublished { _ = place.remove(temporary) }
        close(descriptor.rawValue)
    }

    /// Syncs the file and gives it its name.
    /// - Parameter mode: the permissions, whatever the umask; nil for those that it has.
    /// - Throws: `SystemError`.
    public func publish(mode: UInt32?) throws {
        if let mode, fchmod(descriptor.rawValue, mode_t(mode)) != 0 { throw place.failure("write") }
        guard fsync(descriptor.rawValue) == 0, place.rename(temporary) else { throw place.failure("write") }
        isPublished = true
    }

    /// Replaces a file with what `body` writes.
    /// - Parameter mode: the permissions, whatever the umask; nil leaves those that the filesystem gives a private file.
    /// - Throws: what `body` throws, its `Errno` as a `SystemError`; `SystemError`.
    public static func write<R>(_ path: String, mode: UInt32?, _ body: (FileDescriptor) throws -> R) throws -> R {
        try FileReplacement(of: path).filled(mode, body)
    }

    /// Replaces a file of an open directory with what `body` writes.
    /// - Throws: as above.
    public static func write<R>(
        _ name: [UInt8], in directory: DirectoryHandle, mode: UInt32, _ body: (FileDescriptor) throws -> R
    ) throws -> R {
        try FileReplacement(of: name, in: directory).filled(mode, body)
    }

    private func filled<R>(_ mode: UInt32?, _ body: (FileDescriptor) throws -> R) throws -> R {
        let result = try SystemError.wrap("write", place.text) { try body(descriptor) }
        try publish(mode: mode)
        return result
    }

    /// Replaces what has the name with a symlink, in one step.
    /// - Throws: `SystemError`.
    public static func link(_ path: String, to target: String) throws {
        try link(Place(name: Array(path.utf8)), target)
    }

    /// Replaces what has the name in an open directory with a symlink, in one step.
    /// - Throws: `SystemError`.
    public static func link(_ name: [UInt8], in directory: DirectoryHandle, to target: String) throws {
        try link(Place(directory: directory, name: name), target)
    }

    private static func link(_ place: Place, _ target: String) throws {
        let temporary = place.name + suffix
        guard place.remove(temporary), symlinkat(target, place.descriptor, DirectoryHandle.terminated(temporary)) == 0,
            place.rename(temporary)
        else { throw place.failure("write") }
    }

    // MARK: - Names

    private static let suffix = Array(".netroot-new".utf8)
    static let uniqueSuffix = ".netroot-new-"
    private static let digits = 16

    private static func makeUnique(_ place: Place, _ mode: UInt32) throws -> ([UInt8], FileDescriptor) {
        while true {
            let number = String(UInt64.random(in: .min ... .max), radix: 16)
            let zeros = String(repeating: "0", count: digits - number.count)
            let name = place.name + Array((uniqueSuffix + zeros + number).utf8)
            let made = place.make(name, mode: mode)
            if made < 0, errno == EEXIST { continue }
            guard made >= 0 else { throw place.failure("write") }
            if isOurs(made) { return (name, FileDescriptor(rawValue: made)) }
            close(made)
        }
    }

    private static func makeFixed(_ name: [UInt8], _ place: Place, _ mode: UInt32) throws -> FileDescriptor {
        while true {
            guard place.remove(name) else { throw place.failure("write") }
            let made = place.make(name, mode: mode)
            guard made >= 0 else { throw place.failure("write") }
            if isOurs(made) { return FileDescriptor(rawValue: made) }
            close(made)
        }
    }

    /// Locks a new temporary file. It is not ours where another run took it for a left one before that, and removes it.
    private static func isOurs(_ descriptor: Int32) -> Bool {
        var status = stat()
        // A filesystem without locks has none that is taken, either.
        let isTaken = flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK
        return !isTaken && fstat(descriptor, &status) == 0 && status.st_nlink > 0
    }

    /// Removes what runs left that were killed; what cannot be removed stays.
    public static func removeUnfinished(of path: String) {
        guard let name = FilePath(path).lastComponent else { return }
        removeUnfinished(in: Files.parent(path)) { isUnique($0, of: Array(name.string.utf8)) }
    }

    /// Removes from a directory what runs left that were killed, of whatever file; what cannot be removed stays. Symlinks on
    /// their way (`link`) are left to the next `link` of that name: nothing says whether their owner lives.
    /// - Returns: the paths that were removed.
    @discardableResult
    public static func removeUnfinished(in directory: String) -> [String] {
        removeUnfinished(in: directory) { name in
            if name.count > suffix.count, name.suffix(suffix.count) == suffix[...] { return true }
            let end = name.count - digits - uniqueSuffix.utf8.count
            return end > 0 && isUnique(name, of: Array(name[..<end]))
        }
    }

    @discardableResult
    private static func removeUnfinished(in directory: String, where isTemporary: ([UInt8]) -> Bool) -> [String] {
        guard let folder = openOrNil(directory) else { return [] }
        let found: [[UInt8]]
        do { found = try folder.names() } catch { return [] }
        var removed: [String] = []
        for name in found where isTemporary(name) {
            let descriptor = openat(
                folder.descriptor, DirectoryHandle.terminated(name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
            guard descriptor >= 0 else { continue }
            defer { close(descriptor) }
            var status = stat()
            guard fstat(descriptor, &status) == 0, status.st_uid == geteuid(),
                UInt32(status.st_mode) & FileType.mask == FileType.regular.rawValue,
                flock(descriptor, LOCK_EX | LOCK_NB) == 0,
                unlinkat(folder.descriptor, DirectoryHandle.terminated(name), 0) == 0
            else { continue }
            removed.append(folder.display(name))
        }
        return removed
    }

    private static func openOrNil(_ path: String) -> DirectoryHandle? {
        do { return try DirectoryHandle(path) } catch { return nil }
    }

    private static func isUnique(_ name: [UInt8], of target: [UInt8]) -> Bool {
        let start = target + Array(uniqueSuffix.utf8)
        guard name.count == start.count + digits, name.starts(with: start) else { return false }
        return name.dropFirst(start.count).allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }
}
