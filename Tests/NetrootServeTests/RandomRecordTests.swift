import Glibc
import NIOCore
import TestSupport
import Testing

@testable import NetrootServe

extension ServerTests {
    @Suite(.serialized) struct RandomRecordTests {
        /// Noise, valid calls with bytes changed, and cut ones, in a hundred thousand records and over many connections.
        @Test func aHundredThousandRandomRecords() async throws {
            let tree = try TestTree.sample()
            var limits = NFSLimits()
            limits.attributeSeconds = 0
            try await withServer([tree.export()], limits: limits) { server in
                let witness = try RawClient(port: server.port)
                let root = try witness.mount("/x")
                let before = try witness.attributes(root)
                let templates = try Self.templates(witness, root)
                var random = SeededRandom(seed: 20_260_801)
                let start = try residentBytes()
                // A record that is not a call ends its connection, and those behind it are lost: more are sent than count.
                for _ in 0..<21_000 {
                    let client = try RawClient(port: server.port)
                    let batch = (0..<10).flatMap { _ in Self.record(templates, &random) }
                    client.send(batch)
                    shutdown(client.descriptor, Int32(SHUT_WR))
                    try Self.drain(client)
                }
                #expect(try witness.attributes(root).inode == before.inode)
                let file = try witness.walk("etc/hostname", from: root)
                #expect(try witness.read(file, offset: 0, count: 99).bytes == Array("client\n".utf8))
                // scripts/test runs this suite in a process of its own: other tests beside it would be counted too.
                #expect(try residentBytes() - start < 32 << 20)
                let statistics = server.statistics
                #expect(statistics.totalOperations > 70_000)
                #expect(statistics.connectionsRefused > 1000)
                let taken = statistics.totalOperations + statistics.otherCalls + statistics.connectionsRefused
                #expect(taken >= 100_000)
            }
        }

        /// Valid calls of every procedure, some of them with a file's handle.
        private static func templates(_ client: RawClient, _ root: [UInt8]) throws -> [[UInt8]] {
            let file = try client.walk("etc/hostname", from: root)
            let many = try client.lookup("many", in: root)
            var list: [[UInt8]] = []
            for handle in [root, file, many] {
                for procedure in 0...UInt32(22) {
                    list.append(
                        RawClient.call(procedure) { buffer in
                            buffer.write(handle: handle)
                            switch procedure {
                            case 3: buffer.writeXDR(string: "hostname")
                            case 4: buffer.writeInteger(UInt32(63))
                            case 6: buffer.writeMultipleIntegers(UInt64(0), UInt32(4096))
                            case 16: buffer.writeMultipleIntegers(UInt64(0), UInt64(0), UInt32(4096))
                            case 17: buffer.writeMultipleIntegers(UInt64(0), UInt64(0), UInt32(1024), UInt32(4096))
                            default: buffer.writeMultipleIntegers(UInt64(0), UInt64(0), UInt64(0))
                            }
                        })
                }
                list.append(
                    RawClient.call(1, program: NFSv3.aclProgram) { buffer in
                        buffer.write(handle: handle)
                        buffer.writeInteger(UInt32(15))
                    })
            }
            for procedure in 0...UInt32(6) {
                list.append(RawClient.call(procedure, program: NFSv3.mountProgram) { $0.writeXDR(string: "/x") })
            }
            return list
        }

        private static func record(_ templates: [[UInt8]], _ random: inout SeededRandom) -> [UInt8] {
            var bytes = templates[Int.random(in: 0..<templates.count, using: &random)]
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<1:
                return (0..<Int.random(in: 1..<200, using: &random)).map { _ in .random(in: 0...255, using: &random) }
            case 1..<3:
                // Noise with a mark that fits.
                let count = Int.random(in: 1..<200, using: &random)
                return [0x80, 0, 0, UInt8(count)] + (0..<count).map { _ in .random(in: 0...255, using: &random) }
            case 3..<20:
                // Cut, with a mark that fits: it ends within the arguments, or within the header.
                bytes.removeLast(Int.random(in: 1..<(bytes.count - 4), using: &random))
                let count = bytes.count - 4
                bytes[0...3] = [0x80, 0, UInt8(count >> 8), UInt8(count & 0xFF)]
                return bytes
            case 20..<90:
                // Changed behind the header, so that the procedures get to see it.
                for _ in 0..<Int.random(in: 1...4, using: &random) where bytes.count > 76 {
                    bytes[Int.random(in: 76..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
                }
                return bytes
            case 90..<98:
                bytes[Int.random(in: 4..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
                return bytes
            default:
                bytes[Int.random(in: 0..<4, using: &random)] = .random(in: 0...255, using: &random)
                return bytes
            }
        }

        /// Reads to the end of the connection, which the server must bring about.
        private static func drain(_ client: RawClient) throws {
            var bytes = [UInt8](repeating: 0, count: 64 << 10)
            while true {
                let count = recv(client.descriptor, &bytes, bytes.count, 0)
                if count == 0 || count < 0 && errno == ECONNRESET { return }
                guard count > 0 else { throw TestFailure("the server hangs: errno \(errno)") }
            }
        }
    }
}
