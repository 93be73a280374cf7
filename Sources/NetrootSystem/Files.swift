import Glibc
public import SystemPackage

/// Reading, and replacing so that a reader sees the old content or the new, never a part.
public enum Files {
    /// The whole of a regular file. What else stands in its place is refused at once: a FIFO is not waited for, and of a file
    /// that is too large nothing is read.
    /// - Parameter limit: the most bytes that are read; a larger file is an error (`EFBIG`).
    /// - Throws: `FileKindError`, `SystemError`.
    public static func read(_ path: String, limit: Int = 64 << 20) throws -> [UInt8] {
        let file = try openRegular(path)
        defer { close(file.rawValue) }
        let size = try FileKindError.requireRegular(file.rawValue, path)
        return try SystemError.wrap("read", path) {
            guard size <= limit else { throw Errno(rawValue: EFBIG) }
            return try read(file, limit: limit)
        }
    }

    /// Opens a regular file for reading, and nothing else: a FIFO is not waited for. The caller closes it.
    /// - Throws: `FileKindError`, `SystemError`.
    public static func openRegular(_ path: String) throws -> FileDescriptor {
        let file = try SystemError.wrap("read", path) {
            try FileDescriptor.open(FilePath(path), .readOnly, options: [.closeOnExec, .nonBlocking])
        }
        do {
            try FileKindError.requireRegular(file.rawValue, path)
        } catch {
            close(file.rawValue)
            throw error
        }
        return file
    }

    /// The whole of an open file, from where it stands.
    /// - Throws: `Errno`.
    public static func read(_ file: FileDescriptor, limit: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = try chunk.withUnsafeMutableBytes { try file.read(into: $0) }
            if count == 0 { return bytes }
            bytes.append(contentsOf: chunk[..<count])
            if bytes.count > limit { throw Errno(rawValue: EFBIG) }
        }
    }

    /// The whole file as text.
    public static func text(_ path: String, limit: Int = 64 << 20) throws -> String {
        String(decoding: try read(path, limit: limit), as: UTF8.self)
    }

    /// Whether something has this name; a dangling symlink has.
    public static func exists(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }

    /// The target of a symlink; nil where it is none, or nothing is there.
    /// - Throws: `SystemError`.
    public static func linkTarget(_ path: String) throws -> String? {
        var buffer = [CChar](repeating: 0, count: 4097)
        let count = readlink(path, &buffer, 4096)
        if count >= 0 { return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self) }
        guard errno == EINVAL || errno == ENOENT || errno == ENOTDIR else {
            throw SystemError("read", path, code: errno)
        }
        return nil
    }

    /// Whether this is a directory, symlinks followed.
    public static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// The size in bytes.
    /// - Throws: `SystemError`.
    public static func size(_ path: String) throws -> Int64 {
        var status = stat()
        try SystemError.check("read", path, stat(path, &status))
        return Int64(status.st_size)
    }

    /// Writes a file under a temporary name beside it, syncs it, and renames it.
    /// - Parameter mode: the permissions, whatever the umask.
    /// - Throws: `SystemError`.
    public static func replace(_ path: String, with bytes: [UInt8], mode: UInt16 = 0o644) throws {
        try FileReplacement.write(path, mode: UInt32(mode)) { _ = try $0.writeAll(bytes) }
    }

    /// Points a symlink at a new target in one step (`rename(2)`), and syncs its directory.
    /// - Throws: `SystemError`.
    public static func replaceLink(_ path: String, target: String) throws {
        try FileReplacement.link(path, to: target)
        try sync(directory: parent(path))
    }

    /// The last name of a path; the path itself where it has none (`/`).
    public static func name(_ path: String) -> String { FilePath(path).lastComponent?.string ?? path }

    /// A path that a file names: relative to the folder of that file, unless it is absolute.
    public static func path(_ path: String, beside file: String) -> String {
        FilePath(file).removingLastComponent().pushing(FilePath(path)).string
    }

    /// The path of the directory that holds a path; `.` for a name alone, and `/` for `/`.
    public static func parent(_ path: String) -> String {
        let parent = FilePath(path).removingLastComponent()
        return parent.isEmpty ? "." : parent.string
    }

    /// Renames a file or directory within a filesystem.
    /// - Throws: `SystemError`.
    public static func move(_ path: String, to target: String) throws {
        try SystemError.check("rename", path, rename(path, target))
    }

    /// Makes the directory and those above it.
    /// - Parameter mode: of the directory itself; those above it that are missing get 0755.
    /// - Throws: `SystemError`.
    public static func makeDirectory(_ path: String, mode: UInt16 = 0o755) throws {
        if isDirectory(path) { return }
        try makeDirectory(parent(path))
        if mkdir(path, mode_t(mode)) != 0 {
            if errno == EEXIST { return }
            throw SystemError("make", path, code: errno)
        }
        // Whatever the umask: the TFTP server is another user.
        try SystemError.check("protect", path, chmod(path, mode_t(mode)))
    }

    /// The names in a directory, sorted; none where it does not exist.
    /// - Throws: `SystemError`.
    public static func names(in directory: String) throws -> [String] {
        guard let stream = opendir(directory) else {
            if errno == ENOENT { return [] }
            throw SystemError("read", directory, code: errno)
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Flushes a file's content to the disk.
    /// - Throws: `SystemError`.
    public static func sync(file: String) throws {
        let descriptor = try SystemError.check("sync", file, open(file, O_RDONLY | O_CLOEXEC))
        defer { close(descriptor) }
        try SystemError.check("sync", file, fsync(descriptor))
    }

    /// Flushes a directory's entries to the disk.
    /// - Throws: `SystemError`.
    public static func sync(directory: String) throws {
        let descriptor = try SystemError.check("sync", directory, open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
        defer { close(descriptor) }
        try SystemError.check("sync", directory, fsync(descriptor))
    }

    /// The free space that this user may fill, in bytes.
    /// - Throws: `SystemError`.
    public static func freeBytes(at path: String) throws -> Int64 {
        var status = statvfs()
        try SystemError.check("read the free space of", path, statvfs(path, &status))
        return Int64(status.f_bavail) * Int64(status.f_frsize)
    }

    /// The nearest directory at or above a path that exists.
    public static func nearestDirectory(_ path: String) -> String {
        var path = path
        while !isDirectory(path) {
            guard path != "/", path != "." else { return path }
            path = parent(path)
        }
        return path
    }
}

/// `O_NOATIME` (open(2)), which Glibc's module leaves out.
public let noAccessTime: Int32 = 0o1000000
