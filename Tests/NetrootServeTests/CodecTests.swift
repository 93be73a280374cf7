import NIOCore
import Testing

@testable import NetrootServe

@Suite struct CodecTests {
    private func reader(_ bytes: [UInt8]) -> XDRReader { XDRReader(ByteBuffer(bytes: bytes)) }

    @Test func integersAreBigEndian() throws {
        var reader = reader([0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 9])
        #expect(try reader.uint32() == 258)
        #expect(try reader.uint64() == 9)
        #expect(reader.remaining == 0)
    }

    @Test func whatIsCutIsTruncated() {
        var three = reader([0, 0, 1])
        #expect(throws: XDRError.truncated) { try three.uint32() }
        var seven = reader([0, 0, 0, 0, 0, 0, 0])
        #expect(throws: XDRError.truncated) { try seven.uint64() }
        var opaque = reader([0, 0, 0, 8, 1, 2, 3, 4])
        #expect(throws: XDRError.truncated) { try opaque.opaque(limit: 8) }
        var padding = reader([0, 0, 0, 1, 1, 0, 0])
        #expect(throws: XDRError.truncated) { try padding.opaque(limit: 8) }
    }

    @Test func lengthsAreLimited() {
        var long = reader([0, 0, 0, 9] + [UInt8](repeating: 1, count: 12))
        #expect(throws: XDRError.tooLong(9)) { try long.opaque(limit: 8) }
        var huge = reader([0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4])
        #expect(throws: XDRError.tooLong(.max)) { try huge.opaque(limit: 1 << 20) }
        var bad = reader([0, 0, 0, 2])
        #expect(throws: XDRError.badValue(2)) { try bad.bool() }
    }

    @Test func opaqueIsPaddedToFour() throws {
        for count in 0...9 {
            let bytes = (0..<count).map { UInt8($0 + 1) }
            var buffer = ByteBuffer()
            bytes.withUnsafeBytes { buffer.writeXDR(opaque: $0) }
            #expect(buffer.readableBytes % 4 == 0)
            var reader = XDRReader(buffer)
            let item = try reader.opaque(limit: 9)
            #expect(reader.withBytes(of: item) { Array($0) } == bytes)
            #expect(reader.remaining == 0)
        }
    }

    @Test func aSliceEndsWhereItIsToldTo() throws {
        let buffer = ByteBuffer(bytes: [9, 9, 0, 0, 0, 1, 9, 9])
        var reader = XDRReader(buffer, offset: 2, count: 4)
        #expect(try reader.uint32() == 1)
        #expect(throws: XDRError.truncated) { try reader.uint32() }
        var beyond = XDRReader(buffer, offset: 6, count: 4)
        #expect(throws: XDRError.truncated) { try beyond.uint32() }
        var before = XDRReader(buffer, offset: -1, count: 4)
        #expect(throws: XDRError.truncated) { try before.uint32() }
    }

    @Test func handlesAreCheckedBitByBit() throws {
        let handle = FileHandle(export: 0x1234_5678, generation: 7, inode: 0xABCD_EF01_2345)
        var buffer = ByteBuffer()
        handle.write(to: &buffer)
        var reader = XDRReader(buffer)
        #expect(try FileHandle.read(from: &reader) == handle)
        for bit in 32..<(buffer.readableBytes * 8) {
            var bytes = Array(buffer.readableBytesView)
            bytes[bit / 8] ^= 1 << (bit % 8)
            var reader = XDRReader(ByteBuffer(bytes: bytes))
            #expect(try FileHandle.read(from: &reader) == nil, "bit \(bit)")
        }
    }

    @Test func recordsComeInPieces() throws {
        var assembler = RecordAssembler(recordBytes: 64, fragments: 4)
        let stream: [UInt8] = [0, 0, 0, 2, 1, 2, 0x80, 0, 0, 1, 3, 0x80, 0, 0, 2, 4, 5]
        var records: [[UInt8]] = []
        for byte in stream {
            assembler.append(ByteBuffer(bytes: [byte]))
            while case .record(let buffer, let offset, let count) = assembler.next() {
                records.append(buffer.getBytes(at: offset, length: count) ?? [])
            }
        }
        #expect(records == [[1, 2, 3], [4, 5]])
        #expect(!assembler.isInside)
    }

    @Test func recordsAreLimited() {
        func isTooLarge(_ bytes: [UInt8]) -> Bool {
            var assembler = RecordAssembler(recordBytes: 8, fragments: 3)
            assembler.append(ByteBuffer(bytes: bytes))
            while true {
                switch assembler.next() {
                case .tooLarge: return true
                case .incomplete: return false
                case .record: continue
                }
            }
        }
        #expect(isTooLarge([0x80, 0, 0, 9]))
        #expect(!isTooLarge([0x80, 0, 0, 8]))
        #expect(isTooLarge([0xFF, 0xFF, 0xFF, 0xFF]))
        #expect(isTooLarge([0, 0, 0, 4, 1, 2, 3, 4, 0, 0, 0, 5]))
        // Empty fragments for ever.
        #expect(isTooLarge([UInt8](repeating: 0, count: 40)))
    }

    @Test func targetsAreParsed() throws {
        #expect(try NFSTarget(parsing: "127.0.0.1:2049:/a/b") == NFSTarget(host: "127.0.0.1", port: 2049, path: "/a/b"))
        let six = try NFSTarget(parsing: "[fd00::1]:2049:/a:b")
        #expect(six == NFSTarget(host: "fd00::1", port: 2049, path: "/a:b") && six.server == "[fd00::1]:2049")
        for text in [
            "[fd00::1]", "[fd00::1]:1:x", "[fd00::1]:0:/x", "[host]:1:/x", "[]:1:/x", "[fd00::1%e]:1:/x",
            "fd00::1:1:/x",
        ] {
            #expect(throws: ServeError.badTarget(text)) { try NFSTarget(parsing: text) }
        }
        for text in ["", "host", "host:/x", "host:0:/x", "host:65536:/x", "host:1:x", ":1:/x", "a?b:1:/x", "a/b:1:/x"] {
            #expect(throws: ServeError.badTarget(text)) { try NFSTarget(parsing: text) }
        }
    }
}
