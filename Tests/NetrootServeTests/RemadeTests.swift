import Glibc
import Logging
import NetrootSystem
import Synchronization
import TestSupport
import Testing

@testable import NetrootServe

extension ServerTests {
    /// A generation that is removed and made again at the same path while it is served.
    @Suite(.serialized) struct RemadeTests {
        private static func logger(_ lines: LogLines) -> Logger { Logger(label: "") { _ in lines } }

        private static func text(_ lines: LogLines) -> String { lines.lines.withLock { $0.joined(separator: "\n") } }

        private static func wait(for text: String, in lines: LogLines) async throws {
            let end = ContinuousClock.now + .seconds(10)
            while !Self.text(lines).contains(text), ContinuousClock.now < end {
                try await Task.sleep(for: .milliseconds(20))
            }
            #expect(Self.text(lines).contains(text), "\(Self.text(lines))")
        }

        @Test("a directory that was made anew is mounted, told of, and never mixed up with the old one")
        func aDirectoryMadeAnewIsServed() async throws {
            let tree = try TestTree.sample()
            let other = try TestTree.sample()
            try other.write("/etc/hostname", "newer\n")
            let lines = LogLines()
            try await withServer([tree.export()], log: Self.logger(lines)) { server in
                let port = server.port
                let client = try RawClient(port: port)
                let old = try client.mount("/x")
                let file = try client.walk("etc/hostname", from: old)
                #expect(rename(tree.path, tree.outside + "/old") == 0 && rename(other.path, tree.path) == 0)
                let root = try await onThread { try RawClient(port: port).mount("/x") }
                #expect(root != old)
                let newer = try client.walk("etc/hostname", from: root)
                #expect(try client.read(newer, offset: 0, count: 9).bytes == Array("newer\n".utf8))
                #expect(throws: NFSStatus.stale) { try client.attributes(old) }
                #expect(throws: NFSStatus.stale) { try client.read(file, offset: 0, count: 9) }
                try await Self.wait(for: "/x was made anew: the directory", in: lines)
            }
        }

        @Test("an image that was replaced in its place is mounted, and the old handles are stale")
        func anImageReplacedInPlaceIsServed() async throws {
            let tree = try TestTree.sample()
            let export = try await tree.export(.image)
            try tree.write("/etc/hostname", "newer\n")
            let other = try await tree.image(name: "other.squashfs")
            let lines = LogLines()
            try await withServer([export], log: Self.logger(lines)) { server in
                let port = server.port
                let client = try RawClient(port: port)
                let file = try client.walk("etc/hostname", from: try client.mount("/x"))
                #expect(rename(other, export.directory) == 0)
                let root = try await onThread { try RawClient(port: port).mount("/x") }
                let newer = try client.walk("etc/hostname", from: root)
                #expect(try client.read(newer, offset: 0, count: 9).bytes == Array("newer\n".utf8))
                #expect(throws: NFSStatus.stale) { try client.attributes(file) }
                try await Self.wait(for: "/x was made anew: the image", in: lines)
            }
        }

        @Test("a running client's call is enough to notice it") func aCallIsEnough() async throws {
            let tree = try TestTree.sample()
            let other = try TestTree.sample()
            var limits = NFSLimits()
            limits.providerSeconds = 1
            let lines = LogLines()
            try await withServer([tree.export()], limits: limits, log: Self.logger(lines)) { server in
                let client = try RawClient(port: server.port)
                let old = try client.mount("/x")
                #expect(rename(tree.path, tree.outside + "/old") == 0 && rename(other.path, tree.path) == 0)
                let end = ContinuousClock.now + .seconds(10)
                while ContinuousClock.now < end {
                    do { _ = try client.attributes(old) } catch NFSStatus.stale { break }
                    try await Task.sleep(for: .milliseconds(100))
                }
                #expect(throws: NFSStatus.stale) { try client.attributes(old) }
                try await Self.wait(for: "made anew", in: lines)
            }
        }

        @Test("one that is away for a while is told of, and served again when it is back")
        func oneThatComesBackIsServed() async throws {
            let tree = try TestTree.sample()
            let other = try TestTree.sample()
            var limits = NFSLimits()
            limits.providerSeconds = 0
            let lines = LogLines()
            let export = tree.export()
            let provider: ExportProvider = { Files.exists(export.directory) ? [export] : [] }
            try await withServer([export], provider: provider, limits: limits, log: Self.logger(lines)) { server in
                let port = server.port
                let old = try RawClient(port: port).mount("/x")
                #expect(rename(tree.path, tree.outside + "/old") == 0)
                await #expect(throws: NFSStatus.noEntry) {
                    try await onThread { try RawClient(port: port).mount("/x") }
                }
                try await Self.wait(for: "/x is not there any more", in: lines)
                #expect(rename(other.path, tree.path) == 0)
                #expect(try await onThread { try RawClient(port: port).mount("/x") } != old)
                try await Self.wait(for: "made anew", in: lines)
            }
        }

        @Test("a handle from before handles knew their tree is good as long as the tree is")
        func handlesOfOldServersAreGood() async throws {
            let tree = try TestTree.sample()
            try await withServer([tree.export()]) { server in
                let client = try RawClient(port: server.port)
                let root = try client.mount("/x")
                let inode = try client.attributes(root).inode
                let old = FileHandle(export: ServedTree.hash("/x"), generation: 1, inode: inode)
                #expect(try client.attributes(old.bytes).inode == inode)
            }
        }
    }
}
