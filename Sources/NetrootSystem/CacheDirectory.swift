import Glibc

/// A directory of the cache, which only its owner can write: what others put there would get into roots.
public enum CacheDirectory {
    /// Makes the directory for its owner alone, and checks it and those above it up to the one that holds all caches.
    /// - Parameters:
    ///   - name: its path below `cache`; empty for the cache itself.
    ///   - cache: the directory that holds all caches.
    /// - Returns: its path.
    /// - Throws: `CacheError`, `SystemError`.
    public static func make(_ name: String, in cache: String) throws -> String {
        try Files.makeDirectory(cache)
        try check(cache, of: cache)
        var path = cache
        for part in name.split(separator: "/") {
            path += "/\(part)"
            try Files.makeDirectory(path, mode: 0o700)
            try check(path, of: cache)
        }
        return path
    }

    /// Checks a directory that is there.
    /// - Throws: `CacheError`, `SystemError`.
    private static func check(_ path: String, of cache: String) throws {
        var status = stat()
        try SystemError.check("read", path, stat(path, &status))
        if status.st_uid != geteuid(), status.st_uid != 0 { throw CacheError.foreign(path: path, owner: status.st_uid) }
        // With an access control list the group's bits are its mask (acl(5)).
        if status.st_mode & 0o022 != 0 {
            throw CacheError.writable(path: path, mode: UInt16(status.st_mode & 0o7777), cache: cache)
        }
    }
}

/// Why a directory of the cache is not used.
public enum CacheError: ReportableError, Equatable {
    /// Others than its owner can write to it. An older netroot made all directories of `cache` by the umask.
    case writable(path: String, mode: UInt16, cache: String)
    /// It belongs to another user.
    case foreign(path: String, owner: UInt32)

    /// `.usage`: another directory has to be named, or this one protected.
    public var exitStatus: ExitStatus { .usage }

    /// What, why, and what to do next.
    public var description: String {
        switch self {
        case .writable(let path, let mode, let cache):
            return "the cache \(path) has mode \(String(mode, radix: 8)): others could put packages into it\n"
                + "chmod -R go-w \(cache), if nobody has; else remove it, or name another one by --cache"
        case .foreign(let path, let owner):
            return "the cache \(path) belongs to the user \(owner), who could put packages into it\n"
                + "name another one by --cache"
        }
    }
}
