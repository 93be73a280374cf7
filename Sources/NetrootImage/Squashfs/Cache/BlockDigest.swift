import CCrypto
import Glibc

/// A SHA-256.
struct BlockDigest: Hashable, Sendable {
    static let length = 32

    private let words: (UInt64, UInt64, UInt64, UInt64)

    /// From 32 bytes.
    init(_ bytes: UnsafeRawBufferPointer) {
        words = bytes.loadUnaligned(as: (UInt64, UInt64, UInt64, UInt64).self)
    }

    /// All zero: stands for a block of zeros.
    static let zeros = BlockDigest()

    private init() { words = (0, 0, 0, 0) }

    /// `sha256:` and hexadecimal digits, as images name what they are made of (OCI image-spec, "Digests").
    var text: String {
        withBytes { bytes in
            "sha256:" + bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
    }

    func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try withUnsafeBytes(of: words, body)
    }

    static func == (a: Self, b: Self) -> Bool { a.words == b.words }

    // Already evenly spread.
    func hash(into hasher: inout Hasher) { hasher.combine(words.0) }
}

/// SHA-256 by OpenSSL; one at a time, for one thread.
final class BlockHasher {
    private let algorithm: OpaquePointer
    private let context: OpaquePointer

    /// - Throws: `PackError.noDigest`: OpenSSL can be configured to have no SHA-256.
    init() throws(PackError) {
        // Fetched once: a lookup for each of ten thousand small files is not free.
        guard let algorithm = EVP_MD_fetch(nil, "SHA256", nil) else { throw .noDigest }
        guard let context = EVP_MD_CTX_new() else {
            EVP_MD_free(algorithm)
            throw .noDigest
        }
        self.algorithm = algorithm
        self.context = context
    }

    deinit {
        EVP_MD_CTX_free(context)
        EVP_MD_free(algorithm)
    }

    func digest(_ bytes: UnsafeRawBufferPointer) -> BlockDigest {
        digest { $0(bytes) }
    }

    /// The digest of what `body` feeds.
    func digest(_ body: ((UnsafeRawBufferPointer) -> Void) -> Void) -> BlockDigest {
        start()
        body(update)
        return finish()
    }

    /// Begins a digest of bytes that come in pieces: `update` for each, then `finish`.
    func start() { Self.check(EVP_DigestInit_ex2(context, algorithm, nil)) }

    func update(_ bytes: UnsafeRawBufferPointer) {
        Self.check(EVP_DigestUpdate(context, bytes.baseAddress, bytes.count))
    }

    func finish() -> BlockDigest {
        withUnsafeTemporaryAllocation(byteCount: BlockDigest.length, alignment: 8) { buffer in
            Self.check(EVP_DigestFinal_ex(context, buffer.baseAddress?.assumingMemoryBound(to: UInt8.self), nil))
            return BlockDigest(UnsafeRawBufferPointer(buffer))
        }
    }

    /// A digest of memory fails only where there is no memory left.
    private static func check(_ result: Int32) {
        precondition(result == 1, "SHA-256 failed")
    }
}
