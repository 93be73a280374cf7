import CLinux
import Dispatch
import Glibc
import Logging
import NIOCore
import NetrootSystem
import Synchronization
import TestSupport
import Testing

@testable import NetrootServe

extension ServerTests {
    /// What one client asks must not keep the others waiting.
    @Suite(.serialized) struct LoopTests {
        private static func time(_ body: () throws -> Void) rethrows -> Duration {
            let start = ContinuousClock.now
            try body()
            return ContinuousClock.now - start
        }

        @Test("a path of a thousand slashes costs no more than another") func slashesAreCheap() async throws {
            let tree = try TestTree.sample()
            try await withServer([tree.export("/x"), tree.export("/y", generation: 2)]) { server in
                let client = try RawClient(port: server.port)
                func mounts(_ path: String) -> Duration {
                    Self.time {
                        for _ in 0..<200 { #expect(throws: NFSStatus.noEntry) { try client.mount(path) } }
                    }
                }
                _ = mounts("/absent")
                let plain = mounts("/absent/" + String(repeating: "n", count: 1000))
                let slashes = mounts(String(repeating: "/", count: 1024))
                // Each slash was a walk over all of them: 40 times as much.
                #expect(slashes < plain * 8 + .milliseconds(200), "\(slashes), \(plain)")
            }
        }

        /// Names of one FNV-1a hash: each has `pairs` blocks of eight letters, of which the two of a place lead to one state.
        private static func collidingNames(pairs: Int) -> [[UInt8]] {
            var state: UInt32 = 0x811C_9DC5
            var names: [[UInt8]] = [[]]
            for _ in 0..<pairs {
                // By the state behind a block: the number that the block was made of.
                var seen: [UInt32: UInt64] = [:]
                var number: UInt64 = 0
                while true {
                    number += 1
                    var next = state
                    for byte in 0..<8 { next = (next ^ letter(number, byte)) &* 0x0100_0193 }
                    if let other = seen[next] {
                        let both = [number, other].map { number in (0..<8).map { UInt8(letter(number, $0)) } }
                        names = names.flatMap { name in both.map { name + $0 } }
                        state = next
                        break
                    }
                    seen[next] = number
                }
            }
            return names
        }

        /// One of the eight letters that stand for a number, from `@` to `_`: no slash is among them.
        private static func letter(_ number: UInt64, _ index: Int) -> UInt32 {
            UInt32(truncatingIfNeeded: (number &* 0x9E37_79B9_7F4A_7C15) >> UInt64(5 * index)) & 31 | 0x40
        }

        @Test("names that were made to collide cost no more than others", arguments: TreeKind.allCases)
        func collidingNamesAreCheap(kind: TreeKind) async throws {
            let names = Self.collidingNames(pairs: 11).map { String(decoding: $0, as: UTF8.self) }
            #expect(Set(names.map { ServedTree.hash($0) }).count == 1 && Set(names).count == 2048)
            let tree = try TestTree()
            try tree.directory("/many")
            try tree.directory("/plain")
            for (number, name) in names.enumerated() {
                try tree.write("/many/" + name, "")
                try tree.write("/plain/" + String(repeating: "n", count: name.utf8.count - 4) + "\(1000 + number)", "")
            }
            try await withServer([try await tree.export(kind)]) { server in
                let client = try RawClient(port: server.port)
                let root = try client.mount("/x")
                func list(_ name: String) throws -> Duration {
                    let directory = try client.lookup(name, in: root)
                    var listed: [String] = []
                    let time = try Self.time {
                        var (cookie, verifier): (UInt64, UInt64) = (0, 0)
                        var isEnd = false
                        while !isEnd {
                            let page = try ProcedureTests.page(
                                client, directory, cookie, verifier, size: 8192, plus: true)
                            listed += page.names
                            (cookie, verifier) = (page.cookie, page.verifier)
                            isEnd = page.isEnd
                        }
                    }
                    #expect(listed.count == 2050 && Set(listed).count == 2050)
                    return time
                }
                _ = try list("plain")
                let plain = try list("plain")
                let colliding = try list("many")
                // Each entry was compared with all before it: a hundred times as much.
                #expect(colliding < plain * 8 + .milliseconds(200), "\(colliding), \(plain)")
                let many = try client.lookup("many", in: root)
                for name in [names[0], names[1023], names[2047]] { _ = try client.lookup(name, in: many) }
                #expect(throws: NFSStatus.noEntry) { try client.lookup("absent", in: many) }
            }
        }

        @Test("whoever learns of the first use may take long, and only who uses it first waits")
        func theFirstUseKeepsNobodyElse() async throws {
            let tree = try TestTree.sample()
            let other = try TestTree.sample()
            let gate = DispatchSemaphore(value: 0)
            var limits = NFSLimits()
            limits.threads = 1
            let exports = [tree.export("/x"), other.export("/y", generation: 2)]
            let onFirstUse: @Sendable (Export) -> Void = { if $0.path == "/x" { gate.wait() } }
            try await withServer(exports, onFirstUse: onFirstUse, limits: limits) { server in
                let waiting = try RawClient(port: server.port)
                let call = RawClient.call(1, program: NFSv3.mountProgram) { $0.writeXDR(string: "/x") }
                waiting.send(call)
                let client = try RawClient(port: server.port)
                let root = try client.mount("/y")
                for _ in 0..<10 { #expect(try client.attributes(root).type == 2) }
                var byte: UInt8 = 0
                #expect(recv(waiting.descriptor, &byte, 1, Int32(MSG_DONTWAIT)) < 0)
                gate.signal()
                #expect(try waiting.record() != nil)
            }
        }

        @Test("a log that nobody reads stops no client") func aBlockedLogStopsNobody() async throws {
            let tree = try TestTree.sample()
            let gate = DispatchSemaphore(value: 0)
            var limits = NFSLimits()
            limits.threads = 1
            let log = Logger(label: "") { _ in BlockedLog(gate: gate) }
            let accepts: @Sendable (String) -> Bool = { $0 != "127.0.0.3" }
            try await withServer([tree.export()], limits: limits, log: log, accepts: accepts) { server in
                #expect(try RawClient(port: server.port, source: 3).isClosedByServer())
                let client = try RawClient(port: server.port)
                #expect(try client.attributes(client.mount("/x")).type == 2)
                gate.signal()
            }
        }

        @Test("a loop does not wait for a thread that waits for a disk") func aLoopDoesNotWait() async throws {
            let tree = try TestTree.sample()
            let served = try ServedTree(
                tree.export(), limits: NFSLimits(), descriptors: DescriptorCache(limit: 16))
            let began = DispatchSemaphore(value: 0)
            let gate = DispatchSemaphore(value: 0)
            async let slow: Void = onThread {
                try served.withState(true) { _ in
                    began.signal()
                    gate.wait()
                }
            }
            try await onThread { began.wait() }
            let error = #expect(throws: NFSStatus.self) { try served.withState(false) { _ in } }
            #expect(error == .later)
            gate.signal()
            try await slow
            try served.withState(false) { _ in }
        }

        @Test("what is not in memory is read by another thread", arguments: TreeKind.allCases)
        func coldFilesAreReadElsewhere(kind: TreeKind) async throws {
            let tree = try TestTree.sample()
            try await withServer([try await tree.export(kind)]) { server in
                let client = try RawClient(port: server.port)
                let file = try client.walk("usr/lib/systemd/systemd", from: try client.mount("/x"))
                for turn in 0..<3 {
                    // Out of the page cache, as far as the filesystem does it.
                    let descriptor = open(tree.path + "/usr/lib/systemd/systemd", O_RDONLY | O_CLOEXEC)
                    #expect(descriptor >= 0 && fsync(descriptor) == 0)
                    #expect(posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED) == 0)
                    // On a filesystem in memory it is never out of it.
                    var byte: UInt8 = 0
                    let isCold = kind == .image ? turn == 0 : pread_cached(descriptor, &byte, 1, 8) != 1
                    close(descriptor)
                    let before = server.work.begun
                    let read = try client.read(file, offset: 8, count: 300_000)
                    if isCold { #expect(server.work.begun > before) }
                    // Decompressed blocks are read from memory by the loop itself.
                    if kind == .image, turn > 0 { #expect(server.work.begun == before) }
                    #expect(read.bytes == Array(String(repeating: "systemd\n", count: 37_500).utf8))
                }
            }
        }
    }
}

/// Writes nothing until the gate opens.
private struct BlockedLog: LogHandler {
    let gate: DispatchSemaphore
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.info

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { nil }
        set {}
    }

    func log(event: LogEvent) { gate.wait() }
}

@Suite struct DescriptorNeedTests {
    @Test("too few descriptors are an error that says how many there must be") func tooFewAreAnError() throws {
        let need = DescriptorNeed(exports: 3)
        for available in [20, 64, 128, need.least - 1] {
            let error = #expect(throws: ServeError.self) { try need.lowered(NFSLimits(), available: available) }
            #expect(error == .tooFewDescriptors(limit: available, needed: need.least))
            #expect(error?.exitStatus == .unavailable)
            let text = error?.description ?? ""
            #expect(text.contains("\(available)") && text.contains("\(need.least)"))
        }
        let few = try need.lowered(NFSLimits(), available: need.least)
        #expect(few.connections >= 128 && few.openFiles >= 32)
        #expect(few.connections + few.openFiles < need.least)
        let many = try need.lowered(NFSLimits(), available: 1 << 20)
        #expect(many.connections == NFSLimits().connections && many.openFiles == NFSLimits().openFiles)
    }
}
