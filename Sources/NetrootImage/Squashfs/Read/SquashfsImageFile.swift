public import Glibc
import NetrootSystem

/// What changes when something is written into an image's file.
public struct SquashfsFileStamp: Equatable, Sendable {
    /// Bytes.
    public var size: Int64
    /// Nanoseconds since 1970 of the last write.
    public var modified: Int64
    /// Nanoseconds since 1970 of the last change, also of owner, mode and names.
    public var changed: Int64

    public init(_ status: stat) {
        size = Int64(status.st_size)
        modified = Int64(status.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_mtim.tv_nsec)
        changed = Int64(status.st_ctim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_ctim.tv_nsec)
    }
}

/// An image file that is open, or an image that is a part of an open file: any of its bytes, and no others.
final class SquashfsImageFile: Sendable {
    let path: String
    /// Bytes at the time of opening.
    let size: UInt64
    /// Where the image begins in the file.
    private let start: UInt64
    private let descriptor: Int32
    /// `st_dev` and `st_ino`.
    let device: UInt64
    let inode: UInt64
    let stamp: SquashfsFileStamp

    /// - Parameter part: the bytes of the file that are the image; nil for all of them.
    init(_ path: String, part: Range<UInt64>? = nil) throws(SquashfsReadError) {
        self.path = path
        // A FIFO is not waited for; what is not a regular file is refused below.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else { throw .system(SystemError("read", path, code: errno)) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            let code = errno
            close(descriptor)
            throw .system(SystemError("read", path, code: code))
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw .foreign(path: path, looks: FileGuess.describe(type: UInt32(status.st_mode)))
        }
        let all = UInt64(max(0, status.st_size))
        start = part?.lowerBound ?? 0
        size = part.map { $0.upperBound - $0.lowerBound } ?? all
        guard start <= all, size <= all - start else {
            close(descriptor)
            throw .truncated(path: path, bytes: all, expected: part?.upperBound ?? all)
        }
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        stamp = SquashfsFileStamp(status)
        // Last: until then deinit does not run where this throws, and the descriptor is closed once.
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// The first bytes; fewer where the file is shorter.
    func prefix(_ count: Int) throws(SquashfsReadError) -> [UInt8] {
        try bytes(at: 0, count: Int(min(UInt64(count), size)))
    }

    func bytes(at offset: UInt64, count: Int) throws(SquashfsReadError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var failure: SquashfsReadError?
        bytes.withUnsafeMutableBytes { buffer in
            do throws(SquashfsReadError) { try read(at: offset, into: buffer) } catch { failure = error }
        }
        if let failure { throw failure }
        return bytes
    }

    /// Fills the buffer.
    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(SquashfsReadError) {
        guard let base = buffer.baseAddress else { return }
        guard offset <= size, UInt64(buffer.count) <= size - offset else {
            let (end, overflow) = offset.addingReportingOverflow(UInt64(buffer.count))
            throw .truncated(path: path, bytes: size, expected: overflow ? offset : end)
        }
        var done = 0
        while done < buffer.count {
            let next = offset + UInt64(done)
            // Both are below the file's size.
            let count = pread(descriptor, base + done, buffer.count - done, off_t(clamping: start + next))
            if count < 0 {
                if errno == EINTR { continue }
                throw .system(SystemError("read", path, code: errno))
            }
            // It may have been cut since it was opened.
            guard count > 0 else {
                throw .truncated(
                    path: path, bytes: min(size, next), expected: offset &+ UInt64(buffer.count))
            }
            done += count
        }
    }
}
