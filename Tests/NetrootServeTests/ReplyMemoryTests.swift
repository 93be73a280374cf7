import Glibc
import Logging
import NIOCore
import Synchronization
import TestSupport
import Testing

@testable import NetrootServe

extension ServerTests {
    /// What all clients together can make the server hold.
    @Suite(.serialized) struct ReplyMemoryTests {
        private static func reads(_ handle: [UInt8], _ count: Int) -> [UInt8] {
            (0..<count).flatMap { number in
                RawClient.call(6, transaction: UInt32(number)) { buffer in
                    buffer.write(handle: handle)
                    buffer.writeMultipleIntegers(UInt64(number) << 20, UInt32(1 << 20))
                }
            }
        }

        private static func tree() throws -> TestTree {
            let tree = try TestTree.sample()
            try tree.write("/big", String(repeating: "0123456789abcdef", count: 1 << 18))
            return tree
        }

        /// The memory of all replies is bounded, honest clients are served meanwhile, and it is given back.
        @Test("replies that hundreds of clients do not take stay within the budget", arguments: TreeKind.allCases)
        func unreadRepliesStayWithinTheBudget(kind: TreeKind) async throws {
            let tree = try Self.tree()
            var limits = NFSLimits()
            limits.replyBytes = 8 << 20
            limits.imageCacheBytes = 4 << 20
            try await withServer([try await tree.export(kind)], limits: limits) { server in
                let honest = try RawClient(port: server.port, source: 2)
                let root = try honest.mount("/x")
                let big = try honest.lookup("big", in: root)
                _ = try honest.read(big, offset: 0, count: 1 << 20)
                let before = try residentBytes()
                var deaf: [RawClient] = []
                var slowest = Duration.zero
                var peak = 0
                for number in 0..<300 {
                    let client = try RawClient(port: server.port, source: UInt32(3 + number % 5))
                    client.send(Self.reads(big, 4))
                    deaf.append(client)
                    let start = ContinuousClock.now
                    #expect(try honest.attributes(root).type == 2)
                    #expect(try honest.read(big, offset: 0, count: 30_000).bytes.count == 30_000)
                    slowest = max(slowest, ContinuousClock.now - start)
                    peak = max(peak, try residentBytes() - before)
                }
                // A piece for each would be 38 MB, and a whole reply 300 MB.
                #expect(peak < 32 << 20)
                // Far above what it takes, even here.
                #expect(slowest < .seconds(2))
                deaf = []
                let end = ContinuousClock.now + .seconds(10)
                while try residentBytes() - before > 16 << 20, ContinuousClock.now < end {
                    try await Task.sleep(for: .milliseconds(100))
                }
                #expect(try residentBytes() - before <= 16 << 20)
                #expect(try honest.attributes(root).type == 2)
            }
        }

        @Test("where the budget is used up, the client that holds the most is closed, and not who takes its replies")
        func whoHoldsTheMostIsClosed() async throws {
            let tree = try Self.tree()
            var limits = NFSLimits()
            limits.threads = 1
            limits.replyBytes = 1 << 20
            limits.tightSeconds = 3600
            limits.unsentBytes = 4096
            try await withServer([tree.export()], limits: limits) { server in
                let honest = try RawClient(port: server.port, source: 2)
                let root = try honest.mount("/x")
                let big = try honest.lookup("big", in: root)
                // Slow, but not the one that holds the most.
                let slow = try RawClient(port: server.port, source: 3)
                slow.send(Self.reads(big, 1))
                let greedy = try (0..<100).map { _ in try RawClient(port: server.port, source: 4) }
                for client in greedy { client.send(Self.reads(big, 4)) }
                let end = ContinuousClock.now + .seconds(10)
                while server.statistics.connectionsRefused == 0, ContinuousClock.now < end {
                    #expect(try honest.attributes(root).type == 2)
                    try await Task.sleep(for: .milliseconds(10))
                }
                #expect(server.statistics.connectionsRefused > 0)
                let reply = try #require(try slow.record())
                #expect(reply.readableBytes > 1 << 20)
                #expect(try honest.read(big, offset: 0, count: 1 << 20).bytes.count == 1 << 20)
            }
        }

