import NetrootConfig
import NetrootStore
import NetrootSystem
import TestSupport
import Testing

/// Generations without a build, for the verbs that only read them.
enum Fabricated {
    /// Publishes a generation of a few bytes.
    @discardableResult
    /// - Parameters:
    ///   - transports: what the initramfs is said to boot by.
    ///   - hasImage: whether a file stands where the image would.
    static func generation(
        of label: Label, verb: String = "build", kernel: String = "6.1.0-1", transports: [TransportName] = ["nfs"],
        hasImage: Bool = false
    ) async throws -> Generation {
        // No lock: a process that another test forks at this moment would hold it a little longer.
        let store = LabelStore(label: label)
        try Files.makeDirectory(store.generationsDirectory)
        return try await store.withDraft(note: note) { draft in
            try await publish(draft, of: label, in: store, verb, kernel, transports, hasImage)
        }
    }

    private static func note(_ text: String) { Issue.record("\(text)") }

    private static func publish(
        _ draft: Draft, of label: Label, in store: LabelStore, _ verb: String, _ kernel: String,
        _ transports: [TransportName], _ hasImage: Bool
    ) async throws -> Generation {
        let zeros = String(repeating: "0", count: 64)
        let needsInitramfs = transports != [.ram]
        var artifacts = ([.kernel] + (needsInitramfs ? [.initramfs] : [])).map {
            Manifest.Artifact($0, bytes: 1, sha256: zeros)
        }
        if label.formats.contains(.initramfs) {
            let archive = Manifest.Archive(
                layout: label.initramfsLayout, compression: "zstd:9", unpackedBytes: 1, leastRAM: 1 << 60)
            artifacts.append(Manifest.Artifact(.rescue, bytes: 1, sha256: zeros, archive: archive))
            try Files.replace(draft.path(of: .rescue), with: Array("archive \(draft.number)".utf8))
        }
        if label.formats.contains(.tree) {
            artifacts.append(Manifest.Artifact(.tree, bytes: 1))
            try Files.makeDirectory(draft.root + "/sbin")
            try Files.replace(draft.root + "/sbin/init", with: Array("init \(draft.number)".utf8), mode: 0o755)
        }
        if hasImage {
            let image = Manifest.Image(compression: "zstd:9", blockSize: 1 << 20, unpackedBytes: 1)
            artifacts.append(Manifest.Artifact(.squashfs, bytes: 1, sha256: zeros, image: image))
            try Files.replace(draft.path(of: .squashfs), with: Array("image \(draft.number)".utf8))
        }
        try Files.replace(draft.vmlinuz, with: Array("kernel \(draft.number)".utf8))
        if needsInitramfs { try Files.replace(draft.initramfs, with: Array("initramfs \(draft.number)".utf8)) }
        let manifest = Manifest(
            label: label.name, generation: draft.number, formats: label.formats.map(\.rawValue), artifacts: artifacts,
            transports: transports, readWrite: label.rw, origin: .init(verb: verb),
            recipe: .init(path: label.recipe, sha256: zeros), bootstrap: .init(agent: "scratch"),
            privileged: .init(setuid: 0, setgid: 0, capabilities: 0), shipped: zeros, kernelVersion: kernel,
            packages: [.init(name: "bash", version: "5", architecture: "amd64")], netroot: "0.1.0",
            started: "2026-01-01T00:00:00Z", finished: "2026-01-01T00:00:01Z", steps: [])
        return try await store.publish(draft, manifest: manifest)
    }
}
