import Glibc
import NetrootSystem
import SystemPackage

/// What the kernel does not take of what netroot can read.
extension Initramfs {
    /// The kernel's decoder of xz knows no check but CRC32 (`lib/xz/xz_dec_stream.c`); the check's number is in the second
    /// byte of the stream's flags (the .xz file format, 2.1.1.2).
    /// - Returns: why the kernel would stop in the middle; nil where it takes all.
    /// - Throws: `SystemError`, `FileKindError`.
    public func kernelRefusal() throws -> String? {
        let streams = segments.filter { $0.compression == .xz }
        guard !streams.isEmpty else { return nil }
        let file = try Files.openRegular(path)
        defer { close(file.rawValue) }
        return try SystemError.wrap("read", path) {
            for stream in streams {
                var check: UInt8 = 0
                let place = Int64(clamping: stream.offset) + 7
                _ = try withUnsafeMutableBytes(of: &check) { try file.read(fromAbsoluteOffset: place, into: $0) }
                guard check & 0x0F > 1 else { continue }
                let name = [4: "CRC64", 10: "SHA-256"][check & 0x0F] ?? "number \(check & 0x0F)"
                return
                    "the xz data at byte \(stream.offset) has the check \(name), and the kernel reads CRC32 alone; "
                    + "pack it with xz --check=crc32"
            }
            return nil
        }
    }

    /// Whether the file ends in a legacy frame of lz4 without the length of zero that would end it
    /// (`lib/decompress_unlz4.c`): the kernel takes what follows at once for the length of another block.
    public var endsInOpenFrame: Bool {
        guard let last = segments.last, last.compression == .lz4 else { return false }
        return size < last.end + 4
    }
}
