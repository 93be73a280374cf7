import CCrypto
import Glibc
import NetrootSystem

/// The digest of a text, or of a part of a file, by an algorithm that is named.
public enum RangeDigest {
    /// The algorithms, as `sha256:HEX` names them.
    private static let algorithms = ["sha256": "SHA256", "sha384": "SHA384", "sha512": "SHA512"]

    /// The digest of bytes in hexadecimal; nil for an algorithm that is not known.
    public static func hexadecimal(_ algorithm: String, of bytes: [UInt8]) -> String? {
        Digest(algorithm).map { digest in
            bytes.withUnsafeBytes { digest.update($0) }
            return digest.end()
        }
    }

    /// The digest of a part of a file in hexadecimal; nil for an algorithm that is not known.
    /// - Throws: `SquashfsReadError`, `CancellationError`.
    public static func hexadecimal(_ algorithm: String, of path: String, _ part: Range<UInt64>) throws -> String? {
        guard let digest = Digest(algorithm) else { return nil }
        let file = try SquashfsImageFile(path, part: part)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
        defer { buffer.deallocate() }
        var offset: UInt64 = 0
        while offset < file.size {
            try Task.checkCancellation()
            let count = Int(min(UInt64(buffer.count), file.size - offset))
            let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
            try file.read(at: offset, into: piece)
            digest.update(UnsafeRawBufferPointer(piece))
            offset += UInt64(count)
        }
        return digest.end()
    }

    private final class Digest {
        private let algorithm: OpaquePointer
        private let context: OpaquePointer

        init?(_ name: String) {
            guard let known = algorithms[name], let algorithm = EVP_MD_fetch(nil, known, nil) else { return nil }
            guard let context = EVP_MD_CTX_new() else {
                EVP_MD_free(algorithm)
                return nil
            }
            self.algorithm = algorithm
            self.context = context
            Self.check(EVP_DigestInit_ex2(context, algorithm, nil))
        }

        deinit {
            EVP_MD_CTX_free(context)
            EVP_MD_free(algorithm)
        }

        func update(_ bytes: UnsafeRawBufferPointer) {
            Self.check(EVP_DigestUpdate(context, bytes.baseAddress, bytes.count))
        }

        func end() -> String {
            var bytes = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
            var count: UInt32 = 0
            Self.check(EVP_DigestFinal_ex(context, &bytes, &count))
            let digits = Array("0123456789abcdef")
            return String(bytes[..<Int(count)].flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
        }

        /// A digest of memory fails only where there is no memory left.
        private static func check(_ result: Int32) { precondition(result == 1, "the digest failed") }
    }
}
