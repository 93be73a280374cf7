import CLinux
import Glibc
import NetrootImage
import NetrootSystem

/// Copies the content of files, holes as holes.
struct FillBuffer {
    private var bytes: [UInt8]

    /// - Parameter size: bytes; of an image the size of its blocks.
    init(_ size: Int) { bytes = [UInt8](repeating: 0, count: size) }

    /// Writes a file of an image.
    mutating func write(
        _ file: SquashfsFile, of image: SquashfsReader, to descriptor: Int32, _ path: () -> String
    ) throws {
        let size = UInt64(bytes.count)
        var offset: UInt64 = 0
        var block = 0
        while offset < file.size {
            if block % 64 == 63 { try Task.checkCancellation() }
            if block >= file.blockCount || !file.isHole(block) {
                let count = try bytes.withUnsafeMutableBytes { try image.read(file, at: offset, into: $0) }
                try put(count, at: offset, to: descriptor, path)
            }
            offset += size
            block += 1
        }
        try end(file.size, descriptor, path)
    }

    /// Copies an open file: by the kernel, which on some filesystems shares the blocks, else through the buffer.
    mutating func copy(from source: Int32, size: Int64, to descriptor: Int32, _ path: () -> String) throws {
        var offset: Int = 0
        var canAskKernel = true
        while true {
            try Task.checkCancellation()
            // lseek(2): ENXIO is the end; a filesystem that knows no holes says that all is data.
            let start = lseek(source, offset, Self.seekData)
            guard start >= 0 else {
                if errno == ENXIO { break }
                throw SystemError("read", path(), code: errno)
            }
            let end = lseek(source, start, Self.seekHole)
            guard end > start else { break }
            offset = start
            while offset < end {
                var count = 0
                if canAskKernel {
                    var from = offset
                    var to = offset
                    count = copy_file_range(source, &from, descriptor, &to, min(end - offset, 64 << 20), 0)
                    if count < 0 {
                        if errno == ENOSPC || errno == EDQUOT || errno == EIO {
                            throw SystemError("write", path(), code: errno)
                        }
                        canAskKernel = false
                    }
                }
                // 0 besides the end of the file: files of /proc and the like.
                if count <= 0 {
                    count = try read(source, at: offset, limit: end - offset, path)
                    try put(count, at: UInt64(offset), to: descriptor, path)
                }
                // It has become shorter meanwhile.
                if count == 0 { return }
                offset += count
            }
        }
        try self.end(UInt64(max(0, size)), descriptor, path)
    }

    private mutating func read(_ source: Int32, at offset: Int, limit: Int, _ path: () -> String) throws -> Int {
        while true {
            let count = bytes.withUnsafeMutableBytes { pread(source, $0.baseAddress, min($0.count, limit), offset) }
            if count >= 0 { return count }
            guard errno == EINTR else { throw SystemError("read", path(), code: errno) }
        }
    }

    private func put(_ count: Int, at offset: UInt64, to descriptor: Int32, _ path: () -> String) throws {
        try bytes.withUnsafeBytes { buffer in
            var done = 0
            while done < count {
                let part = pwrite(
                    descriptor, buffer.baseAddress.map { $0 + done }, count - done, off_t(offset) + done)
                if part < 0, errno == EINTR { continue }
                guard part > 0 else { throw SystemError("write", path(), code: part == 0 ? ENOSPC : errno) }
                done += part
            }
        }
    }

    private func end(_ size: UInt64, _ descriptor: Int32, _ path: () -> String) throws {
        guard ftruncate(descriptor, off_t(clamping: size)) == 0 else {
            throw SystemError("write", path(), code: errno)
        }
    }

    /// `SEEK_DATA` and `SEEK_HOLE` (lseek(2)): Glibc's module leaves them out.
    private static let seekData: Int32 = 3
    private static let seekHole: Int32 = 4
}