        @Test("while it is tight, who takes nothing for a short time is closed") func whoTakesNothingIsClosed()
            async throws
        {
            let tree = try Self.tree()
            var limits = NFSLimits()
            limits.threads = 1
            limits.replyBytes = 1 << 20
            limits.tightSeconds = 1
            limits.unsentBytes = 4096
            try await withServer([tree.export()], limits: limits) { server in
                let honest = try RawClient(port: server.port, source: 2)
                let root = try honest.mount("/x")
                let big = try honest.lookup("big", in: root)
                // More than half of the budget, and less than all of it.
                let deaf = try (0..<10).map { _ in try RawClient(port: server.port, source: 4) }
                for client in deaf { client.send(Self.reads(big, 4)) }
                let end = ContinuousClock.now + .seconds(20)
                while server.statistics.connectionsRefused == 0, ContinuousClock.now < end {
                    try await Task.sleep(for: .milliseconds(50))
                }
                #expect(server.statistics.connectionsRefused > 0)
                #expect(try honest.attributes(root).type == 2)
            }
        }

        @Test("while it is tight, who asks on and on and takes everything is not closed") func whoGoesOnIsNotClosed()
            async throws
        {
            let tree = try Self.tree()
            var limits = NFSLimits()
            limits.threads = 1
            limits.replyBytes = 1 << 20
            limits.tightSeconds = 1
            limits.unsentBytes = 4096
            try await withServer([tree.export()], limits: limits) { server in
                let honest = try RawClient(port: server.port, source: 2)
                let root = try honest.mount("/x")
                let call = RawClient.call(1) { $0.write(handle: root) }
                let big = try honest.lookup("big", in: root)
                let end = ContinuousClock.now + .seconds(5)
                // Always a rest of the next call with each call.
                honest.send(Array(call.prefix(call.count / 2)))
                var deaf: [RawClient] = []
                while ContinuousClock.now < end {
                    // Those that were closed are replaced, so that it stays tight.
                    if server.statistics.connectionsOpen < 9 {
                        deaf.append(try RawClient(port: server.port, source: 4))
                        deaf.last?.send(Self.reads(big, 4))
                    }
                    honest.send(Array(call.suffix(call.count - call.count / 2) + call.prefix(call.count / 2)))
                    try #require(try honest.record() != nil)
                    try await Task.sleep(for: .milliseconds(20))
                }
                #expect(server.statistics.connectionsRefused > 8)
            }
        }

        @Test("a READ of a MiB that is taken in small bites is whole", arguments: TreeKind.allCases)
        func aReplyInPiecesIsWhole(kind: TreeKind) async throws {
            let tree = try TestTree()
            let text = String((0..<150_001).map { "\($0 % 7919) " }.joined().prefix(800_001))
            try tree.write("/file", text)
            var limits = NFSLimits()
            limits.pieceBytes = 20_000
            limits.tightPieceBytes = 4096
            // Tight with the first reply that waits, and not used up.
            limits.threads = 1
            limits.replyBytes = 120_000
            limits.unsentBytes = 4096
            try await withServer([try await tree.export(kind)], limits: limits) { server in
                let client = try RawClient(port: server.port)
                let file = try client.lookup("file", in: try client.mount("/x"))
                for _ in 0..<2 {
                    let read = try client.read(file, offset: 0, count: 1 << 20)
                    #expect(read.bytes == Array(text.utf8) && read.isEnd)
                    let part = try client.read(file, offset: 3, count: 700_002)
                    #expect(part.bytes == Array(text.utf8.dropFirst(3).prefix(700_002)) && !part.isEnd)
                }
            }
        }

