import Dispatch
import Glibc
import NIOCore
import Synchronization
import TestSupport
import Testing

@testable import NetrootServe

extension ServerTests {
    /// What is left to do for connections that are gone.
    @Suite(.serialized) struct ClosedConnectionTests {
        /// One worker, which the first use of `/x` keeps busy until the gate opens.
        private static func withBusyWorker(
            perClient: Int = 256, _ body: (NFSServer, DispatchSemaphore) async throws -> Void
        ) async throws {
            let tree = try TestTree.sample()
            let other = try TestTree.sample()
            let gate = DispatchSemaphore(value: 0)
            var limits = NFSLimits()
            limits.threads = 1
            limits.workers = 1
            limits.connectionsPerClient = perClient
            let exports = [tree.export("/x"), other.export("/y", generation: 2)]
            let onFirstUse: @Sendable (Export) -> Void = { if $0.path == "/x" { gate.wait() } }
            try await withServer(exports, onFirstUse: onFirstUse, limits: limits) { server in
                do { try await body(server, gate) } catch {
                    gate.signal()
                    throw error
                }
            }
        }

        private static func mount(_ path: String) -> [UInt8] {
            RawClient.call(1, program: NFSv3.mountProgram) { $0.writeXDR(string: path) }
        }

        private static func until(_ condition: () -> Bool) async throws {
            let end = ContinuousClock.now + .seconds(10)
            while !condition(), ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(10)) }
            #expect(condition())
        }

        @Test("what a connection asked is not done any more when it is reset while it waits for its turn")
        func aResetConnectionIsForgotten() async throws {
            try await Self.withBusyWorker { server, gate in
                let first = try RawClient(port: server.port, source: 2)
                first.send(Self.mount("/x"))
                try await Self.until { server.work.begun == 1 }
                var gone = try (0..<40).map { _ in try RawClient(port: server.port, source: 3) }
                for client in gone { client.send(Self.mount("/y")) }
                try await Self.until { server.work.waiting == 40 }
                for client in gone { client.resetAtClose() }
                gone = []
                try await Self.until { server.work.waiting == 0 }
                #expect(server.statistics.connectionsOpen == 1)
                gate.signal()
                #expect(try first.record() != nil)
                // The one that was busy, and this.
                #expect(throws: Never.self) { try RawClient(port: server.port, source: 3).mount("/y") }
                #expect(server.work.begun == 2)
            }
        }

        @Test("a connection that is gone counts as its client's until what is done for it has ended")
        func whatIsBeingDoneCounts() async throws {
            try await Self.withBusyWorker(perClient: 1) { server, gate in
                do {
                    let first = try RawClient(port: server.port, source: 3)
                    first.send(Self.mount("/x"))
                    try await Self.until { server.work.begun == 1 }
                    first.resetAtClose()
                }
                try await Self.until { server.statistics.connectionsOpen == 0 }
                #expect(try RawClient(port: server.port, source: 3).isClosedByServer())
                #expect(server.work.begun == 1)
                gate.signal()
                let end = ContinuousClock.now + .seconds(10)
                var isServed = false
                while !isServed, ContinuousClock.now < end {
                    do {
                        _ = try RawClient(port: server.port, source: 3).mount("/y")
                        isServed = true
                    } catch { try await Task.sleep(for: .milliseconds(20)) }
                }
                #expect(isServed)
            }
        }

        @Test("a deadline does not keep what is left of a connection that is gone", arguments: [false, true])
        func deadlinesKeepNothing(isUnread: Bool) async throws {
            let tree = try TestTree.sample()
            try tree.write("/big", String(repeating: "0123456789abcdef", count: 1 << 18))
            var limits = NFSLimits()
            limits.recordSeconds = 3600
            limits.replySeconds = 3600
            limits.unsentBytes = 4096
            let uses = Mutex(0)
            let server = try await NFSServer.start(
                exports: [tree.export()], port: 0, onUse: { _, _ in uses.withLock { $0 += 1 } }, limits: limits)
            do {
                let client = try RawClient(port: server.port)
                let big = try client.lookup("big", in: try client.mount("/x"))
                let call = RawClient.call(6) { buffer in
                    buffer.write(handle: big)
                    buffer.writeMultipleIntegers(UInt64(0), UInt32(1 << 20))
                }
                if isUnread { for _ in 0..<8 { client.send(call) } } else { client.send(Array(call.prefix(20))) }
                try await Task.sleep(for: .milliseconds(300))
                #expect(uses.withLock { $0 } == 1)
                client.resetAtClose()
            }
            // The use ends when the connection is in memory no longer.
            try await Self.until { uses.withLock { $0 } == 2 }
            try await server.stop()
        }

        @Test("a server that ends answers what is being done") func aServerThatEndsAnswers() async throws {
            let tree = try TestTree.sample()
            let gate = DispatchSemaphore(value: 0)
            let began = DispatchSemaphore(value: 0)
            let server = try await NFSServer.start(
                exports: [tree.export()], port: 0,
                onFirstUse: { _ in
                    began.signal()
                    gate.wait()
                })
            let client = try RawClient(port: server.port)
            client.send(Self.mount("/x"))
            try await onThread { began.wait() }
            async let stopped: Void = server.stop()
            try await Task.sleep(for: .milliseconds(300))
            gate.signal()
            #expect(try client.record() != nil)
            try await stopped
        }
    }
}

/// Work that was handed in and is not wanted any more.
@Suite struct WorkQueueTests {
    @Test("work that waits can be taken back, and a client has only so much of it")
    func workCanBeTakenBack() async throws {
        let queue = WorkQueue(threads: 1, mostWaiting: 3)
        let (a, b) = (
            ClientKey(try SocketAddress(ipAddress: "10.0.0.1", port: 1)),
            ClientKey(try SocketAddress(ipAddress: "10.0.0.2", port: 1))
        )
        let gate = DispatchSemaphore(value: 0)
        let done = Mutex<[Int]>([])
        let busy = try #require(queue.submit(a) { gate.wait() })
        while queue.begun == 0 { usleep(1000) }
        let tickets = try (0..<3).map { number in
            try #require(queue.submit(a) { done.withLock { $0.append(number) } })
        }
        #expect(queue.submit(a) {} == nil && queue.waiting == 3)
        let only = try #require(queue.submit(b) { done.withLock { $0.append(10) } })
        #expect(queue.drop(tickets[1]) && !queue.drop(tickets[1]) && !queue.drop(busy))
        #expect(queue.drop(only) && queue.waiting == 2)
        // One of which all was taken back may have its turn all the same.
        #expect(queue.submit(b) { done.withLock { $0.append(11) } } != nil)
        gate.signal()
        let end = ContinuousClock.now + .seconds(10)
        while done.withLock({ $0.count }) < 3, ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(5)) }
        try await queue.stop()
        #expect(done.withLock { $0.sorted() } == [0, 2, 11])
    }
}

extension RawClient {
    /// The connection ends with RST and not with FIN.
    fileprivate func resetAtClose() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    }
}
