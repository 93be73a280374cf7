import Glibc
public import SystemPackage

/// Replacing a file with what is streamed into it: a reader sees the old content or the new, never a part.
public enum FileReplacement {
    /// Calls `body` with a temporary file beside `path`; syncs and renames it, or removes it where `body` throws.
    ///
    /// - Throws: what `body` throws; `SystemError`.
    public static func write<R>(_ path: String, mode: UInt32, _ body: (FileDescriptor) throws -> R) throws -> R {
        let temporary = path + ".netroot-new"
        do {
            let file = try SystemError.wrap("write", path) { try Files.create(temporary) }
            defer { Glibc.close(file.rawValue) }
            let result = try SystemError.wrap("write", path) { try body(file) }
            try SystemError.check("write", path, fchmod(file.rawValue, mode_t(mode)))
            try SystemError.check("write", path, fsync(file.rawValue))
            try SystemError.check("write", path, rename(temporary, path))
            return result
        } catch {
            unlink(temporary)
            throw error
        }
    }
}
