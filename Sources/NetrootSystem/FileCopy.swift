import CLinux
public import Glibc
import SystemPackage

/// Copies the content of files, holes as holes: by the kernel, which on some filesystems (Btrfs, XFS) shares the blocks, else
/// through a buffer that is kept for the next file.
public struct FileCopy: Sendable {
    private var buffer: [UInt8] = []
    private static let bufferSize = 1 << 20

    /// A copy that has done nothing yet.
    public init() {}

    /// Copies an open file into one that is open and empty.
    /// - Parameters:
    ///   - status: fstat(2) of the source.
    ///   - path: for messages.
    /// - Throws: `SystemError`, `CancellationError`.
    public mutating func copy(
        from source: Int32, _ status: stat, to target: Int32, _ path: () -> String
    ) throws {
        let size = Int(max(0, status.st_size))
        // Fewer blocks than its size needs: holes, or blocks in the inode or packed, which lseek(2) tells apart.
        guard Int(status.st_blocks) * 512 < size else {
            _ = try copy(0..<size, from: source, to: target, path)
            return
        }
        var offset = 0
        while true {
            // lseek(2): ENXIO is the end; a filesystem that knows no holes says that all is data.
            let start = lseek(source, offset, Self.seekData)
            guard start >= 0 else {
                if errno == ENXIO { break }
                throw SystemError("read", path(), code: errno)
            }
            let end = lseek(source, start, Self.seekHole)
            guard end > start else { break }
            guard try copy(start..<end, from: source, to: target, path) else { return }
            offset = end
        }
        guard ftruncate(target, off_t(size)) == 0 else { throw SystemError("write", path(), code: errno) }
    }

    /// Copies a file behind what another one holds; what lies between becomes zeros.
    /// - Parameter offset: where it begins there, in bytes.
    /// - Returns: fstat(2) of the source.
    /// - Throws: `SystemError`, `FileKindError`, `CancellationError`.
    @discardableResult
    public mutating func append(_ source: String, to target: Int32, at offset: Int64) throws -> stat {
        let descriptor = try Files.openRegular(source).rawValue
        defer { close(descriptor) }
        var status = stat()
        try SystemError.check("read", source, fstat(descriptor, &status))
        _ = try copy(0..<Int(status.st_size), from: descriptor, to: target, shift: Int(offset)) { source }
        return status
    }

    /// - Parameter shift: how much further back in the target it goes than it stands in the source.
    /// - Returns: false where it has become shorter meanwhile.
    private mutating func copy(
        _ range: Range<Int>, from source: Int32, to target: Int32, shift: Int = 0, _ path: () -> String
    ) throws -> Bool {
        var offset = range.lowerBound
        var canAskKernel = true
        while offset < range.upperBound {
            try Task.checkCancellation()
            let left = range.upperBound - offset
            var count = 0
            if canAskKernel {
                var from = offset
                var to = offset + shift
                count = copy_file_range(source, &from, target, &to, min(left, 64 << 20), 0)
                if count < 0 {
                    if errno == ENOSPC || errno == EDQUOT || errno == EIO {
                        throw SystemError("write", path(), code: errno)
                    }
                    canAskKernel = false
                }
            }
            // 0 besides the end of the file: files of /proc and the like.
            if count <= 0 { count = try pass(left, at: offset, from: source, to: target, shift: shift, path) }
            if count == 0 { return false }
            offset += count
        }
        return true
    }

    private mutating func pass(
        _ limit: Int, at offset: Int, from source: Int32, to target: Int32, shift: Int, _ path: () -> String
    ) throws -> Int {
        if buffer.isEmpty { buffer = [UInt8](repeating: 0, count: Self.bufferSize) }
        return try buffer.withUnsafeMutableBytes { bytes in
            var count = -1
            repeat {
                count = pread(source, bytes.baseAddress, min(bytes.count, limit), offset)
            } while count < 0 && errno == EINTR
            guard count >= 0 else { throw SystemError("read", path(), code: errno) }
            try Files.write(UnsafeRawBufferPointer(rebasing: bytes[..<count]), to: target, at: offset + shift, path)
            return count
        }
    }

    /// `SEEK_DATA` and `SEEK_HOLE` (lseek(2)): Glibc's module leaves them out.
    private static let seekData: Int32 = 3
    private static let seekHole: Int32 = 4
}

extension Files {
    /// Writes all of a buffer at an offset of an open file.
    /// - Parameter path: for messages.
    /// - Throws: `SystemError`.
    public static func write(
        _ bytes: UnsafeRawBufferPointer, to descriptor: Int32, at offset: Int, _ path: () -> String
    ) throws {
        var done = 0
        while done < bytes.count {
            let part = pwrite(descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done, off_t(offset + done))
            if part < 0, errno == EINTR { continue }
            guard part > 0 else { throw SystemError("write", path(), code: part == 0 ? ENOSPC : errno) }
            done += part
        }
    }

    /// Replaces a file with a copy of another, symlinks to that followed.
    /// - Parameter mode: the permissions, whatever the umask; nil leaves those that the filesystem gives a private file.
    /// - Throws: `SystemError`, `FileKindError`, `CancellationError`.
    public static func copy(_ source: String, to target: String, mode: UInt32?) throws {
        let descriptor = try openRegular(source).rawValue
        defer { close(descriptor) }
        var status = stat()
        try SystemError.check("read", source, fstat(descriptor, &status))
        try FileReplacement.write(target, mode: mode) { file in
            var copy = FileCopy()
            try copy.copy(from: descriptor, status, to: file.rawValue) { "\(source) to \(target)" }
        }
    }
}
