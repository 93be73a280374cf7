import Foundation
import Logging
import Synchronization
import Testing

@testable import NetrootServe

extension ServerTests {
    /// Who may connect, and over which protocol.
    @Suite(.serialized) struct ClientTests {
        private func only(_ address: String) -> @Sendable (String) -> Bool { { $0 == address } }

        @Test func aClientThatIsNotOneIsRefusedAndToldOnce() async throws {
            let tree = try TestTree.sample()
            let log = LogLines()
            let logger = Logger(label: "test") { _ in log }
            try await withServer([tree.export()], log: logger, accepts: only("127.0.0.2")) { server in
                for _ in 1...2 {
                    let target = NFSTarget(host: "127.0.0.1", port: server.port, path: "/x")
                    #expect(throws: ServeError.self) { _ = try NFSProbe(target: target, timeoutSeconds: 5).run() }
                }
                #expect(server.statistics.connectionsRefused >= 2)
                #expect(server.statistics.totalOperations == 0)
                #expect(
                    log.lines.withLock { $0 }.count {
                        $0.contains("refused 127.0.0.1, which is not one of the clients")
                    } == 1)
            }
            try await withServer([tree.export()], accepts: only("127.0.0.1")) { server in
                let target = NFSTarget(host: "127.0.0.1", port: server.port, path: "/x")
                let report = try NFSProbe(target: target, localTree: tree.path).run()
                #expect(report.passed)
                #expect(server.statistics.connectionsRefused == 0)
            }
        }

        /// A server on `::` takes IPv4 too, and sees such a client as it is asked for in `AddressRangeTests`.
        @Test func iPv4ByASocketOfIPv6() async throws {
            try #require(FileManager.default.fileExists(atPath: "/proc/net/if_inet6"), "this kernel has no IPv6")
            let tree = try TestTree.sample()
            let shown = "::ffff:127.0.0.1"
            for isIn in [true, false] {
                let accepts: @Sendable (String) -> Bool = { ($0 == shown) == isIn }
                try await withServer([tree.export()], address: "::", accepts: accepts) { server in
                    let target = NFSTarget(host: "127.0.0.1", port: server.port, path: "/x")
                    let probe = NFSProbe(target: target, localTree: tree.path, timeoutSeconds: 5)
                    if isIn {
                        let report = try probe.run()
                        #expect(report.passed)
                    } else {
                        #expect(throws: ServeError.self) { _ = try probe.run() }
                    }
                    #expect((server.statistics.connectionsRefused == 0) == isIn)
                }
            }
        }

        @Test func overIPv6() async throws {
            try #require(FileManager.default.fileExists(atPath: "/proc/net/if_inet6"), "this kernel has no IPv6")
            let tree = try TestTree.sample()
            try await withServer([tree.export()], address: "::1", accepts: only("::1")) { server in
                let target = try NFSTarget(parsing: "[::1]:\(server.port):/x")
                let report = try NFSProbe(target: target, localTree: tree.path).run()
                #expect(report.passed)
            }
        }
    }
}
