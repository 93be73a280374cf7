import CLinux
public import Glibc

/// A directory that is open, and with it the one way to what is below.
///
/// Paths are bytes, and are resolved by openat2(2) in one call: nothing outside of the directory is reached, whatever
/// somebody puts in the place of a name meanwhile.
public final class DirectoryHandle: Sendable {
    /// How a path is taken.
    public enum Symlinks: Sendable {
        /// A symlink among the names is an error (`ELOOP`), and so is a way out (`EXDEV`).
        case refused
        /// The same, and what is mounted below is not entered (`EXDEV`), bind mounts of the same filesystem included.
        case refusedWithMounts
        /// As a program sees it whose root this directory is: `/` begins here, and `..` ends here.
        case inside
    }

    /// Open for reading; it closes with the handle.
    public let descriptor: Int32
    /// For messages.
    public let path: [UInt8]

    /// Opens a directory by its path on the host, symlinks followed.
    /// - Throws: `SystemError`.
    public convenience init(_ path: String) throws {
        let descriptor = try SystemError.check("read", path, Glibc.open(path, Self.directory))
        self.init(descriptor, Array(path.utf8))
    }

    private init(_ descriptor: Int32, _ path: [UInt8]) {
        self.descriptor = descriptor
        self.path = path
    }

    deinit { close(descriptor) }

    private static let directory = O_RDONLY | O_DIRECTORY | O_CLOEXEC
    private static let slash = UInt8(ascii: "/")

    // MARK: - Opening

    /// A directory below this one, or this one for the empty path.
    /// - Throws: `KernelError`, `SystemError`.
    public func below(_ path: [UInt8], _ symlinks: Symlinks = .refused) throws -> DirectoryHandle {
        DirectoryHandle(try open(path, Self.directory, symlinks), Array(place(path)))
    }

    /// Opens what is below this directory. The caller closes the descriptor.
    /// - Parameters:
    ///   - path: may begin with slashes; empty for the directory itself.
    ///   - flags: those of openat(2); `O_CLOEXEC` is added.
    ///   - mode: the permissions of a file that is made.
    /// - Throws: `KernelError`, `SystemError`.
    public func open(
        _ path: [UInt8], _ flags: Int32, _ symlinks: Symlinks = .refused, mode: UInt32 = 0
    ) throws -> Int32 {
        let (descriptor, code) = opened(path, flags, symlinks, mode)
        guard descriptor < 0 else { return descriptor }
        guard code != ENOSYS else { throw KernelError(call: "openat2(2)", since: "5.6") }
        throw failure(flags & (O_WRONLY | O_RDWR) == 0 ? "read" : "write", path, code: code)
    }

    /// Opens a file or directory for reading, without a change of its access time where the kernel lets us: for its owner
    /// and root. A FIFO is not waited for.
    /// - Throws: `KernelError`, `SystemError`.
    public func openQuietly(_ path: [UInt8], _ flags: Int32 = 0) throws -> Int32 {
        let flags = flags | O_RDONLY | O_NONBLOCK
        let (descriptor, _) = opened(path, flags | noAccessTime, .refused, 0)
        // EPERM: it is somebody else's. Any other failure comes again, and with it its error.
        return descriptor >= 0 ? descriptor : try open(path, flags)
    }

    private func opened(
        _ path: [UInt8], _ flags: Int32, _ symlinks: Symlinks, _ mode: UInt32
    ) -> (descriptor: Int32, code: Int32) {
        let resolve: Int32
        switch symlinks {
        case .refused: resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS
        case .refusedWithMounts:
            resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV
        case .inside: resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS
        }
        var rest = path.drop { $0 == Self.slash }
        var above = descriptor
        defer { if above != descriptor { close(above) } }
        // PATH_MAX holds for one call. Where symlinks may lead back, a path cannot be taken in parts.
        while symlinks != .inside, rest.count >= Int(PATH_MAX) {
            let part = rest.prefix(Int(PATH_MAX) - 1)
            guard let end = part.lastIndex(of: Self.slash) else { return (-1, ENAMETOOLONG) }
            let next = Self.call(above, rest[..<end], Self.placeOnly | O_DIRECTORY, 0, resolve)
            guard next.descriptor >= 0 else { return next }
            if above != descriptor { close(above) }
            above = next.descriptor
            rest = rest[end...].drop { $0 == Self.slash }
        }
        return Self.call(above, rest, flags, mode, resolve)
    }

    private static func call(
        _ directory: Int32, _ path: ArraySlice<UInt8>, _ flags: Int32, _ mode: UInt32, _ resolve: Int32
    ) -> (descriptor: Int32, code: Int32) {
        let name = path.isEmpty ? [CChar(bitPattern: UInt8(ascii: ".")), 0] : terminated(path)
        // openat2(2): EAGAIN where a rename somewhere made the kernel unsure of a `..`; it is to be tried again.
        for _ in 0..<100 {
            let descriptor = openat2_call(directory, name, flags | O_CLOEXEC, mode, UInt64(resolve))
            guard descriptor < 0 else { return (descriptor, 0) }
            guard errno == EAGAIN || errno == EINTR else { return (-1, errno) }
        }
        return (-1, EAGAIN)
    }

    /// `O_PATH` (open(2)): the place of a file is opened, not the file. Nothing is waited for, and no right to read is needed.
    public static let placeOnly: Int32 = 0o10_000_000

    // MARK: - For calls and messages

