import Glibc
import NIOCore
import NIOPosix
import TestSupport
import Testing

@testable import NetrootServe

extension ServerTests {
    @Suite(.serialized) struct RobustnessTests {
        /// Limits that let a test see a deadline pass.
        private static var quick: NFSLimits {
            var limits = NFSLimits()
            limits.recordSeconds = 1
            limits.replySeconds = 1
            limits.attributeSeconds = 0
            limits.providerSeconds = 0
            return limits
        }

        @Test func handlesSurviveARestart() async throws {
            let tree = try TestTree.sample()
            var file: [UInt8] = []
            var port = 0
            try await withServer([tree.export()]) { server in
                port = server.port
                let client = try RawClient(port: port)
                file = try client.walk("etc/hostname", from: try client.mount("/x"))
            }
            try await withServer([tree.export()], port: port) { server in
                let client = try RawClient(port: server.port)
                #expect(try client.read(file, offset: 0, count: 100).bytes == Array("client\n".utf8))
            }
            // The same tree as another generation, and under another name: other handles.
            for export in [tree.export(generation: 2), tree.export("/y")] {
                try await withServer([export]) { server in
                    let client = try RawClient(port: server.port)
                    #expect(throws: NFSStatus.stale) { try client.attributes(file) }
                }
            }
        }

        @Test func madeUpHandlesAreRefused() async throws {
            let tree = try TestTree.sample()
            var status = stat()
            #expect(stat(tree.outside + "/secret", &status) == 0)
            let secret = UInt64(status.st_ino)
            try await withServer([tree.export()]) { server in
                let client = try RawClient(port: server.port)
                let root = try client.mount("/x")
                for handle in [[], [0], Array(root.dropLast()), root + [0], root.map { ~$0 }] {
                    #expect(throws: NFSStatus.badHandle) { try client.attributes(handle) }
                }
                var reader = XDRReader(ByteBuffer(bytes: [0, 0, 0, 24] + root))
                let known = try #require(try FileHandle.read(from: &reader))
                for inode in [secret, 0, 1, .max] {
                    var buffer = ByteBuffer()
                    FileHandle(export: known.export, generation: 1, inode: inode).write(to: &buffer)
                    let handle = Array(buffer.readableBytesView.dropFirst(4))
                    #expect(throws: NFSStatus.stale) { try client.attributes(handle) }
                    #expect(throws: NFSStatus.stale) { try client.read(handle, offset: 0, count: 10) }
                }
            }
        }

        @Test func bytesThatAreNoCallCloseOnlyTheirConnection() async throws {
            let tree = try TestTree.sample()
            let valid = RawClient.call(0)
            var reply = valid
            reply[11] = 1
            var credential = valid
            credential[32...35] = [0xFF, 0xFF, 0xFF, 0xFC]
            let bad: [[UInt8]] = [
                // Behind a valid call in the same read: what was answered goes to nobody else.
                valid + reply, valid + valid + [0xFF, 0xFF, 0xFF, 0xFF],
                reply, credential, [0x80, 0, 0, 0], [0x80, 0, 0, 4, 1, 2, 3, 4],
                [0xFF, 0xFF, 0xFF, 0xFF], [0x00, 0x00, 0xFF, 0xFF], [UInt8](repeating: 0, count: 4096),
                Array("GET / HTTP/1.0\r\n\r\n".utf8),
            ]
            try await withServer([tree.export()]) { server in
                let other = try RawClient(port: server.port)
                let root = try other.mount("/x")
                for bytes in bad {
                    let client = try RawClient(port: server.port)
                    client.send(bytes)
                    // A witness whose reply must be its own, right behind.
                    #expect(try other.attributes(root).type == 2)
                    #expect(client.isClosedByServer(), "\(bytes.prefix(12))")
                    #expect(try other.attributes(root).type == 2)
                }
                #expect(server.statistics.connectionsRefused == UInt64(bad.count))
            }
        }

