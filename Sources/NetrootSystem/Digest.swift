import CCrypto
import Glibc
import SystemPackage

/// A SHA-256.
public struct Digest: Hashable, Sendable {
    /// Its size in bytes.
    public static let length = 32

    // Inlinable, so that an index of a million blocks costs other modules no calls.
    @usableFromInline let words: (UInt64, UInt64, UInt64, UInt64)

    /// From 32 bytes.
    @inlinable
    public init(_ bytes: UnsafeRawBufferPointer) {
        words = bytes.loadUnaligned(as: (UInt64, UInt64, UInt64, UInt64).self)
    }

    /// All zero: no content has it.
    public static let zeros = Digest()

    private init() { words = (0, 0, 0, 0) }

    /// The digest of bytes.
    /// - Throws: `DigestError.unavailable`.
    public static func of(_ bytes: [UInt8]) throws -> Digest {
        let hasher = try SHA256Hasher()
        return bytes.withUnsafeBytes { hasher.digest($0) }
    }

    /// The digest of a file's content.
    /// - Throws: `DigestError`, `SystemError`, `CancellationError`.
    public static func of(file path: String) throws -> Digest {
        let hasher = try SHA256Hasher()
        hasher.start()
        try FilePieces(path).feed { hasher.update($0) }
        return hasher.finish()
    }

    /// Sixty-four hexadecimal digits, in lower case.
    public var hexadecimal: String { withBytes(NetrootSystem.hexadecimal) }

    /// `sha256:` and hexadecimal digits, as images name what they are made of (OCI image-spec, "Digests").
    public var text: String { "sha256:" + hexadecimal }

    /// The 32 bytes.
    @inlinable
    public func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try withUnsafeBytes(of: words, body)
    }

    /// The same bytes.
    @inlinable
    public static func == (a: Self, b: Self) -> Bool { a.words == b.words }

    // Already evenly spread.
    /// Feeds a part of it.
    @inlinable
    public func hash(into hasher: inout Hasher) { hasher.combine(words.0) }
}

/// SHA-256 of one thing after the other, for one thread.
public final class SHA256Hasher {
    private let state: MessageDigest

    /// - Throws: `DigestError.unavailable`.
    public init() throws(DigestError) { state = try MessageDigest(.sha256) }

    /// The digest of bytes.
    public func digest(_ bytes: UnsafeRawBufferPointer) -> Digest {
        digest { $0(bytes) }
    }

    /// The digest of what `body` feeds.
    public func digest(_ body: ((UnsafeRawBufferPointer) -> Void) -> Void) -> Digest {
        start()
        body(update)
        return finish()
    }

    /// Begins a digest of bytes that come in pieces: `update` for each, then `finish`.
    public func start() { state.start() }

    /// The next piece.
    public func update(_ bytes: UnsafeRawBufferPointer) { state.update(bytes) }

    /// The digest of the pieces since `start`.
    public func finish() -> Digest {
        withUnsafeTemporaryAllocation(byteCount: Digest.length, alignment: 8) { buffer in
            state.finish(into: buffer)
            return Digest(UnsafeRawBufferPointer(buffer))
        }
    }
}

/// The algorithms that signatures name, by the names that they have in `sha256:HEX`.
public enum DigestAlgorithm: String, Sendable, CaseIterable {
    /// SHA-2 with the digest's length in bits (FIPS 180-4).
    case sha256, sha384, sha512

    /// The digest of bytes, in hexadecimal.
    /// - Throws: `DigestError.unavailable`.
    public func hexadecimal(of bytes: [UInt8]) throws(DigestError) -> String {
        let state = try MessageDigest(self)
        state.start()
        bytes.withUnsafeBytes { state.update($0) }
        return state.finish(length: length)
    }

    /// The digest of a file, or of a part of it, in hexadecimal.
    /// - Throws: `DigestError`, `SystemError`, `CancellationError`.
    public func hexadecimal(ofFile path: String, part: Range<UInt64>? = nil) throws -> String {
        let state = try MessageDigest(self)
        state.start()
        try FilePieces(path, part: part).feed { state.update($0) }
        return state.finish(length: length)
    }

    private var length: Int {
        switch self {
        case .sha256: 32
        case .sha384: 48
        case .sha512: 64
        }
    }

    /// As `EVP_MD_fetch(3)` knows it.
    fileprivate var name: String {
        switch self {
        case .sha256: "SHA256"
        case .sha384: "SHA384"
        case .sha512: "SHA512"
        }
    }
}

/// MD5 (RFC 1321), by which package managers tell what they installed: no proof against anybody.
public enum MD5 {
    /// The digest of bytes, in hexadecimal.
    /// - Throws: `DigestError.unavailable`, as where a system allows only the algorithms of FIPS 140.
    public static func hexadecimal(of bytes: [UInt8]) throws(DigestError) -> String {
        let state = try MessageDigest(named: "MD5")
        state.start()
        bytes.withUnsafeBytes { state.update($0) }
        return state.finish(length: 16)
    }

