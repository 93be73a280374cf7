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
            _ = draft.directory.withCString { rmdir($0) }
            return draft.number > 1
        }
    }
}
