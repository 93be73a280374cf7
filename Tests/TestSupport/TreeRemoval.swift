import Glibc
import NetrootSystem

/// Removes a tree by directory handles, as `rm -rf --one-file-system` does: names need not be text, a path may be longer than
/// the kernel takes, a directory need not be writable, and what is mounted in it is left.
struct TreeRemoval {
    private let device: dev_t
    private var failure: SystemError?

    /// Removes what has this name; nothing where there is none.
    /// - Throws: `SystemError`, the first, when all that can be removed has been.
    static func remove(_ path: String) throws {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { return }
            throw SystemError("read", path, code: errno)
        }
        var removal = TreeRemoval(device: status.st_dev)
        removal.remove(Array(path.utf8CString), in: AT_FDCWD, path)
        if let failure = removal.failure { throw failure }
    }

    private init(device: dev_t) { self.device = device }

    /// - Parameters:
    ///   - name: with the NUL.
    ///   - path: for the error.
    private mutating func remove(_ name: [CChar], in directory: Int32, _ path: String) {
        var status = stat()
        guard check("read", path, fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW)) else { return }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            _ = check("remove", path, unlinkat(directory, name, 0))
            return
        }
        guard status.st_dev == device else {
            note("remove", path, EBUSY)
            return
        }
        let needed = S_IRUSR | S_IWUSR | S_IXUSR
        if status.st_mode & needed != needed { _ = check("protect", path, fchmodat(directory, name, needed, 0)) }
        removeContents(of: name, in: directory, path)
        _ = check("remove", path, unlinkat(directory, name, AT_REMOVEDIR))
    }

    private mutating func removeContents(of name: [CChar], in directory: Int32, _ path: String) {
        let descriptor = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard check("read", path, descriptor) else { return }
        guard let stream = fdopendir(descriptor) else {
            note("read", path, errno)
            close(descriptor)
            return
        }
        defer { closedir(stream) }
        var names: [[CChar]] = []
        while let entry = readdir(stream) {
            names.append(
                withUnsafeBytes(of: &entry.pointee.d_name) {
                    $0.prefix { $0 != 0 }.map { CChar(bitPattern: $0) }
                })
        }
        for name in names where name != [0x2E] && name != [0x2E, 0x2E] {
            let text = String(decoding: name.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            remove(name + [0], in: descriptor, "\(path)/\(text)")
        }
    }

    /// Whether a call succeeded. What somebody else has removed meanwhile is no failure.
    private mutating func check(_ action: String, _ path: String, _ result: Int32) -> Bool {
        if result < 0, errno != ENOENT { note(action, path, errno) }
        return result >= 0
    }

    private mutating func note(_ action: String, _ path: String, _ code: Int32) {
        if failure == nil { failure = SystemError(action, path, code: code) }
    }
}