    /// The digest of a part of a file, in hexadecimal.
    /// - Throws: `DigestError`, `SystemError`, `CancellationError`.
    public static func hexadecimal(ofFile path: String, part: Range<UInt64>) throws -> String {
        let state = try MessageDigest(named: "MD5")
        state.start()
        try FilePieces(path, part: part).feed { state.update($0) }
        return state.finish(length: 16)
    }
}

/// A digest of libcrypto, which uses the processor's instructions (`EVP_DigestInit(3)`).
private struct MessageDigest: ~Copyable {
    private let algorithm: OpaquePointer
    private let context: OpaquePointer

    init(_ wanted: DigestAlgorithm) throws(DigestError) { try self.init(named: wanted.name) }

    init(named name: String) throws(DigestError) {
        // Fetched once: a lookup for each of ten thousand small files is not free.
        guard let algorithm = EVP_MD_fetch(nil, name, nil) else { throw .unavailable(name) }
        guard let context = EVP_MD_CTX_new() else {
            EVP_MD_free(algorithm)
            throw .unavailable(name)
        }
        self.algorithm = algorithm
        self.context = context
    }

    deinit {
        EVP_MD_CTX_free(context)
        EVP_MD_free(algorithm)
    }

    func start() { Self.check(EVP_DigestInit_ex2(context, algorithm, nil)) }

    func update(_ bytes: UnsafeRawBufferPointer) {
        Self.check(EVP_DigestUpdate(context, bytes.baseAddress, bytes.count))
    }

    /// - Parameter buffer: as long as the digest.
    func finish(into buffer: UnsafeMutableRawBufferPointer) {
        Self.check(EVP_DigestFinal_ex(context, buffer.baseAddress?.assumingMemoryBound(to: UInt8.self), nil))
    }

    func finish(length: Int) -> String {
        withUnsafeTemporaryAllocation(byteCount: length, alignment: 8) { buffer in
            finish(into: buffer)
            return NetrootSystem.hexadecimal(UnsafeRawBufferPointer(buffer))
        }
    }

    /// A digest of memory fails only where there is no memory left.
    private static func check(_ result: Int32) { precondition(result == 1, "libcrypto has no memory for a digest") }
}

/// Bytes in hexadecimal digits, in lower case.
private func hexadecimal(_ bytes: UnsafeRawBufferPointer) -> String {
    let digits = Array("0123456789abcdef".utf8)
    let text = bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
    return String(decoding: text, as: UTF8.self)
}

/// The content of a file, or of a part of it, in pieces.
private struct FilePieces {
    private static let pieceLength = 1 << 20

    let path: String
    /// Nil for all of it.
    let part: Range<UInt64>?

    init(_ path: String, part: Range<UInt64>? = nil) {
        self.path = path
        self.part = part
    }

    func feed(_ body: (UnsafeRawBufferPointer) -> Void) throws {
        // A FIFO is not waited for: it is refused.
        let file = try SystemError.wrap("read", path) {
            try FileDescriptor.open(FilePath(path), .readOnly, options: [.closeOnExec, .nonBlocking])
        }
        defer { close(file.rawValue) }
        try requireContent(file)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.pieceLength, alignment: 16)
        defer { buffer.deallocate() }
        var offset = part?.lowerBound ?? 0
        let end = part?.upperBound ?? UInt64(Int64.max)
        while offset < end {
            try Task.checkCancellation()
            let wanted = Int(min(UInt64(buffer.count), end - offset))
            let count = try SystemError.wrap("read", path) {
                try file.read(
                    fromAbsoluteOffset: Int64(clamping: offset),
                    into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]))
            }
            if count == 0 { break }
            body(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            offset += UInt64(count)
        }
        guard part == nil || offset == end else { throw DigestError.tooShort(path: path, bytes: offset) }
    }

    /// What is not a file or disk has no content, or one without an end.
    private func requireContent(_ file: FileDescriptor) throws {
        var status = stat()
        try SystemError.check("read", path, fstat(file.rawValue, &status))
        switch status.st_mode & S_IFMT {
        case S_IFREG, S_IFBLK: return
        case S_IFDIR: throw SystemError("read", path, code: EISDIR)
        default: throw DigestError.notAFile(path: path)
        }
    }
}

/// Why a digest cannot be made.
public enum DigestError: ReportableError, Equatable {
    /// libcrypto gives no algorithm of this name: OpenSSL can be configured so.
    case unavailable(String)
    /// A FIFO, a socket or a character device.
    case notAFile(path: String)
    /// A file without the part that was asked for; how many bytes it has.
    case tooShort(path: String, bytes: UInt64)

    /// Always `.failed`.
    public var exitStatus: ExitStatus { .failed }

    /// One line: what, where and what to do next.
    public var description: String {
        switch self {
        case .unavailable(let algorithm):
            "OpenSSL gives no \(algorithm); see its configuration: openssl version -d, $OPENSSL_CONF"
        case .notAFile(let path): "cannot read \(path): it is not a regular file"
        case .tooShort(let path, let bytes): "\(path) has only \(bytes) bytes; was it cut off while it was read?"
        }
    }
}
