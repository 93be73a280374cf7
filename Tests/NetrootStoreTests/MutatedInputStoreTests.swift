import Foundation
import NetrootConfig
import NetrootSystem
import TestSupport
import Testing

@testable import NetrootStore

@Suite(.serialized) struct MutatedInputStoreTests {
    @Test("The reader of manifests takes or refuses what was changed in one")
    func manifests() throws {
        let manifest = Manifest(
            label: "a", generation: 3, formats: ["tree"],
            artifacts: [.init(.kernel, bytes: 1, sha256: "00"), .init(.tree, bytes: 0)],
            transports: ["nfs"], readWrite: false, origin: .init(verb: "build"),
            recipe: .init(path: "/r.def", sha256: "00"), bootstrap: .init(agent: "scratch"),
            privileged: .init(setuid: 0, setgid: 0, capabilities: 0), shipped: "00", kernelVersion: "6.1.0",
            packages: [.init(name: "bash", version: "5", architecture: "amd64")], netroot: "0",
            started: "2026-01-01T00:00:00Z", finished: "2026-01-01T00:00:01Z", steps: [])
        let text = Array(try JSON.text(manifest).utf8)
        let tokens = [
            "null", "[]", "{}", "\"", ",", "1e400", "-1", String(repeating: "[", count: 2000), "\\uD800", "tree",
        ]
        try MutatedInput(
            "manifest", seeds: [text], tokens: tokens, isError: { $0 is DecodingError || $0 is StoreError }
        ).run {
            bytes in
            _ = try Manifest(reading: bytes, of: "/m").artifact(.tree)
            return true
        }
    }

    @Test("The number of the last generation is read or passed over")
    func lastNumbers() throws {
        let scratch = try ScratchDirectory()
        let store = LabelStore(label: "a", directory: scratch.path)
        try Files.makeDirectory(store.generationsDirectory)
        let file = try scratch.write("generations/.last", "7\n")
        #expect(store.lastNumberFile == file)
        try MutatedInput("last number", seeds: [Array("7\n".utf8), Array("120\n".utf8)]).run { bytes in
            try overwrite(file, bytes)
            let draft = try store.begin()
            #expect(draft.number > 0)
            try Files.removeTree(draft.directory)
            return draft.number > 1
        }
    }

    @Test("The reader of the record of clients takes or refuses what was changed in one")
    func clients() async throws {
        let scratch = try ScratchDirectory()
        let store = LabelStore(label: "a", directory: scratch.path)
        var record = ClientRecord()
        for number in 1...3 {
            record.add(.init(address: "192.0.2.\(number)", generation: number, seen: Date(timeIntervalSince1970: 1e9)))
        }
        _ = try await store.addClients(record) { Issue.record("\($0)") }
        let text = try Files.read(store.clientsFile, limit: 1 << 20)
        let tokens = [
            "null", "[]", "{}", "\"", ",", "1e400", "-1", String(repeating: "[", count: 2000), "\\uD800", "clients",
        ]
        try MutatedInput("record of clients", seeds: [text], tokens: tokens).run { bytes in
            try overwrite(store.clientsFile, bytes)
            return try store.clients().entries.allSatisfy { $0.generation > 0 }
        }
    }
}
