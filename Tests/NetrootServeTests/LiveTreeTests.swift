import Glibc
import Testing

@testable import NetrootServe

extension ServerTests {
    /// A tree that is edited while it is served (`netroot shell --live`), asked anew at every call.
    @Suite(.serialized) struct LiveTreeTests {
        private static var limits: NFSLimits {
            var limits = NFSLimits()
            limits.attributeSeconds = 0
            return limits
        }

        @Test func editsAreSeen() async throws {
            let tree = try TestTree.sample()
            try await withServer([tree.export()], limits: Self.limits) { server in
                let client = try RawClient(port: server.port)
                let root = try client.mount("/x")
                let etc = try client.lookup("etc", in: root)
                let hostname = try client.lookup("hostname", in: etc)
                #expect(try client.read(hostname, offset: 0, count: 99).bytes == Array("client\n".utf8))

                try tree.write("/etc/hostname", "a longer name\n")
                #expect(try client.read(hostname, offset: 0, count: 99).bytes == Array("a longer name\n".utf8))

                #expect(throws: NFSStatus.noEntry) { try client.lookup("new", in: etc) }
                try tree.directory("/etc/new")
                try tree.write("/etc/new/file", "new")
                let new = try client.walk("new/file", from: etc)
                #expect(try client.read(new, offset: 0, count: 99).bytes == Array("new".utf8))

                try tree.remove("/etc/new")
                #expect(throws: NFSStatus.stale) { try client.read(new, offset: 0, count: 1) }
                #expect(throws: NFSStatus.noEntry) { try client.lookup("new", in: etc) }
                let names = try ProcedureTests.page(client, etc, 0, size: 32768, plus: true).names
                #expect(!names.contains("new") && names.contains("hostname2"))
            }
        }

        @Test func aMovedFileIsFoundAndAReplacedOneIsStale() async throws {
            let tree = try TestTree.sample()
            try await withServer([tree.export()], limits: Self.limits) { server in
                let client = try RawClient(port: server.port)
                let root = try client.mount("/x")
                let zero = try client.lookup("zero", in: root)
                #expect(rename(tree.path + "/zero", tree.path + "/usr/zero") == 0)
                #expect(try client.walk("usr/zero", from: root) == zero)
                #expect(try client.attributes(zero).type == 1)

                let host = try client.walk("etc/shadow", from: root)
                #expect(try client.read(host, offset: 0, count: 4).bytes == Array("root".utf8))
                try tree.write("/etc/shadow.new", "daemon:*\n")
                #expect(rename(tree.path + "/etc/shadow.new", tree.path + "/etc/shadow") == 0)
                #expect(throws: NFSStatus.stale) { try client.read(host, offset: 0, count: 4) }
                let replaced = try client.walk("etc/shadow", from: root)
                #expect(try client.read(replaced, offset: 0, count: 6).bytes == Array("daemon".utf8))
            }
        }

        @Test func whatIsMovedOutOrBecomesASymlinkIsNotServed() async throws {
            let tree = try TestTree.sample()
            try await withServer([tree.export()], limits: Self.limits) { server in
                let client = try RawClient(port: server.port)
                let root = try client.mount("/x")
                let os = try client.walk("usr/lib/os-release", from: root)
                #expect(try client.read(os, offset: 0, count: 2).bytes == Array("ID".utf8))
                #expect(rename(tree.path + "/usr", tree.outside + "/usr") == 0)
                #expect(throws: NFSStatus.stale) { try client.read(os, offset: 0, count: 2) }
                // The same path leads to the same inode again, but through a symlink.
                tree.symlink(tree.outside + "/usr", "/usr")
                #expect(throws: NFSStatus.stale) { try client.read(os, offset: 0, count: 2) }
                #expect(throws: NFSStatus.notDirectory) { try client.walk("usr/lib", from: root) }
            }
        }
    }
}
