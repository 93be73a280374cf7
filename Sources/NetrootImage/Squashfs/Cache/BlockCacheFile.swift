import Glibc
import NetrootSystem

/// A file of the cache: records one behind the other, only ever appended to.
///
/// A record: magic `nrblock1`, the key (32 bytes), the payload's length and flags (little-endian, 4 bytes each; flag 1: the
/// block does not compress, and there is no payload), `PayloadSum` of the payload (8 bytes), the first 8 bytes of SHA-256 of
/// all that, then the payload.
final class BlockCacheFile {
    let path: String
    let descriptor: Int32
    /// Bytes on disk.
    private(set) var size: Int64
    /// When an entry of it was last used.
    let lastUse: timespec
    /// Bytes of the records that this run used.
    var usedBytes: Int64 = 0
    /// Something in it is not as it was written.
    var isDamaged = false

    static let suffix = ".pack"
    static let headerLength = 64
    private static let magic = Array("nrblock1".utf8)

    /// What a record's header says.
    struct Header {
        let key: Digest
        let length: Int
        let compresses: Bool
        let sum: UInt64
    }

    /// Opens a file that a run before has written.
    /// - Returns: nil where a run is writing it at this moment, or it has gone.
    /// - Throws: `SystemError`.
    init?(reading path: String) throws {
        self.path = path
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw SystemError("read", path, code: errno)
        }
        var status = stat()
        let known = fstat(descriptor, &status) == 0 && flock(descriptor, LOCK_SH | LOCK_NB) == 0
        size = Int64(status.st_size)
        lastUse = status.st_mtim
        guard known else {
            close(descriptor)
            return nil
        }
        // Last: until then deinit does not run where this fails, and the descriptor is closed once.
        self.descriptor = descriptor
    }

    /// Begins a new one; other runs leave it alone until it is closed.
    /// - Throws: `SystemError`.
    init(creatingIn directory: String) throws {
        path = "\(directory)/\(String(UInt64.random(in: .min ... .max), radix: 16))\(Self.suffix)"
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw SystemError("write", path, code: errno) }
        size = 0
        lastUse = timespec()
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            close(descriptor)
            throw SystemError("lock", path, code: code)
        }
        // Last: until then deinit does not run where this throws, and the descriptor is closed once.
        self.descriptor = descriptor
    }

    deinit {
        // Not by closing alone: a child that is forked at this moment has the descriptor until it calls exec.
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }

    /// Calls `body` with each record's place and header, up to the end or the first that is damaged.
    func forEachRecord(_ hasher: SHA256Hasher, _ body: (Int64, Header) -> Void) {
        withUnsafeTemporaryAllocation(byteCount: Self.headerLength, alignment: 8) { buffer in
            var offset: Int64 = 0
            while offset < size {
                guard pread(descriptor, buffer.baseAddress, buffer.count, off_t(offset)) == buffer.count,
                    let header = Self.header(UnsafeRawBufferPointer(buffer), hasher),
                    offset + Int64(Self.headerLength + header.length) <= size
                else {
                    isDamaged = true
                    return
                }
                body(offset, header)
                offset += Int64(Self.headerLength + header.length)
            }
        }
    }

    /// Reads a record's payload and checks it.
    /// - Returns: nil where it is not what was written.
    func read(
        at offset: Int64, length: Int, key: Digest, into output: UnsafeMutableRawBufferPointer,
        _ hasher: SHA256Hasher
    ) -> Header? {
        guard length <= output.count else { return nil }
        return withUnsafeTemporaryAllocation(byteCount: Self.headerLength, alignment: 8) { buffer in
            var parts = [
                iovec(iov_base: buffer.baseAddress, iov_len: buffer.count),
                iovec(iov_base: output.baseAddress, iov_len: length),
            ]
            guard preadv(descriptor, &parts, 2, off_t(offset)) == buffer.count + length,
                let header = Self.header(UnsafeRawBufferPointer(buffer), hasher), header.key == key,
                header.length == length,
                PayloadSum.of(UnsafeRawBufferPointer(rebasing: output[..<length])) == header.sum
            else { return nil }
            return header
        }
    }

    /// Appends a record.
    /// - Parameter payload: nil for a block that does not compress.
    /// - Returns: its place.
    /// - Throws: `SystemError`; the file is then as it was.
    func append(key: Digest, payload: UnsafeRawBufferPointer?, _ hasher: SHA256Hasher) throws -> Int64 {
        let payload = payload ?? UnsafeRawBufferPointer(start: nil, count: 0)
        let isCompressed = !payload.isEmpty
        var header = Self.magic
        key.withBytes { header += $0 }
        for number in [UInt32(payload.count), isCompressed ? 0 : 1] {
            withUnsafeBytes(of: number.littleEndian) { header += $0 }
        }
        withUnsafeBytes(of: PayloadSum.of(payload).littleEndian) { header += $0 }
        header.withUnsafeBytes { hasher.digest($0) }.withBytes { header += $0[..<8] }
        let whole = header.count + payload.count
        let place = size
        let written = header.withUnsafeMutableBytes { header in
            var parts = [
                iovec(iov_base: header.baseAddress, iov_len: header.count),
                iovec(iov_base: UnsafeMutableRawPointer(mutating: payload.baseAddress), iov_len: payload.count),
            ]
            return pwritev(descriptor, &parts, 2, off_t(place))
        }
        guard written == whole else {
            let code = written < 0 ? errno : ENOSPC
            ftruncate(descriptor, off_t(place))
            throw SystemError("write", path, code: code)
        }
        size += Int64(whole)
        return place
    }

    /// Says that it was used now.
    func touch() { futimens(descriptor, nil) }

    /// Removes the file unless another run uses it.
    /// - Returns: whether it is gone.
    func remove() -> Bool {
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else { return false }
        return unlink(path) == 0
    }

    private static func header(_ bytes: UnsafeRawBufferPointer, _ hasher: SHA256Hasher) -> Header? {
        let sum = hasher.digest(UnsafeRawBufferPointer(rebasing: bytes[..<56]))
        guard bytes[..<8].elementsEqual(magic), sum.withBytes({ $0[..<8].elementsEqual(bytes[56..<64]) }) else {
            return nil
        }
        return Header(
            key: Digest(UnsafeRawBufferPointer(rebasing: bytes[8..<40])),
            length: Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 40, as: UInt32.self))),
            compresses: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 44, as: UInt32.self)) & 1 == 0,
            sum: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 48, as: UInt64.self)))
    }
}

