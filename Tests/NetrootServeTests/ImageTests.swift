import Glibc
import Logging
import NIOCore
import NetrootImage
import NetrootSystem
import Synchronization
import TestSupport
import Testing

@testable import NetrootServe

extension ServerTests {
    /// What is an image's own; `ProcedureTests` and `ProbeTests` hold for images as for trees.
    @Suite(.serialized) struct ImageTests {
        @Test func handlesOutliveTheServer() async throws {
            let tree = try TestTree.sample()
            let export = try await tree.export(.image)
            var file: [UInt8] = []
            var attributes: Attributes?
            for round in 0..<2 {
                try await withServer([export]) { server in
                    let client = try RawClient(port: server.port)
                    if round == 0 {
                        file = try client.walk("usr/lib/systemd/systemd", from: try client.mount("/x"))
                        attributes = try client.attributes(file)
                    }
                    #expect(try client.attributes(file) == attributes)
                    #expect(try client.read(file, offset: 319_992, count: 99).bytes == Array("systemd\n".utf8))
                }
            }
            let other = try await tree.export(.image, generation: 2)
            try await withServer([other]) { server in
                #expect(throws: NFSStatus.stale) { try RawClient(port: server.port).attributes(file) }
            }
        }

        @Test func devicesAndHardLinksAreThoseOfTheImage() async throws {
            let tree = try TestTree.sample()
            let image = try await tree.image([
                "-p", "console c 600 3 4 5 1", "-p", "disk b 660 0 6 259 300", "-all-time", "1234567890",
            ])
            try await withServer([Export(path: "/x", image: image, generation: 1)]) { server in
                let client = try RawClient(port: server.port)
                let root = try client.mount("/x")
                let console = try client.attributes(try client.lookup("console", in: root))
                #expect(console.type == 4 && console.mode == 0o600 && console.user == 3 && console.group == 4)
                #expect(console.device == 5 << 32 | 1 && console.size == 0 && console.modified == 1_234_567_890 << 32)
                let disk = try client.attributes(try client.lookup("disk", in: root))
                #expect(disk.type == 3 && disk.device == 259 << 32 | 300 && disk.group == 6)
                let names = try ["hostname", "hostname2"].map { try client.walk("etc/\($0)", from: root) }
                #expect(names[0] == names[1])
                #expect(try client.attributes(names[0]).links == 2)
                #expect(try client.attributes(root).links > 2)
            }
        }

        /// Reads that need blocks, reads that do not and other calls, all sent at once: replies come in their order.
        @Test func pipelinedCallsKeepTheirOrder() async throws {
            let tree = try TestTree.sample()
            var limits = NFSLimits()
            // Two blocks, so that most reads must decompress.
            limits.imageCacheBytes = 32 << 10
            try await withServer([try await tree.export(.image)], limits: limits) { server in
                let client = try RawClient(port: server.port)
                let file = try client.walk("usr/lib/systemd/systemd", from: try client.mount("/x"))
                let before = server.statistics
                let whole = Array(String(repeating: "systemd\n", count: 40_000).utf8)
                for round in 0..<20 {
                    let offsets = (0..<16).map { UInt64(($0 * 7 + round) % 16) * 20_000 }
                    let pieces = try client.pipelinedReads(file, offsets: offsets, count: 20_000)
                    for (offset, bytes) in zip(offsets, pieces) {
                        #expect(bytes == Array(whole[Int(offset)..<(Int(offset) + 20_000)]))
                    }
                }
                // A call that was put off counts once.
                #expect(server.statistics[.read] - before[.read] == 320)
                #expect(server.statistics.bytesRead - before.bytesRead == 320 * 20_000)
            }
        }

