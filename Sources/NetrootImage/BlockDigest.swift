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
        Self.check(EVP_DigestInit_ex2(context, algorithm, nil))
        body { Self.check(EVP_DigestUpdate(context, $0.baseAddress, $0.count)) }
        return withUnsafeTemporaryAllocation(byteCount: BlockDigest.length, alignment: 8) { buffer in
            Self.check(EVP_DigestFinal_ex(context, buffer.baseAddress?.assumingMemoryBound(to: UInt8.self), nil))
            return BlockDigest(UnsafeRawBufferPointer(buffer))
        }
    }

    /// A digest of memory fails only where there is no memory left.
    private static func check(_ result: Int32) {
        precondition(result == 1, "SHA-256 failed")
    }
}