/// A checksum that finds damage, not an adversary: who can write the cache can write the image. Four times as fast as
/// SHA-256 here, and every byte of a warm pack goes through it.
///
/// XXH64 (github.com/Cyan4973/xxHash, `doc/xxhash_spec.md`) of whole stripes of 32 bytes, seed 0; the rest by steps of a byte.
enum PayloadSum {
    private static let primes: (UInt64, UInt64, UInt64, UInt64, UInt64) = (
        0x9E37_79B1_85EB_CA87, 0xC2B2_AE3D_27D4_EB4F, 0x1656_67B1_9E37_79F9, 0x85EB_CA77_C2B2_AE63,
        0x27D4_EB2F_1656_67C5
    )

    static func of(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        var a = primes.0 &+ primes.1
        var b = primes.1
        var c: UInt64 = 0
        var d = 0 &- primes.0
        var at = 0
        while at + 32 <= bytes.count {
            a = round(a, bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self))
            b = round(b, bytes.loadUnaligned(fromByteOffset: at + 8, as: UInt64.self))
            c = round(c, bytes.loadUnaligned(fromByteOffset: at + 16, as: UInt64.self))
            d = round(d, bytes.loadUnaligned(fromByteOffset: at + 24, as: UInt64.self))
            at += 32
        }
        var sum = rotated(a, 1) &+ rotated(b, 7) &+ rotated(c, 12) &+ rotated(d, 18)
        for lane in [a, b, c, d] { sum = (sum ^ round(0, lane)) &* primes.0 &+ primes.3 }
        sum = sum &+ UInt64(bytes.count)
        while at < bytes.count {
            sum = rotated(sum ^ UInt64(bytes[at]) &* primes.4, 11) &* primes.0
            at += 1
        }
        sum = (sum ^ sum >> 33) &* primes.1
        sum = (sum ^ sum >> 29) &* primes.2
        return sum ^ sum >> 32
    }

    @inline(__always)
    private static func round(_ lane: UInt64, _ word: UInt64) -> UInt64 {
        rotated(lane &+ UInt64(littleEndian: word) &* primes.1, 31) &* primes.0
    }

    @inline(__always)
    private static func rotated(_ word: UInt64, _ bits: UInt64) -> UInt64 { word &<< bits | word &>> (64 - bits) }
}