        @Test("a file that is cut in the middle of a READ is read to its new end by the next one")
        func aFileThatIsCutIsReadToItsEnd() async throws {
            let tree = try TestTree()
            try tree.write("/file", String(repeating: "0123456789abcdef", count: 1 << 18))
            var limits = NFSLimits()
            limits.unsentBytes = 4096
            limits.attributeSeconds = 3600
            limits.readBytes = 4 << 20
            try await withServer([tree.export()], limits: limits) { server in
                let client = try RawClient(port: server.port)
                let file = try client.lookup("file", in: try client.mount("/x"))
                client.send(
                    RawClient.call(6) { buffer in
                        buffer.write(handle: file)
                        buffer.writeMultipleIntegers(UInt64(0), UInt32(4 << 20))
                    })
                usleep(300_000)
                #expect(truncate(tree.path + "/file", 4 << 19) == 0)
                // The reply was promised whole.
                #expect(try client.record() == nil)
                let again = try RawClient(port: server.port)
                #expect(try again.readCount(file, count: 4 << 20) == 4 << 19)
            }
        }

        @Test("where there are more bad files than can be noted, a READ is promised what has been read")
        func manyBadFilesArePromisedOnePiece() throws {
            let tree = try Self.tree()
            let limits = NFSLimits()
            let list = try ExportList(
                [tree.export()], provider: nil, onFirstUse: nil, limits: limits, log: Logger(label: "test"))
            let served = try #require(list.tree(path: MountPath(Array("/x".utf8)))?.tree)
            let service = NFSService(exports: list, limits: limits, counters: NFSCounters())
            var status = stat()
            #expect(lstat(tree.path + "/big", &status) == 0)
            let call = RawClient.call(6) { buffer in
                buffer.write(handle: served.handle(UInt64(status.st_ino)).bytes)
                buffer.writeMultipleIntegers(UInt64(0), UInt32(1 << 20))
            }
            /// The bytes that are still to come behind the beginning of the reply.
            func left() -> Int {
                var out = ByteBuffer()
                var reader = XDRReader(ByteBuffer(bytes: call.dropFirst(4)))
                guard case .answered = service.answer(&reader, into: &out, mayAsk: false) else { return -1 }
                #expect(out.readableBytes > limits.pieceBytes)
                return service.rest?.left ?? 0
            }
            for number in 0..<ServedTree.mostNotes {
                #expect(left() == (1 << 20) - limits.pieceBytes)
                served.note(unreadable: 0, of: UInt64((1 << 40) + number))
            }
            #expect(left() > 0)
            served.note(unreadable: 0, of: 1 << 41)
            #expect(left() == 0)
        }

        @Test("a client has so many connections, and others are not closed for it")
        func connectionsOfAClientAreLimited() async throws {
            let tree = try TestTree.sample()
            var limits = NFSLimits()
            limits.threads = 1
            limits.connectionsPerClient = 3
            try await withServer([tree.export()], limits: limits) { server in
                let other = try RawClient(port: server.port, source: 2)
                let root = try other.mount("/x")
                var clients: [RawClient] = []
                for _ in 0..<10 {
                    let client = try RawClient(port: server.port, source: 3)
                    #expect(try client.mount("/x") == root)
                    clients.append(client)
                }
                for client in clients.prefix(7) { #expect(client.isClosedByServer()) }
                for client in clients.suffix(3) { #expect(try client.attributes(root).type == 2) }
                #expect(try other.attributes(root).type == 2)
                #expect(server.statistics.connectionsRefused == 7)
                #expect(server.statistics.connectionsOpen == 4)
            }
        }
    }
}

/// The parts of it.
@Suite struct ReplyBudgetTests {
    @Test func theHeaviestClientIsTheOneWithTheMostInAll() throws {
        let clients = try ["10.0.0.1", "10.0.0.2", "fd00::1"].map {
            ClientKey(try SocketAddress(ipAddress: $0, port: 1))
        }
        let budget = ReplyBudget(limit: 100)
        #expect(budget.heaviest == nil && !budget.isTight)
        budget.change(by: 30, of: clients[0])
        for _ in 0..<4 { budget.change(by: 10, of: clients[1]) }
        #expect(budget.held == 70 && budget.isTight && !budget.isExceeded)
        #expect(budget.heaviest == clients[1])
        budget.change(by: 40, of: clients[2])
        #expect(budget.isExceeded)
        budget.change(by: -40, of: clients[1])
        #expect(budget.heaviest == clients[2] && budget.isTight && !budget.isExceeded)
    }

