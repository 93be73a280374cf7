import Glibc
import NIOCore
import Testing

@testable import NetrootServe

extension ServerTests {
    /// Who has to go when there are too many connections, or one of which nothing comes.
    @Suite(.serialized) struct ConnectionLimitTests {
        /// Each loop closes connections of its own, so that one loop tells exactly which.
        private static func limits(_ connections: Int) -> NFSLimits {
            var limits = NFSLimits()
            limits.connections = connections
            limits.threads = 1
            return limits
        }

        /// Whether the server has closed the connection by now.
        private static func isClosed(_ client: RawClient) -> Bool {
            var byte: UInt8 = 0
            let count = recv(client.descriptor, &byte, 1, Int32(MSG_DONTWAIT))
            return count == 0 || count < 0 && errno == ECONNRESET
        }

        @Test func theLongestIdleMakesRoom() async throws {
            let tree = try TestTree.sample()
            try await withServer([tree.export()], limits: Self.limits(3)) { server in
                var clients: [RawClient] = []
                for _ in 0..<3 {
                    let client = try RawClient(port: server.port)
                    _ = try client.mount("/x")
                    clients.append(client)
                }
                // The oldest is used again, so the second is the one that is idle longest.
                _ = try clients[0].mount("/x")
                let fourth = try RawClient(port: server.port)
                #expect(try fourth.mount("/x").count == FileHandle.size)
                #expect(clients[1].isClosedByServer())
                #expect(throws: Never.self) { try clients[0].mount("/x") }
                #expect(throws: Never.self) { try clients[2].mount("/x") }
                #expect(server.statistics.connectionsOpen == 3)
                #expect(server.statistics.connectionsRefused == 1)
                // Who was closed comes again, and finds room in its turn.
                #expect(throws: Never.self) { try RawClient(port: server.port).mount("/x") }
            }
        }

        @Test("one that does nothing makes room before one that takes a reply")
        func theIdleMakesRoomForTheBusy() async throws {
            let tree = try TestTree.sample()
            try tree.write("/big", String(repeating: "0123456789abcdef", count: 1 << 18))
            var limits = Self.limits(2)
            limits.unsentBytes = 4096
            try await withServer([tree.export()], limits: limits) { server in
                let busy = try RawClient(port: server.port)
                let big = try busy.lookup("big", in: try busy.mount("/x"))
                let call = RawClient.call(6) { buffer in
                    buffer.write(handle: big)
                    buffer.writeMultipleIntegers(UInt64(0), UInt32(1 << 20))
                }
                for _ in 0..<8 { busy.send(call) }
                let idle = try RawClient(port: server.port)
                _ = try idle.mount("/x")
                try await Task.sleep(for: .milliseconds(1300))
                let third = try RawClient(port: server.port)
                _ = try third.mount("/x")
                #expect(idle.isClosedByServer())
                for _ in 0..<8 { #expect(try busy.record()?.readableBytes ?? 0 > 1 << 20) }
            }
        }

        @Test("Where no connection is idle, one that takes no replies makes room, and not an older one that goes on")
        func whoTakesNothingMakesRoom() async throws {
            let tree = try TestTree.sample()
            try tree.write("/big", String(repeating: "0123456789abcdef", count: 1 << 18))
            var limits = Self.limits(2)
            limits.unsentBytes = 4096
            limits.idleSeconds = 3600
            try await withServer([tree.export()], limits: limits) { server in
                let honest = try RawClient(port: server.port)
                let root = try honest.mount("/x")
                let big = try honest.lookup("big", in: root)
                let greedy = try RawClient(port: server.port)
                let call = RawClient.call(6) { buffer in
                    buffer.write(handle: big)
                    buffer.writeMultipleIntegers(UInt64(0), UInt32(1 << 20))
                }
                for _ in 0..<16 { greedy.send(call) }
                // Until the kernel takes no more of its replies: the server has stopped to read files for it.
                var read: UInt64 = 0
                repeat {
                    read = server.statistics.bytesRead
                    try await Task.sleep(for: .milliseconds(300))
                } while server.statistics.bytesRead != read || read == 0
                let third = try RawClient(port: server.port)
                _ = try third.mount("/x")
                #expect(try honest.attributes(root).type == 2)
                #expect(server.statistics.connectionsRefused == 1)
            }
        }

        @Test("machines of one IPv6 network do not close each other's connections")
        func aNetworkHasRoomForManyMachines() throws {
            // Loopback has one IPv6 address, so the connections of others are counted here.
            let counts = ClientCounts()
            let keys = try (1...300).map {
                ClientKey(try SocketAddress(ipAddress: "fd00::" + String($0, radix: 16), port: 1))
            }
            for key in keys { counts.add(key) }
            let limits = NFSLimits()
            let network = try #require(keys[0].network)
            #expect(keys.allSatisfy { counts.count(of: $0) < limits.connectionsPerClient })
            #expect(counts.count(of: network) == 300 && 300 < limits.connectionsPerNetwork)
        }

        @Test func aFloodKeepsNobodyOut() async throws {
            let tree = try TestTree.sample()
            try await withServer([tree.export()], limits: Self.limits(8)) { server in
                let busy = try RawClient(port: server.port)
                let root = try busy.mount("/x")
                var flood: [RawClient] = []
                for _ in 0..<100 {
                    flood.append(try RawClient(port: server.port))
                    // Bytes that are no whole record are no use of the connection.
                    flood.last?.send([0x80, 0])
                    #expect(try busy.attributes(root).type == 2)
                }
                let booting = try RawClient(port: server.port)
                #expect(try booting.mount("/x") == root)
                #expect(server.statistics.connectionsOpen <= 8)
                // The server has closed them; a client learns of it when the kernel has told it.
                let end = ContinuousClock.now + .seconds(5)
                while flood.count(where: { !Self.isClosed($0) }) > 6, ContinuousClock.now < end {
                    try await Task.sleep(for: .milliseconds(20))
                }
                #expect(flood.count { !Self.isClosed($0) } <= 6)
            }
        }

        @Test func withoutAnyToCloseTheNewOneIsRefused() async throws {
            let tree = try TestTree.sample()
            try await withServer([tree.export()], limits: Self.limits(0)) { server in
                let client = try RawClient(port: server.port)
                #expect(client.isClosedByServer())
                #expect(server.statistics.connectionsOpen == 0)
            }
        }

        @Test func whoSendsNothingIsClosed() async throws {
            let tree = try TestTree.sample()
            var limits = NFSLimits()
            limits.firstRecordSeconds = 1
            try await withServer([tree.export()], limits: limits) { server in
                let used = try RawClient(port: server.port)
                let root = try used.mount("/x")
                // More than one of each loop, and one that opens when the first check is under way.
                let silent = try (0..<5).map { _ in try RawClient(port: server.port) }
                usleep(500_000)
                let later = try RawClient(port: server.port)
                for client in silent + [later] { #expect(client.isClosedByServer()) }
                // Silence after a record is a client that has nothing to ask.
                #expect(try used.attributes(root).type == 2)
                #expect(server.statistics.connectionsRefused == 6)
                #expect(server.statistics.connectionsOpen == 1)
            }
        }
    }
}