        /// The server ends, and a client goes, while blocks are being decompressed for them.
        @Test func readsThatNobodyWaitsForDoNoHarm() async throws {
            let tree = try TestTree.sample()
            var limits = NFSLimits()
            limits.imageCacheBytes = 1
            let export = Export(
                path: "/x", image: try await tree.image(["-comp", "xz", "-b", "1m", "-no-fragments"]), generation: 1)
            for round in 0..<20 {
                try await withServer([export], limits: limits) { server in
                    for _ in 0..<4 {
                        let client = try RawClient(port: server.port)
                        let file = try client.walk("usr/lib/systemd/systemd", from: try client.mount("/x"))
                        for offset in 0..<16 {
                            client.send(
                                RawClient.call(6) { buffer in
                                    buffer.write(handle: file)
                                    buffer.writeMultipleIntegers(UInt64(offset) * 1000, UInt32(100))
                                })
                        }
                        // Some stay until the server ends, some go at once.
                        if round % 2 == 0 { _ = try client.record() }
                    }
                }
            }
        }

        @Test func aDamagedBlockIsAnErrorOfItsFilesAndNotedOnce() async throws {
            let tree = try TestTree.sample()
            let image = try await tree.image(["-comp", "gzip", "-b", "16384", "-no-fragments"])
            // The blocks of the one large file are among the first.
            let descriptor = try SystemError.check("write", image, open(image, O_WRONLY | O_CLOEXEC))
            defer { close(descriptor) }
            let reader = try SquashfsReader(image)
            var blocks: [UInt64] = []
            var places: [String: UInt64] = [:]
            try reader.scan { directory in
                for entry in directory.entries where entry.inode.type == .regular {
                    places[String(decoding: entry.name, as: UTF8.self)] = entry.inode.reference
                }
            }
            let systemd = try #require(places["systemd"])
            blocks = try reader.blockStarts(systemd)
            let noise = [UInt8](repeating: 0xA5, count: 16)
            #expect(pwrite(descriptor, noise, 16, off_t(blocks[3])) == 16)
            let log = LogLines()
            try await withServer(
                [Export(path: "/x", image: image, generation: 1)], log: Logger(label: "test") { _ in log }
            ) { server in
                let client = try RawClient(port: server.port)
                let root = try client.mount("/x")
                let file = try client.walk("usr/lib/systemd/systemd", from: root)
                #expect(try client.read(file, offset: 0, count: 3 * 16384).bytes.count == 3 * 16384)
                for _ in 0..<3 {
                    #expect(throws: NFSStatus.io) { try client.read(file, offset: 3 * 16384, count: 10) }
                    #expect(throws: NFSStatus.io) { try client.read(file, offset: 0, count: 1 << 20) }
                }
                #expect(try client.read(file, offset: 4 * 16384, count: 100).bytes.count == 100)
                let host = try client.walk("etc/hostname", from: root)
                #expect(try client.read(host, offset: 0, count: 99).bytes == Array("client\n".utf8))
                let lines = log.lines.withLock { $0 }
                #expect(lines.count == 1)
                #expect(lines.first?.contains("cannot read /usr/lib/systemd/systemd of export /x: \(image)") == true)
            }
        }

