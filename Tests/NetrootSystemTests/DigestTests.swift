import Glibc
import TestSupport
import Testing

@testable import NetrootSystem

@Suite struct DigestTests {
    /// FIPS 180-4's examples, and NIST's long message.
    private static let abc: [DigestAlgorithm: String] = [
        .sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        .sha384: "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded163"
            + "1a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
        .sha512: "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
            + "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    ]

    @Test(arguments: DigestAlgorithm.allCases) func knownAnswers(_ algorithm: DigestAlgorithm) throws {
        let scratch = try ScratchDirectory()
        #expect(try algorithm.hexadecimal(of: Array("abc".utf8)) == Self.abc[algorithm])
        try Files.replace(scratch.path + "/file", with: Array("xxabcyy".utf8))
        #expect(try algorithm.hexadecimal(ofFile: scratch.path + "/file", part: 2..<5) == Self.abc[algorithm])
    }

    @Test func sha256() throws {
        #expect(try Digest.of(Array("abc".utf8)).hexadecimal == Self.abc[.sha256])
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        #expect(try Digest.of([]).text == "sha256:" + empty)
        #expect(
            try Digest.of([UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000)).hexadecimal
                == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    }

    /// One hasher for many things, whole and in pieces; nothing of one is left in the next.
    @Test func aHasherIsUsedAgain() throws {
        let hasher = try SHA256Hasher()
        for count in [3, 0, 70_000, 64] {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            let whole = try Digest.of(bytes)
            #expect(bytes.withUnsafeBytes { hasher.digest($0) } == whole)
            hasher.start()
            bytes[..<(count / 3)].withUnsafeBytes { hasher.update($0) }
            bytes[(count / 3)...].withUnsafeBytes { hasher.update($0) }
            #expect(hasher.finish() == whole)
            #expect(whole.withBytes { Digest($0) } == whole)
        }
    }

    /// More than a piece, and no whole number of them.
    @Test func aFileIsReadToItsEnd() throws {
        let scratch = try ScratchDirectory()
        let path = scratch.path + "/file"
        let bytes = (0..<(5 << 19) + 7).map { UInt8(truncatingIfNeeded: $0 / 251) }
        try Files.replace(path, with: bytes)
        #expect(try Digest.of(file: path) == Digest.of(bytes))
        let part = (1 << 20) - 3..<(2 << 20) + 9
        #expect(
            try DigestAlgorithm.sha256.hexadecimal(
                ofFile: path, part: UInt64(part.lowerBound)..<UInt64(part.upperBound))
                == Digest.of(Array(bytes[part])).hexadecimal)
        try Files.replace(path, with: [])
        #expect(try Digest.of(file: path) == Digest.of([]))
    }

    @Test func whatCannotBeReadIsSaid() throws {
        let scratch = try ScratchDirectory()
        let path = scratch.path + "/file"
        #expect(throws: SystemError("read", path, code: ENOENT)) { try Digest.of(file: path) }
        #expect(throws: SystemError("read", scratch.path, code: EISDIR)) { try Digest.of(file: scratch.path) }
        #expect(mkfifo(path, 0o600) == 0)
        #expect(throws: DigestError.notAFile(path: path)) { try Digest.of(file: path) }
        try Files.replace(path, with: Array("short".utf8))
        #expect(throws: DigestError.tooShort(path: path, bytes: 5)) {
            try DigestAlgorithm.sha256.hexadecimal(ofFile: path, part: 2..<6)
        }
    }

    @Test func cancellingEndsIt() async throws {
        let scratch = try ScratchDirectory()
        let path = scratch.path + "/file"
        try Files.replace(path, with: Array("text".utf8))
        let work = Task {
            while !Task.isCancelled { await Task.yield() }
            return try Digest.of(file: path)
        }
        work.cancel()
        await #expect(throws: CancellationError.self) { try await work.value }
    }
}
