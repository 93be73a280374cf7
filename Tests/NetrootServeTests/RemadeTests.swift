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

        @Test("an image that is overwritten in its place is noticed, and the old handles are stale")
        func anImageOverwrittenIsServed() async throws {
            let tree = try TestTree.sample()
            let export = try await tree.export(.image)
            try tree.write("/etc/hostname", "newer\n")
            try tree.write("/etc/another", "more\n")
            let other = try await tree.image(name: "other.squashfs")
            let lines = LogLines()
            try await withServer([export], log: Self.logger(lines)) { server in
                let port = server.port
                let client = try RawClient(port: port)
                let file = try client.walk("etc/hostname", from: try client.mount("/x"))
                try Self.overwrite(export.directory, with: other)
                let root = try await onThread { try RawClient(port: port).mount("/x") }
                let newer = try client.walk("etc/hostname", from: root)
                #expect(try client.read(newer, offset: 0, count: 9).bytes == Array("newer\n".utf8))
                #expect(throws: NFSStatus.stale) { try client.attributes(file) }
                try await Self.wait(for: "/x was made anew: the image", in: lines)
            }
        }

        @Test("an image of which the owner or the names change, or that is written half, is the same")
        func whatIsNoOtherImageIsTheSame() async throws {
            let tree = try TestTree.sample()
            let export = try await tree.export(.image)
            let served = try ServedTree(export, limits: NFSLimits(), descriptors: DescriptorCache(limit: 16))
            #expect(served.isPresent && !served.hasSuccessor)
            #expect(chmod(export.directory, 0o600) == 0)
            #expect(served.isPresent && !served.hasSuccessor)
            #expect(truncate(export.directory, 50) == 0)
            #expect(served.isPresent && !served.hasSuccessor)
        }

        @Test("the same image under its name again is no other one, and its clients go on", arguments: [false, true])
        func theSameImageIsNoOther(inPlace: Bool) async throws {
            let tree = try TestTree.sample()
            let export = try await tree.export(.image)
            let copy = tree.outside + "/copy"
            try Self.overwrite(copy, with: export.directory)
            let lines = LogLines()
            try await withServer([export], log: Self.logger(lines)) { server in
                let port = server.port
                let client = try RawClient(port: port)
                let root = try client.mount("/x")
                let file = try client.walk("etc/hostname", from: root)
                let inode = try client.attributes(root).inode
                let unmarked = FileHandle(export: ServedTree.hash("/x"), generation: 1, inode: inode)
                if inPlace {
                    try Self.overwrite(export.directory, with: copy)
                } else {
                    #expect(rename(copy, export.directory) == 0)
                }
                #expect(try await onThread { try RawClient(port: port).mount("/x") } == root)
                try await Self.wait(for: "/x was opened again: the image", in: lines)
                #expect(try client.read(file, offset: 0, count: 9).bytes == Array("client\n".utf8))
                #expect(try client.attributes(unmarked.bytes).inode == inode)
                #expect(!Self.text(lines).contains("anew"))
            }
        }

        @Test("a directory that is moved away and back is no other one")
        func aDirectoryMovedBackIsNoOther() async throws {
            let tree = try TestTree.sample()
            var limits = NFSLimits()
            limits.providerSeconds = 0
            let lines = LogLines()
            let export = tree.export()
            let provider: ExportProvider = { Files.exists(export.directory) ? [export] : [] }
            try await withServer([export], provider: provider, limits: limits, log: Self.logger(lines)) { server in
                let port = server.port
                let client = try RawClient(port: port)
                let root = try client.mount("/x")
                let inode = try client.attributes(root).inode
                let unmarked = FileHandle(export: ServedTree.hash("/x"), generation: 1, inode: inode)
                #expect(rename(tree.path, tree.outside + "/old") == 0)
                await #expect(throws: NFSStatus.noEntry) {
                    try await onThread { try RawClient(port: port).mount("/x") }
                }
                #expect(rename(tree.outside + "/old", tree.path) == 0)
                #expect(try await onThread { try RawClient(port: port).mount("/x") } == root)
                try await Self.wait(for: "/x was opened again: the directory", in: lines)
                #expect(try client.attributes(unmarked.bytes).inode == inode)
                #expect(!Self.text(lines).contains("anew"))
            }
        }

        /// As `cp FROM TO`: the file stays, its contents do not.
        private static func overwrite(_ path: String, with other: String) throws {
            var bytes: [UInt8] = []
            let source = open(other, O_RDONLY | O_CLOEXEC)
            defer { close(source) }
            var piece = [UInt8](repeating: 0, count: 1 << 16)
            while true {
                let count = read(source, &piece, piece.count)
                guard count > 0 else { break }
                bytes += piece.prefix(count)
            }
            let target = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
            defer { close(target) }
            #expect(!bytes.isEmpty && write(target, bytes, bytes.count) == bytes.count)
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