    @Test("each IPv6 address is a client, and its network of 64 bits is counted too")
    func anIPv6AddressIsAClient() throws {
        func key(_ address: String, _ port: Int = 1) throws -> ClientKey {
            ClientKey(try SocketAddress(ipAddress: address, port: port))
        }
        let (a, b) = (try key("fd00:1:2:3::1", 5), try key("fd00:1:2:3:ffff::2", 6))
        #expect(try a != b && a == key("fd00:1:2:3::1", 7))
        #expect(a.network != nil && a.network == b.network && a.network != a)
        #expect(try a.network != key("fd00:1:2:4::1").network)
        #expect(try key("10.0.0.1").network == nil && key("::ffff:10.0.0.1").network == nil)
        let counts = ClientCounts()
        counts.add(a)
        counts.add(b)
        let network = try #require(a.network)
        #expect(counts.count(of: a) == 1 && counts.count(of: network) == 2)
        counts.remove(a)
        counts.remove(b)
        #expect(counts.count(of: a) == 0 && counts.count(of: network) == 0)
        var limits = NFSLimits()
        #expect(limits.connectionsPerNetwork == limits.connections / 2)
        limits.connectionsPerClient = 10_000
        #expect(limits.connectionsPerNetwork == 10_000)
        #expect(try key("10.0.0.1", 5) == key("10.0.0.1", 6))
        #expect(try key("10.0.0.1") != key("10.0.0.2"))
        #expect(try key("::ffff:10.0.0.1") == key("10.0.0.1"))
        #expect(try key("::1") != key("0.0.0.1"))
    }

    @Test("clients take turns, however much one has to do") func clientsTakeTurns() async throws {
        let queue = WorkQueue(threads: 1)
        let (a, b) = (
            ClientKey(try SocketAddress(ipAddress: "10.0.0.1", port: 1)),
            ClientKey(try SocketAddress(ipAddress: "10.0.0.2", port: 1))
        )
        let order = Mutex<[String]>([])
        let gate = Mutex(false)
        queue.submit(a) { while !gate.withLock({ $0 }) { usleep(1000) } }
        for number in 0..<200 { queue.submit(a) { order.withLock { $0.append("a\(number)") } } }
        for number in 0..<2 { queue.submit(b) { order.withLock { $0.append("b\(number)") } } }
        gate.withLock { $0 = true }
        let end = ContinuousClock.now + .seconds(10)
        while order.withLock({ $0.count }) < 202, ContinuousClock.now < end {
            try await Task.sleep(for: .milliseconds(5))
        }
        try await queue.stop()
        let done = order.withLock { $0 }
        #expect(done.count == 202)
        #expect(Set(done.prefix(4)) == ["a0", "a1", "b0", "b1"])
        #expect(done.filter { $0.hasPrefix("a") } == (0..<200).map { "a\($0)" })
    }
}

extension RawClient {
    /// How many bytes a READ of more than the usual limit brings.
    fileprivate func readCount(_ handle: [UInt8], count: UInt32) throws -> UInt32 {
        var reader = try call(6) { buffer in
            buffer.write(handle: handle)
            buffer.writeMultipleIntegers(UInt64(0), count)
        }
        try reader.status()
        _ = try reader.optionalAttributes()
        return try reader.uint32()
    }
}
