import Glibc
import Testing

@testable import NetrootServe

extension ServerTests {
    @Suite(.serialized) struct ProbeTests {
        private func target(_ server: NFSServer, _ path: String = "/x") -> NFSTarget {
            NFSTarget(host: "127.0.0.1", port: server.port, path: path)
        }

        @Test(arguments: TreeKind.allCases) func aGoodRootPasses(kind: TreeKind) async throws {
            let tree = try TestTree.sample()
            try await withServer([try await tree.export(kind)]) { server in
                let report = try NFSProbe(target: target(server), localTree: tree.path, sampleCount: 1000).run()
                #expect(report.passed)
                #expect(report.differences == [])
                #expect(report.initPath == "/usr/lib/systemd/systemd")
                #expect(report.hasOSRelease)
                #expect(report.directories == 7)
                #expect(report.symlinks == 6)
                #expect(report.files == 506)
                #expect(report.entries == 520)
                #expect(report.compared == 520)
                #expect(report.bytes == 320_000 + 8 + 7 + 7 + 7 + 10 + 180 + 1200)
            }
        }

        @Test(arguments: TreeKind.allCases) func whatDiffersIsNamed(kind: TreeKind) async throws {
            let tree = try TestTree.sample()
            let other = try TestTree.sample()
            try other.write("/etc/hostname", "cliend\n")
            chmod(other.path + "/zero", 0o600)
            try other.remove("/empty")
            try await withServer([try await tree.export(kind)]) { server in
                let report = try NFSProbe(target: target(server), localTree: other.path, sampleCount: 1000).run()
                #expect(!report.passed)
                // Both names of the hard link; each tree has its own outside.
                #expect(
                    report.differences.map { $0.prefix { $0 != ":" } } == [
                        "/empty", "/escape-absolute", "/etc/hostname", "/etc/hostname2", "/zero",
                    ])
            }
        }

        @Test(arguments: TreeKind.allCases) func aRootWithoutInitFails(kind: TreeKind) async throws {
            let tree = try TestTree.sample()
            try tree.remove("/usr/sbin/init")
            try tree.remove("/usr/lib/os-release")
            try await withServer([try await tree.export(kind)]) { server in
                let report = try NFSProbe(target: target(server)).run()
                #expect(report.initPath == nil && !report.hasOSRelease && !report.passed)
            }
        }

        @Test func failuresAreNamed() async throws {
            let tree = try TestTree.sample()
            var gone = NFSTarget(host: "127.0.0.1", port: 1, path: "/x")
            try await withServer([tree.export()]) { server in
                gone.port = server.port
                #expect(throws: ServeError.notExported(target: gone.server, path: "/other")) {
                    try NFSProbe(target: target(server, "/other")).run()
                }
            }
            #expect(throws: ServeError.connectionRefused(target: gone.server)) { try NFSProbe(target: gone).run() }
        }

        @Test func aSilentServerTimesOut() throws {
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            defer { close(descriptor) }
            var place = sockaddr_in()
            place.sin_family = sa_family_t(AF_INET)
            place.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            var size = socklen_t(MemoryLayout<sockaddr_in>.size)
            withUnsafeMutablePointer(to: &place) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                    #expect(bind(descriptor, address, size) == 0)
                    #expect(listen(descriptor, 8) == 0)
                    #expect(getsockname(descriptor, address, &size) == 0)
                }
            }
            let silent = NFSTarget(host: "127.0.0.1", port: Int(UInt16(bigEndian: place.sin_port)), path: "/x")
            let start = ContinuousClock.now
            #expect(throws: ServeError.timedOut(target: silent.server, seconds: 2)) {
                try NFSProbe(target: silent, timeoutSeconds: 2).run()
            }
            #expect(ContinuousClock.now - start < .seconds(10))
        }
    }
}