        @Test func fragmentsArePutTogether() async throws {
            let tree = try TestTree.sample()
            try await withServer([tree.export()]) { server in
                let client = try RawClient(port: server.port)
                let call = RawClient.call(0, transaction: 42)
                var stream: [UInt8] = []
                for byte in call.dropFirst(4).dropLast(8) { stream += [0, 0, 0, 1, byte] }
                stream += [0x80, 0, 0, 8] + call.suffix(8)
                client.send(stream)
                var reader = XDRReader(try #require(try client.record()))
                #expect(try reader.uint32() == 42)
            }
        }

        @Test func recordsThatDoNotEndAreClosed() async throws {
            let tree = try TestTree.sample()
            try await withServer([tree.export()], limits: Self.quick) { server in
                let other = try RawClient(port: server.port)
                let root = try other.mount("/x")
                let call = RawClient.call(0)
                let cut = try RawClient(port: server.port)
                cut.send(Array(call.prefix(20)))
                let slow = try RawClient(port: server.port)
                let start = ContinuousClock.now
                var sent = 0
                // A byte every 100 ms: the deadline is for the record, not for silence.
                for byte in call where slow.send([byte]) {
                    sent += 1
                    usleep(100_000)
                    #expect(try other.attributes(root).type == 2)
                    if ContinuousClock.now - start > .seconds(4) { break }
                }
                #expect(sent < 40)
                #expect(slow.isClosedByServer())
                #expect(cut.isClosedByServer())
            }
        }

        @Test func aClientThatDoesNotReadIsClosedAndCostsLittle() async throws {
            let tree = try TestTree()
            try tree.write("/big", String(repeating: "0123456789abcdef", count: 1 << 18))
            try await withServer([tree.export()], limits: Self.quick) { server in
                let other = try RawClient(port: server.port)
                let root = try other.mount("/x")
                let big = try other.lookup("big", in: root)
                let deaf = try RawClient(port: server.port, seconds: 1)
                let request = RawClient.call(6) { buffer in
                    buffer.write(handle: big)
                    buffer.writeMultipleIntegers(UInt64(0), UInt32(1 << 20))
                }
                let before = try residentBytes()
                // 4 GiB of replies, if the server let itself be asked.
                for _ in 0..<4096 where deaf.send(request) {}
                #expect(try residentBytes() - before < 48 << 20)
                #expect(server.statistics.bytesRead < 64 << 20)
                #expect(try other.attributes(root).type == 2)
                var refused: UInt64 = 0
                for _ in 0..<50 where refused == 0 {
                    usleep(100_000)
                    refused = server.statistics.connectionsRefused
                }
                #expect(refused == 1)
            }
        }

        @Test func requestsInOneReadAreAllAnswered() async throws {
            let tree = try TestTree.sample()
            try await withServer([tree.export()]) { server in
                let client = try RawClient(port: server.port)
                let file = try client.walk("usr/lib/systemd/systemd", from: try client.mount("/x"))
                let count: UInt32 = 300
                var stream: [UInt8] = []
                for number in 0..<count {
                    stream += RawClient.call(6, transaction: number) { buffer in
                        buffer.write(handle: file)
                        buffer.writeMultipleIntegers(UInt64(number) * 8, UInt32(30_000))
                    }
                }
                client.send(stream)
                var seen: Set<UInt32> = []
                for _ in 0..<count {
                    let record = try #require(try client.record())
                    #expect(record.readableBytes > 30_000)
                    seen.insert(try #require(record.getInteger(at: 0, as: UInt32.self)))
                }
                #expect(seen == Set(0..<count))
            }
        }

        @Test func aPortInUseIsNamed() async throws {
            let tree = try TestTree.sample()
            try await withServer([tree.export()]) { server in
                await #expect(throws: ServeError.portInUse(address: "127.0.0.1", port: server.port)) {
                    _ = try await NFSServer.start(exports: [tree.export()], port: server.port)
                }
            }
            await #expect(throws: ServeError.noExports) { _ = try await NFSServer.start(exports: [], port: 0) }
            let absent = Export(path: "/x", directory: tree.path + "/absent", generation: 1)
            await #expect(throws: ServeError.self) { _ = try await NFSServer.start(exports: [absent], port: 0) }
        }

        @Test func aNewGenerationIsPickedUp() async throws {
            let old = try TestTree.sample()
            let new = try TestTree.sample()
            try new.write("/etc/hostname", "newer\n")
            let first = old.export("/x/1", generation: 1)
            let second = new.export("/x/2", generation: 2)
            var limits = Self.quick
            limits.attributeSeconds = 3
            let provider: ExportProvider = { [second] }
            try await withServer([first], provider: provider, limits: limits) { server in
                let port = server.port
                let (file, newer) = try await onThread {
                    let client = try RawClient(port: port)
                    let file = try client.walk("etc/hostname", from: try client.mount("/x/1"))
                    return (file, try client.walk("etc/hostname", from: try client.mount("/x/2")))
                }
                let client = try RawClient(port: port)
                #expect(try client.read(newer, offset: 0, count: 9).bytes == Array("newer\n".utf8))
                // The provider no longer names it, but it is there: a running client keeps it.
                #expect(try client.read(file, offset: 0, count: 9).bytes == Array("client\n".utf8))
                #expect(server.paths == ["/x/2", "/x/1"])
                let unknown = try await onThread { () -> NFSStatus? in
                    do {
                        _ = try RawClient(port: port).mount("/x/3")
                        return nil
                    } catch let status as NFSStatus {
                        return status
                    }
                }
                #expect(unknown == .noEntry)
            }
        }

        @Test func aHandleOfAnUnknownGenerationAsksTheProvider() async throws {
            let old = try TestTree.sample()
            let new = try TestTree.sample()
            let second = new.export("/x", generation: 2)
            var file: [UInt8] = []
            try await withServer([second]) { server in
                let client = try RawClient(port: server.port)
                file = try client.walk("etc/hostname", from: try client.mount("/x"))
            }
            let handle = file
            let provider: ExportProvider = { [second] }
            let first = old.export("/x", generation: 1)
            try await withServer([first], provider: provider, limits: Self.quick) { server in
                let client = try RawClient(port: server.port)
                #expect(throws: NFSStatus.jukebox) { try client.attributes(handle) }
                var type: UInt32 = 0
                for _ in 0..<100 where type == 0 {
                    try await Task.sleep(for: .milliseconds(20))
                    do { type = try client.attributes(handle).type } catch NFSStatus.jukebox {}
                }
                #expect(type == 1)
            }
        }
    }
}