    /// The path of a name or path in the directory, for messages.
    public func display(_ name: [UInt8]) -> String { String(decoding: place(name), as: UTF8.self) }

    private func place(_ name: [UInt8]) -> [UInt8] {
        let name = name.drop { $0 == Self.slash }
        return name.isEmpty ? path : path + [Self.slash] + name
    }

    /// The last error of a call on a name in the directory.
    public func failure(_ operation: String, _ name: [UInt8], code: Int32 = errno) -> SystemError {
        SystemError(operation, display(name), code: code)
    }

    /// A path of a name in the directory for the calls that take no descriptor, and that follow no symlink at the end.
    public func procPath(_ name: [UInt8]) -> [CChar] {
        Self.terminated(Array("/proc/self/fd/\(descriptor)/".utf8) + (name.isEmpty ? [UInt8(ascii: ".")] : name))
    }

    /// A path split into that of its directory and its last name; both without slashes at the ends. The name is empty for
    /// the root itself.
    public static func split(_ path: [UInt8]) -> (directory: [UInt8], name: [UInt8]) {
        let end = (path.lastIndex { $0 != slash }).map { $0 + 1 } ?? 0
        let path = path[..<end].drop { $0 == slash }
        guard let last = path.lastIndex(of: slash) else { return ([], Array(path)) }
        let directoryEnd = (path[..<last].lastIndex { $0 != slash }).map { $0 + 1 } ?? path.startIndex
        return (Array(path[..<directoryEnd]), Array(path[(last + 1)...]))
    }

    /// Bytes with the NUL that ends them in C.
    public static func terminated(_ bytes: some Sequence<UInt8>) -> [CChar] {
        bytes.map { CChar(bitPattern: $0) } + [0]
    }

    // MARK: - Reading

    /// `lstat(2)` of a name in the directory; of the directory itself for an empty one.
    /// - Throws: `SystemError`.
    public func status(_ name: [UInt8] = []) throws -> stat {
        var status = stat()
        let result =
            name.isEmpty
            ? fstat(descriptor, &status) : fstatat(descriptor, Self.terminated(name), &status, AT_SYMLINK_NOFOLLOW)
        guard result == 0 else { throw failure("read", name) }
        return status
    }

    /// The names in the directory but `.` and `..`, sorted by their bytes.
    /// - Throws: `SystemError`.
    public func names() throws -> [[UInt8]] { try Self.names(in: descriptor) { failure("read", [], code: $0) } }

    /// The names in an open directory, sorted by their bytes.
    public static func names(in descriptor: Int32, failing: (Int32) -> any Error) throws -> [[UInt8]] {
        // closedir(3) closes the stream's descriptor.
        let own = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        guard own >= 0 else { throw failing(errno) }
        guard let stream = fdopendir(own) else {
            let code = errno
            close(own)
            throw failing(code)
        }
        defer { closedir(stream) }
        rewinddir(stream)
        var names: [[UInt8]] = []
        while true {
            // readdir(3) tells an error from the end by errno alone.
            errno = 0
            guard let entry = readdir(stream) else {
                guard errno == 0 else { throw failing(errno) }
                return names.sorted { $0.lexicographicallyPrecedes($1) }
            }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            if name != [0x2E], name != [0x2E, 0x2E] { names.append(name) }
        }
    }

    /// The target of a symlink in the directory.
    /// - Throws: `SystemError`; `EINVAL` where it is not a symlink.
    public func target(of name: [UInt8]) throws -> [UInt8] {
        try Self.target(of: name, in: descriptor) { failure("read", name, code: $0) }
    }

    /// The target of a symlink in an open directory.
    public static func target(
        of name: [UInt8], in descriptor: Int32, failing: (Int32) -> any Error
    ) throws -> [UInt8] {
        try withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(PATH_MAX)) { buffer in
            guard let base = buffer.baseAddress else { return [] }
            let count = readlinkat(descriptor, terminated(name), base, buffer.count)
            guard count >= 0 else { throw failing(errno) }
            return buffer[..<count].map { UInt8(bitPattern: $0) }
        }
    }

    /// What a call puts into a buffer, which grows until it is large enough (listxattr(2): ERANGE).
    public static func sized(
        _ call: (UnsafeMutablePointer<CChar>?, Int) -> Int, failing: (Int32) -> any Error
    ) throws -> [UInt8] {
        var capacity = 1 << 10
        while true {
            var code: Int32 = 0
            let bytes: [UInt8]? = withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity) { buffer in
                let count = call(buffer.baseAddress, capacity)
                code = errno
                return count < 0 ? nil : buffer[..<count].map { UInt8(bitPattern: $0) }
            }
            if let bytes { return bytes }
            switch code {
            case ERANGE where capacity < 1 << 20: capacity *= 2
            // A filesystem without them; an attribute that was listed to others than root only.
            case ENOTSUP, ENODATA: return []
            default: throw failing(code)
            }
        }
    }
}

/// The kernel lacks a system call that netroot needs.
public struct KernelError: ReportableError, Equatable {
    /// With its section of the manual.
    public let call: String
    /// The version of Linux that brought it.
    public let since: String

    /// Always `.unavailable`.
    public var exitStatus: ExitStatus { .unavailable }

    /// What is missing, and what to do.
    public var description: String {
        "this kernel has no \(call); netroot needs Linux \(since) or later, and a container whose seccomp profile allows it"
    }
}
