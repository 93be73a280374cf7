import CNFS
import Glibc
import NetrootSystem

/// A mounted export, through libnfs. The only user of that library.
final class NFSClientContext {
    /// What is known of a file on the server.
    struct Status: Equatable {
        var inode: UInt64
        var mode: UInt32
        var size: UInt64
        var user: UInt32
        var group: UInt32
        var type: NFSFileType { NFSFileType(mode: mode) }
    }

    /// A name in a directory on the server.
    struct Entry {
        var name: [UInt8]
        var type: UInt32
        var size: UInt64
    }

    private let context: OpaquePointer
    private let target: NFSTarget
    private let timeoutSeconds: Int

    /// Mounts the export of a target.
    /// - Throws: `.connectionRefused`, `.notExported`, `.timedOut`, `.probeFailed`, `.resource`.
    init(_ target: NFSTarget, timeoutSeconds: Int) throws(ServeError) {
        guard let context = nfs_init_context() else {
            throw .resource(what: "a libnfs context", reason: "out of memory")
        }
        self.context = context
        self.target = target
        self.timeoutSeconds = timeoutSeconds
        try connectOnce()
        nfs_set_timeout(context, Int32(clamping: timeoutSeconds * 1000))
        nfs_set_autoreconnect(context, 0)
        // The path is set by nfs_mount below; parsing the URL sets the ports and the version in the context.
        let url =
            "nfs://\(target.host)/?version=3&nfsport=\(target.port)&mountport=\(target.port)&auto-traverse-mounts=0"
        guard let parsed = nfs_parse_url_incomplete(context, url) else {
            throw .probeFailed(target: target.server, path: target.path, reason: lastError)
        }
        nfs_destroy_url(parsed)
        let result = nfs_mount(context, target.host, target.path)
        guard result == 0 else { throw mountError(result) }
    }

    deinit {
        nfs_destroy_context(context)
    }

    /// Attributes of the name itself, not of what a symlink leads to.
    func status(_ path: [UInt8]) throws(ServeError) -> Status {
        var status = nfs_stat_64()
        try wrap(path) { nfs_lstat64(context, $0, &status) }
        return Status(
            inode: status.nfs_ino, mode: UInt32(truncatingIfNeeded: status.nfs_mode), size: status.nfs_size,
            user: UInt32(truncatingIfNeeded: status.nfs_uid), group: UInt32(truncatingIfNeeded: status.nfs_gid))
    }

    /// The target of a symlink.
    func readLink(_ path: [UInt8]) throws(ServeError) -> [UInt8] {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        try wrap(path) { nfs_readlink(context, $0, &buffer, Int32(buffer.count)) }
        return buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:))
    }

    /// A directory's entries, without `.` and `..`.
    func entries(_ path: [UInt8]) throws(ServeError) -> [Entry] {
        var directory: OpaquePointer?
        try wrap(path) { nfs_opendir(context, $0, &directory) }
        guard let directory else { throw .probeFailed(target: target.server, path: target.path, reason: lastError) }
        defer { nfs_closedir(context, directory) }
        var list: [Entry] = []
        while let entry = nfs_readdir(context, directory) {
            guard let start = entry.pointee.name else { continue }
            let name = Array(UnsafeRawBufferPointer(start: start, count: strlen(start)))
            if name == [0x2E] || name == [0x2E, 0x2E] { continue }
            list.append(Entry(name: name, type: entry.pointee.type, size: entry.pointee.size))
        }
        return list
    }

    /// Reads a file from start to end, a piece of at most 256 KiB at a time.
    func read(_ path: [UInt8], _ body: (UnsafeRawBufferPointer) -> Void) throws(ServeError) {
        var file: OpaquePointer?
        try wrap(path) { nfs_open(context, $0, O_RDONLY, &file) }
        guard let file else { throw .probeFailed(target: target.server, path: target.path, reason: lastError) }
        defer { nfs_close(context, file) }
        var buffer = [UInt8](repeating: 0, count: 256 << 10)
        var offset: UInt64 = 0
        while true {
            let count = try wrap(path) { _ in
                buffer.withUnsafeMutableBytes { nfs_pread(context, file, offset, UInt64($0.count), $0.baseAddress) }
            }
            guard count > 0 else { return }
            offset += UInt64(count)
            buffer.withUnsafeBytes { bytes in
                body(UnsafeRawBufferPointer(rebasing: bytes.prefix(Int(count))))
            }
        }
    }

    /// Calls libnfs with a path as a C string, and makes an error of a negative result.
    @discardableResult
    private func wrap(_ path: [UInt8], _ call: (UnsafePointer<CChar>) -> Int32) throws(ServeError) -> Int32 {
        let result = (path + [0]).withUnsafeBytes { bytes in
            bytes.withMemoryRebound(to: CChar.self) { $0.baseAddress.map(call) ?? -EINVAL }
        }
        guard result < 0 else { return result }
        if result == -ETIMEDOUT { throw .timedOut(target: target.server, seconds: timeoutSeconds) }
        let name = TerminalText.line(path)
        throw .probeFailed(target: target.server, path: target.path, reason: "\(name): \(lastError)")
    }

    private func mountError(_ result: Int32) -> ServeError {
        // libnfs gives most of what MNT answers as EFAULT or EPERM, and the status in the text alone.
        let text = lastError
        if ["MNT3ERR_NOENT", "MNT3ERR_ACCES", "MNT3ERR_NOTDIR"].contains(where: text.contains) {
            return .notExported(target: target.server, path: target.path)
        }
        return switch -result {
        case ENOENT, EACCES, ENOTDIR: .notExported(target: target.server, path: target.path)
        case ETIMEDOUT, EINTR: .timedOut(target: target.server, seconds: timeoutSeconds)
        case ECONNREFUSED: .connectionRefused(target: target.server)
        default: .probeFailed(target: target.server, path: target.path, reason: text)
        }
    }

    private var lastError: String {
        guard let text = nfs_get_error(context) else { return "unknown error" }
        // libnfs may put several lines into one message.
        return String(cString: text).split(separator: "\n").first.map(String.init) ?? "unknown error"
    }

    /// Connects and disconnects, with a deadline: libnfs tells a refused connection from other failures by text alone.
    private func connectOnce() throws(ServeError) {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let found = getaddrinfo(target.host, "\(target.port)", &hints, &list)
        guard found == 0, let first = list else {
            throw .probeFailed(
                target: target.server, path: target.path,
                reason: "\(target.host): \(String(cString: gai_strerror(found)))")
        }
        defer { freeaddrinfo(list) }
        let descriptor = socket(first.pointee.ai_family, first.pointee.ai_socktype | Int32(SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { throw .resource(what: "a socket", reason: "\(Errno.current)") }
        defer { close(descriptor) }
        var error = connect(descriptor, first.pointee.ai_addr, first.pointee.ai_addrlen) == 0 ? 0 : errno
        if error == EINPROGRESS {
            var wait = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            guard poll(&wait, 1, Int32(clamping: timeoutSeconds * 1000)) > 0 else {
                throw .timedOut(target: target.server, seconds: timeoutSeconds)
            }
            var size = socklen_t(MemoryLayout<Int32>.size)
            guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) == 0 else {
                throw .resource(what: "the state of a socket", reason: "\(Errno.current)")
            }
        }
        switch error {
        case 0: break
        case ECONNREFUSED: throw .connectionRefused(target: target.server)
        default: throw .probeFailed(target: target.server, path: target.path, reason: "\(Errno(code: error))")
        }
    }
}
