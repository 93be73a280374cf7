import NetrootConfig
import NetrootStore
import NetrootSystem

/// Generations without a build, for the verbs that only read them.
enum Fabricated {
    /// Publishes a generation of a few bytes.
    @discardableResult
    /// - Parameters:
    ///   - transports: what the initramfs is said to boot by; nil: what a manifest of before says, nothing.
    ///   - hasImage: whether a file stands where the image would.
    static func generation(
        of label: Label, verb: String = "build", kernel: String = "6.1.0-1", transports: [Transport]? = nil,
        hasImage: Bool = false
    ) async throws -> Generation {
        // No lock: a process that another test forks at this moment would hold it a little longer.
        let store = LabelStore(label: label)
        try Files.makeDirectory(store.generationsDirectory)
        let draft = try store.begin()
        if label.format == .tree {
            try Files.makeDirectory(draft.root + "/sbin")
            try Files.replace(draft.root + "/sbin/init", with: Array("init \(draft.number)".utf8), mode: 0o755)
        }
        if hasImage { try Files.replace(draft.image, with: Array("image \(draft.number)".utf8)) }
        try Files.replace(draft.vmlinuz, with: Array("kernel \(draft.number)".utf8))
        try Files.replace(draft.initramfs, with: Array("initramfs \(draft.number)".utf8))
        let blob = Manifest.Blob(sha256: String(repeating: "0", count: 64), bytes: 1)
        let manifest = Manifest(
            label: label.name, generation: draft.number, format: label.format.rawValue,
            image: hasImage
                ? .init(file: blob, compression: "zstd:9", blockSize: 1 << 20, unpackedBytes: 1) : nil,
            transports: transports?.map(\.rawValue), readWrite: label.rw,
            origin: .init(verb: verb), recipe: .init(path: label.recipe, sha256: blob.sha256),
            kernel: .init(version: kernel, vmlinuz: blob, initramfs: blob),
            packages: [.init(name: "bash", version: "5", architecture: "amd64")], netroot: "0.1.0",
            started: "2026-01-01T00:00:00Z", finished: "2026-01-01T00:00:01Z", steps: [])
        return try await store.publish(draft, manifest: manifest)
    }
}
