import Glibc
import NetrootSystem
import SystemPackage

/// Archives in one file, as the kernel reads them one after the other.
public enum InitramfsJoin {
    /// Writes archives into a new file, with the zero bytes between them that the kernel needs: one that is not compressed
    /// begins at a multiple of four bytes (Documentation/driver-api/early-userspace/buffer-format.rst), and the legacy frame
    /// of lz4 goes on until a length of zero, which is four bytes more (lib/decompress_unlz4.c).
    /// - Parameters:
    ///   - paths: an image, then what is appended to it.
    ///   - output: replaced when the new one is whole; readable for its owner alone where one of the files is not readable for
    ///     all.
    ///   - isPrivate: whether it is readable for its owner alone in any case.
    /// - Returns: its bytes.
    /// - Throws: `SystemError`, `FileKindError`, `CancellationError`.
    @discardableResult
    public static func write(
        _ paths: [String], to output: String, isPrivate: Bool = false
    ) throws -> Int64 {
        let replacement = try FileReplacement(of: output, naming: .unique)
        let file = replacement.descriptor.rawValue
        var copy = FileCopy()
        var isSecret = isPrivate
        var size: Int64 = 0
        for path in paths {
            let status = try copy.append(path, to: file, at: size == 0 ? 0 : ((size + 3) & ~3) + 4)
            if status.st_mode & S_IROTH == 0 { isSecret = true }
            size = Int64(lseek(file, 0, SEEK_END))
        }
        try replacement.publish(mode: isSecret ? 0o600 : 0o644)
        return size
    }
}
