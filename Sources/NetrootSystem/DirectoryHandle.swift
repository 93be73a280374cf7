import Glibc

/// A directory that is open, and with it the way to those below.
///
/// Paths are opened name by name, and a symlink among the names is an error: whatever somebody puts in the place of a
/// directory meanwhile, nothing outside is reached.
public final class DirectoryHandle: Sendable {
    public let descriptor: Int32
    /// For messages.
    let path: [UInt8]

    /// - Throws: `SystemError`.
    public convenience init(_ path: String) throws {
        let descriptor = try SystemError.check("read", path, open(path, Self.flags))
        self.init(descriptor, Array(path.utf8))
    }

    private init(_ descriptor: Int32, _ path: [UInt8]) {
        self.descriptor = descriptor
        self.path = path
    }

    deinit { close(descriptor) }

    private static let flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC

    /// A directory below this one, by a path with a slash before each name; this one for the empty path.
    /// - Throws: `SystemError`.
    public func below(_ path: [UInt8]) throws -> DirectoryHandle {
        var handle = self
        for name in path.split(separator: UInt8(ascii: "/")) {
            let next = openat(handle.descriptor, Self.terminated(name), Self.flags | O_NOFOLLOW)
            guard next >= 0 else { throw failure("read", name, in: handle.path, errno) }
            handle = DirectoryHandle(next, handle.path + [UInt8(ascii: "/")] + name)
        }
        return handle
    }

    /// The path of a name in the directory, for messages.
    public func display(_ name: [UInt8]) -> String {
        String(decoding: name.isEmpty ? path : path + [UInt8(ascii: "/")] + name, as: UTF8.self)
    }

    /// The last error of a call on a name in the directory.
    public func failure(_ operation: String, _ name: [UInt8], code: Int32? = nil) -> SystemError {
        SystemError(operation, display(name), code: code ?? errno)
    }

    private func failure(
        _ operation: String, _ name: ArraySlice<UInt8>, in path: [UInt8], _ code: Int32
    ) -> SystemError {
        SystemError(operation, String(decoding: path + [UInt8(ascii: "/")] + name, as: UTF8.self), code: code)
    }

    /// A path of a name in the directory for the calls that take no descriptor, and that follow no symlink at the end.
    public func place(_ name: [UInt8]) -> [CChar] {
        Self.terminated(Array("/proc/self/fd/\(descriptor)/".utf8) + (name.isEmpty ? [UInt8(ascii: ".")] : name))
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

    public static func terminated(_ bytes: some Sequence<UInt8>) -> [CChar] {
        bytes.map { CChar(bitPattern: $0) } + [0]
    }
}