        @Test func whatIsNoImageIsNotServed() async throws {
            let tree = try TestTree.sample()
            let image = try await tree.image()
            let bytes = try Files.read(image)
            for (name, content) in [("cut", Array(bytes[..<4096])), ("text", Array("text".utf8)), ("empty", [])] {
                let path = "\(image).\(name)"
                try Files.replace(path, with: content)
                let error = await #expect(throws: ServeError.self) {
                    try await withServer([Export(path: "/x", image: path, generation: 1)]) { _ in }
                }
                #expect(error?.description.contains(path) == true && error?.exitStatus == .failed)
            }
            await #expect(throws: ServeError.self) {
                try await withServer([Export(path: "/x", image: tree.path, generation: 1)]) { _ in }
            }
        }

        @Test func anImageThatWasRemovedIsNotMounted() async throws {
            let tree = try TestTree.sample()
            let export = try await tree.export(.image)
            try await withServer([export]) { server in
                let client = try RawClient(port: server.port)
                let root = try client.mount("/x")
                #expect(unlink(export.directory) == 0)
                #expect(throws: NFSStatus.noEntry) { try RawClient(port: server.port).mount("/x") }
                // Who has it mounted goes on: the file is open.
                let file = try client.walk("etc/hostname", from: root)
                #expect(try client.read(file, offset: 0, count: 99).bytes == Array("client\n".utf8))
            }
        }

        /// The reader's corpus, in a sample, against a running server: everything is listed and read by NFS.
        @Test func damagedImagesDoNotEndTheServer() async throws {
            let tree = try TestTree.sample()
            for plain in [false, true] {
                let options = ["-comp", "zstd", "-b", "4096"] + (plain ? ["-noI", "-noId", "-noX"] : [])
                let image = try await tree.image(options, name: "damaged.squashfs")
                let bytes = try Files.read(image)
                var random = SeededRandom(seed: 3)
                var served = 0
                var refused = 0
                let flips = stride(from: 0, to: bytes.count, by: 4096).map { ($0, 4096) }
                let changes = (0..<60).map { _ in (Int.random(in: 0..<bytes.count, using: &random), 1) }
                for (start, count) in flips + changes {
                    var changed = bytes
                    for index in start..<min(start + count, bytes.count) {
                        changed[index] = count > 1 ? ~changed[index] : UInt8.random(in: 0...255, using: &random)
                    }
                    try Files.replace(image, with: changed)
                    do {
                        try await withServer(
                            [Export(path: "/x", image: image, generation: 1)],
                            log: Logger(label: "") { _ in LogLines() }
                        ) { server in
                            try Self.readAll(server)
                            served += 1
                        }
                    } catch let error as ServeError {
                        guard case .unreadableImage = error else { throw error }
                        refused += 1
                    }
                }
                #expect(served > 10 && refused > 5, "\(served) served, \(refused) refused")
            }
        }

        /// Looks at everything; what cannot be read is an error of that file, and the server goes on.
        private static func readAll(_ server: NFSServer) throws {
            let context = try NFSClientContext(
                NFSTarget(host: "127.0.0.1", port: server.port, path: "/x"), timeoutSeconds: 5)
            var pending: [[UInt8]] = [[]]
            var left = 16 << 20
            while let path = pending.popLast() {
                for entry in try context.entries(path.isEmpty ? [0x2F] : path) {
                    let child = path + [0x2F] + entry.name
                    do throws(ServeError) {
                        switch NFSFileType(rawValue: entry.type) {
                        case .directory: pending.append(child)
                        case .symlink: _ = try context.readLink(child)
                        case .regular where left > 0 && entry.size < 16 << 20:
                            try context.read(child) { left -= $0.count }
                        default: break
                        }
                    } catch {
                        guard case .probeFailed = error else { throw error }
                    }
                }
            }
        }
    }
}

/// Collects what is logged.
final class LogLines: LogHandler {
    let lines = Mutex<[String]>([])
    var metadata: Logger.Metadata {
        get { [:] }
        set {}
    }
    var logLevel: Logger.Level {
        get { .info }
        set {}
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { nil }
        set {}
    }

    func log(event: LogEvent) {
        lines.withLock { $0.append("\(event.message)") }
    }
}

extension RawClient {
    /// The bytes of several READs that are sent at once; the replies must come in the order of the calls.
    fileprivate func pipelinedReads(_ handle: [UInt8], offsets: [UInt64], count: UInt32) throws -> [[UInt8]] {
        for (index, offset) in offsets.enumerated() {
            send(
                Self.call(6, transaction: UInt32(1000 + index)) { buffer in
                    buffer.write(handle: handle)
                    buffer.writeMultipleIntegers(offset, count)
                })
        }
        return try offsets.indices.map { index in
            guard let buffer = try record() else { throw TestFailure("the connection ended") }
            guard buffer.getInteger(at: 0, as: UInt32.self) == UInt32(1000 + index) else {
                throw TestFailure("replies out of order")
            }
            // Behind xid, REPLY, accepted, verifier, success, status, attributes: count, end, length, bytes.
            let start = 4 * 7 + 4 + 84 + 12
            return buffer.getBytes(at: start, length: Int(count)) ?? []
        }
    }
}

extension SquashfsReader {
    /// Where the blocks of a file begin in the image.
    fileprivate func blockStarts(_ reference: UInt64) throws -> [UInt64] { try file(reference).blockPlaces }
}
