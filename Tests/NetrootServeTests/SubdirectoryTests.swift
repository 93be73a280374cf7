import Glibc
import Testing

@testable import NetrootServe

extension ServerTests {
    @Suite(.serialized) struct SubdirectoryTests {
        @Test("a directory of an export can be mounted", arguments: TreeKind.allCases)
        func aDirectoryOfAnExportIsMounted(kind: TreeKind) async throws {
            let tree = try TestTree.sample()
            try await withServer([try await tree.export(kind, "/x/y")]) { server in
                let client = try RawClient(port: server.port)
                let root = try client.mount("/x/y")
                let wanted = try client.walk("usr/lib", from: root)
                for path in ["/x/y/usr/lib", "/x/y/usr/lib/", "//x//y/./usr///lib", "/x/y/etc/../usr/lib"] {
                    #expect(try client.mount(path) == wanted)
                }
                #expect(try client.read(try client.lookup("os-release", in: wanted), offset: 0, count: 99).isEnd)
                // `..` ends at the root.
                #expect(try client.mount("/x/y/..") == root)
                #expect(try client.mount("/x/y/../../../usr/lib") == wanted)
                #expect(throws: NFSStatus.noEntry) { try client.mount("/x/y/absent") }
                #expect(throws: NFSStatus.notDirectory) { try client.mount("/x/y/etc/hostname") }
                #expect(throws: NFSStatus.notDirectory) { try client.mount("/x/y/etc/hostname/more") }
                #expect(throws: NFSStatus.notDirectory) { try client.mount("/x/y/fifo") }
                #expect(throws: NFSStatus.nameTooLong) {
                    try client.mount("/x/y/" + String(repeating: "n", count: 256))
                }
                // The list names exports only.
                #expect(server.paths == ["/x/y"])
            }
        }

        @Test("a symlink in a mounted path leads nowhere outside the export", arguments: TreeKind.allCases)
        func symlinksStayInside(kind: TreeKind) async throws {
            let tree = try TestTree.sample()
            tree.symlink("loop", "/loop")
            tree.symlink("/usr/lib", "/usr/absolute")
            // On the server this directory exists.
            try tree.directory("/usr/lib/outside")
            tree.symlink("../../../../../outside", "/usr/lib/up")
            try await withServer([try await tree.export(kind)]) { server in
                let client = try RawClient(port: server.port)
                let root = try client.mount("/x")
                #expect(try client.mount("/x/sbin") == client.walk("usr/sbin", from: root))
                #expect(try client.mount("/x/lib/systemd") == client.walk("usr/lib/systemd", from: root))
                #expect(try client.mount("/x/usr/absolute/systemd") == client.walk("usr/lib/systemd", from: root))
                for path in ["/x/escape", "/x/escape-absolute", "/x/usr/lib/up", "/x/loop", "/x/escape/secret"] {
                    #expect(throws: NFSStatus.noEntry) { try client.mount(path) }
                }
            }
        }

        @Test("of exports within each other the longest path is mounted") func theLongestPathIsMounted() async throws {
            let outer = try TestTree.sample()
            let inner = try TestTree.sample()
            try await withServer([outer.export("/x"), inner.export("/x/usr", generation: 2)]) { server in
                let client = try RawClient(port: server.port)
                let root = try client.mount("/x")
                #expect(try client.mount("/x/usr/lib") != client.walk("usr/lib", from: root))
                #expect(try client.mount("/x/usr/usr/lib") == client.walk("usr/lib", from: client.mount("/x/usr")))
                #expect(try client.mount("/x/etc") == client.walk("etc", from: root))
            }
        }
    }
}
