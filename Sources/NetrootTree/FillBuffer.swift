import Glibc
import NetrootImage
import NetrootSystem

/// Writes the content of files of an image, blocks of zeros as holes.
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

    private func put(_ count: Int, at offset: UInt64, to descriptor: Int32, _ path: () -> String) throws {
        try bytes.withUnsafeBytes { buffer in
            try Files.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]), to: descriptor, at: Int(offset), path)
        }
    }

    private func end(_ size: UInt64, _ descriptor: Int32, _ path: () -> String) throws {
        guard ftruncate(descriptor, off_t(clamping: size)) == 0 else {
            throw SystemError("write", path(), code: errno)
        }
    }
}
