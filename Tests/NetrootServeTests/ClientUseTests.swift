import Synchronization
import Testing

@testable import NetrootServe

extension ServerTests {
    /// Who uses which tree, as a server tells it.
    @Suite(.serialized) struct ClientUseTests {
        @Test("A client counts as seen when it first names a tree, while it is connected and idle, and when it goes")
        func usesAreTold() async throws {
            let trees = try (0..<2).map { _ in try TestTree.sample() }
            let exports = zip(trees, 1...).map { $0.export("/x/\($1)", generation: UInt32($1)) }
            let told = Mutex<[String]>([])
            func take() -> [String] {
                told.withLock { told in
                    defer { told = [] }
                    return told.sorted()
                }
            }
            let server = try await NFSServer.start(
                exports: exports, port: 0,
                onUse: { address, export in told.withLock { $0.append("\(address) \(export.path)") } }
            )
            do {
                let client = try RawClient(port: server.port)
                _ = try client.call(5, program: NFSv3.mountProgram)
                server.renewUses()
                #expect(take() == [], "the list of exports names no tree")
                let root = try client.mount("/x/1")
                #expect(take() == ["127.0.0.1 /x/1"])
                for _ in 0..<3 { _ = try client.attributes(root) }
                #expect(take() == [], "no call costs more than the first")
                server.renewUses()
                #expect(take() == ["127.0.0.1 /x/1"], "idle, and connected")
                // A client that goes on after a restart comes without MNT.
                let other = try RawClient(port: server.port)
                _ = try other.attributes(root)
                #expect(take() == ["127.0.0.1 /x/1"])
                server.renewUses()
                #expect(take() == ["127.0.0.1 /x/1"], "two connections are one client")
            }
            // Both connections are closed.
            let deadline = ContinuousClock.now + .seconds(10)
            while told.withLock({ $0.count }) < 2, ContinuousClock.now < deadline {
                try await Task.sleep(for: .milliseconds(10))
            }
            #expect(take() == ["127.0.0.1 /x/1", "127.0.0.1 /x/1"])
            server.renewUses()
            #expect(take() == [])
            try await server.stop()
        }
    }
}
