import Glibc
import NIOCore
import Synchronization
import TestSupport
import Testing

@testable import NetrootServe

extension ServerTests {
    /// A server that offers all generations of a label.
    @Suite(.serialized) struct ManyTreesTests {
        /// Descriptors of this process that lead into one of the trees.
        private static func openFiles(in trees: [TestTree]) throws -> Int {
            guard let stream = opendir("/proc/self/fd") else { throw TestFailure("/proc/self/fd") }
            defer { closedir(stream) }
            var count = 0
            var target = [CChar](repeating: 0, count: Int(PATH_MAX))
            while let entry = readdir(stream) {
                let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                    String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                }
                let length = readlink("/proc/self/fd/\(name)", &target, target.count)
                guard length > 0 else { continue }
                let path = String(decoding: target.prefix(length).map(UInt8.init(bitPattern:)), as: UTF8.self)
                if trees.contains(where: { path.hasPrefix($0.path) }) { count += 1 }
            }
            return count
        }

        @Test func openFilesAreLimitedForAllTreesTogether() async throws {
            let trees = try (0..<4).map { _ in try TestTree.sample() }
            let exports = zip(trees, 1...).map { tree, number in
                tree.export("/x/\(number)", generation: UInt32(number))
            }
            var limits = NFSLimits()
            limits.openFiles = 16
            try await withServer(exports, limits: limits) { server in
                let client = try RawClient(port: server.port)
                for round in 0..<2 {
                    for export in exports {
                        let many = try client.lookup("many", in: try client.mount(export.path))
                        for number in 0..<20 {
                            let file = try client.lookup("file-\(number)", in: many)
                            let read = try client.read(file, offset: 0, count: 9)
                            #expect(read.bytes == Array("\(number)".utf8), "round \(round)")
                        }
                    }
                }
                let open = try Self.openFiles(in: trees)
                // All of it is used, roots included, and no more.
                #expect(open == 16)
            }
        }

        @Test func aTreeThatGoesLeavesNothingOpen() throws {
            let tree = try TestTree.sample()
            let limits = NFSLimits()
            let cache = DescriptorCache(limit: 16)
            let stays = try ServedTree(tree.export(), limits: limits, descriptors: cache)
            let before = cache.count
            do {
                let goes = try ServedTree(tree.export("/y"), limits: limits, descriptors: cache)
                #expect(cache.count > before)
                withExtendedLifetime(goes) {}
            }
            #expect(cache.count == before)
            withExtendedLifetime(stays) {}
        }

        @Test func theFirstUseOfATreeIsToldOnce() async throws {
            let trees = try (0..<3).map { _ in try TestTree.sample() }
            let exports = zip(trees, 1...).map { tree, number in
                tree.export("/x/\(number)", generation: UInt32(number))
            }
            let used = Mutex<[String]>([])
            let told: () -> [String] = { used.withLock { $0 } }
            var kept: [UInt8] = []
            try await withServer(exports) { server in
                kept = try RawClient(port: server.port).mount("/x/2")
            }
            let onFirstUse: @Sendable (Export) -> Void = { export in used.withLock { $0.append(export.path) } }
            try await withServer(exports, onFirstUse: onFirstUse) { server in
                let client = try RawClient(port: server.port)
                #expect(throws: NFSStatus.noEntry) { try client.mount("/x/9") }
                // The list of exports, and a handle of a generation that there is not, name no tree.
                _ = try client.call(5, program: NFSv3.mountProgram)
                var buffer = ByteBuffer()
                FileHandle(export: ServedTree.hash("/x/1"), generation: 9, inode: 2).write(to: &buffer)
                #expect(throws: NFSStatus.stale) {
                    try client.attributes(Array(buffer.readableBytesView.dropFirst(4)))
                }
                #expect(told() == [])
                let root = try client.mount("/x/1")
                #expect(told() == ["/x/1"])
                // A client that goes on after a restart comes without MNT.
                #expect(try client.attributes(kept).type == 2)
                #expect(told() == ["/x/1", "/x/2"])
                for _ in 0..<3 {
                    let other = try RawClient(port: server.port)
                    #expect(try other.mount("/x/1") == root)
                    #expect(try other.attributes(root).type == 2)
                    #expect(try other.attributes(kept).type == 2)
                }
                #expect(told() == ["/x/1", "/x/2"])
            }
        }

        @Test func aTreeThatWasRemovedIsNotMounted() async throws {
            let tree = try TestTree.sample()
            let used = Mutex(0)
            let onFirstUse: @Sendable (Export) -> Void = { _ in used.withLock { $0 += 1 } }
            try await withServer([tree.export()], onFirstUse: onFirstUse) { server in
                #expect(rename(tree.path, tree.outside + "/removed") == 0)
                #expect(throws: NFSStatus.noEntry) { try RawClient(port: server.port).mount("/x") }
                #expect(used.withLock { $0 } == 0)
            }
        }
    }
}
