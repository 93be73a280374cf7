import Foundation
import NetrootSystem
import TestSupport

@testable import NetrootImage

/// An image of a container, made by the test: layers of members that no builder of images would write, too.
struct ContainerImage {
    /// A layer: a tar archive, and how it is compressed.
    struct Layer {
        var bytes: [UInt8]
        var compressor: [String] = []

        /// Members with any names: what `TarOutput` is given it writes as it is.
        init(_ members: [(entry: TarEntry, content: String)], compressor: [String] = []) {
            bytes = members.flatMap { member in
                var entry = member.entry
                entry.size = UInt64(member.content.utf8.count)
                return TarOutput.header(entry) + Array(member.content.utf8) + TarOutput.padding(after: entry.size)
            }
            bytes += TarOutput.end
            self.compressor = compressor
        }

        init(archive bytes: [UInt8], compressor: [String] = []) {
            self.bytes = bytes
            self.compressor = compressor
        }
    }

    var layers: [Layer]
    var architecture = "amd64"
    var environment: [String] = []
    /// What the configuration says of the layers' archives; nil: the truth.
    var diffIDs: [String]?

    init(_ layers: [Layer]) { self.layers = layers }

    /// Writes an OCI image layout in which the image has the name.
    /// - Returns: the digest of its manifest.
    @discardableResult
    func write(to directory: String, name: String = "test") async throws -> String {
        let blobs = directory + "/blobs/sha256"
        try Files.makeDirectory(blobs)
        func put(_ bytes: [UInt8], _ type: String) throws -> String {
            let digest = try Self.digest(bytes)
            try Files.replace("\(blobs)/\(digest.dropFirst(7))", with: bytes)
            return
                #"{"mediaType": "application/vnd.oci.image.\#(type)", "digest": "\#(digest)", "size": \#(bytes.count)}"#
        }
        var descriptors: [String] = []
        for layer in layers {
            let raw = "\(directory)/raw"
            try Files.replace(raw, with: layer.bytes)
            if !layer.compressor.isEmpty {
                let packed = try await run(
                    [
                        "sh", "-c", "out=$1; shift; \"$@\" <\"$out\" >\"$out.packed\" && mv \"$out.packed\" \"$out\"",
                        "sh", raw,
                    ] + layer.compressor)
                guard packed.status == 0 else { throw ImageError(text: packed.errors) }
            }
            let suffix = layer.compressor.first.map { $0 == "zstd" ? "+zstd" : "+gzip" } ?? ""
            descriptors.append(try put(try Files.read(raw), "layer.v1.tar" + suffix))
            try FileManager.default.removeItem(atPath: raw)
        }
        let ids = try diffIDs ?? layers.map { try Self.digest($0.bytes) }
        let variables = environment.map { #""\#($0)""# }.joined(separator: ", ")
        let config = try put(
            Array(
                """
                {"architecture": "\(architecture)", "os": "linux", "config": {"Env": [\(variables)]},
                "rootfs": {"type": "layers", "diff_ids": [\(ids.map { "\"\($0)\"" }.joined(separator: ", "))]}}
                """.utf8), "config.v1+json")
        let manifest = Array(
            #"{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": \#(config), "layers": [\#(descriptors.joined(separator: ", "))]}"#
                .utf8)
        let entry = try put(manifest, "manifest.v1+json").dropLast()
        let named = entry + #", "annotations": {"org.opencontainers.image.ref.name": "\#(name)"}}"#
        try Files.replace(
            directory + "/index.json", with: Array(#"{"schemaVersion": 2, "manifests": [\#(named)]}"#.utf8))
        try Files.replace(directory + "/oci-layout", with: Array(#"{"imageLayoutVersion": "1.0.0"}"#.utf8))
        return try Self.digest(manifest)
    }

    /// Writes the file that `docker save` would.
    static func dockerArchive(of images: [(name: String, layers: [[UInt8]])], to path: String) throws {
        var members: [(TarEntry, [UInt8])] = []
        func add(_ name: String, _ bytes: [UInt8]) {
            members.append((file(name).entry, bytes))
        }
        var rows: [String] = []
        for (number, image) in images.enumerated() {
            let ids = try image.layers.map { "\"\(try digest($0))\"" }.joined(separator: ", ")
            add(
                "config\(number).json",
                Array(
                    #"{"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [\#(ids)]}}"#
                        .utf8))
            var files: [String] = []
            for (index, layer) in image.layers.enumerated() {
                files.append("image\(number)-\(index)/layer.tar")
                add(files[index], layer)
            }
            let list = files.map { "\"\($0)\"" }.joined(separator: ", ")
            rows.append(#"{"Config": "config\#(number).json", "RepoTags": ["\#(image.name)"], "Layers": [\#(list)]}"#)
        }
        add("manifest.json", Array("[\(rows.joined(separator: ", "))]".utf8))
        let bytes = members.flatMap { entry, content in
            var entry = entry
            entry.size = UInt64(content.count)
            return TarOutput.header(entry) + content + TarOutput.padding(after: entry.size)
        }
        try Files.replace(path, with: bytes + TarOutput.end)
    }

    private static func digest(_ bytes: [UInt8]) throws -> String {
        try bytes.withUnsafeBytes { try SHA256Hasher().digest($0) }.text
    }

    struct ImageError: Error {
        let text: String
    }

    // MARK: - Members

    typealias Member = (entry: TarEntry, content: String)

    static func member(
        _ path: String, _ kind: TarEntry.Kind, mode: UInt32, uid: UInt32 = 0, gid: UInt32 = 0,
        xattrs: [(String, [UInt8])] = [], content: String = ""
    ) -> Member {
        (
            TarEntry(
                path: Array(path.utf8), kind: kind, mode: mode, uid: uid, gid: gid, mtime: 1_600_000_000, size: 0,
                xattrs: xattrs.map { TarEntry.Xattr(name: Array($0.0.utf8), value: $0.1) }), content
        )
    }

    static func file(_ path: String, _ content: String = "", mode: UInt32 = 0o644, uid: UInt32 = 0, gid: UInt32 = 0)
        -> Member
    {
        member(path, .regular, mode: mode, uid: uid, gid: gid, content: content)
    }

    static func directory(_ path: String, mode: UInt32 = 0o755, uid: UInt32 = 0) -> Member {
        member(path, .directory, mode: mode, uid: uid, gid: uid)
    }

    static func symlink(_ path: String, _ target: String) -> Member {
        member(path, .symlink(to: Array(target.utf8)), mode: 0o777)
    }

    static func hardLink(_ path: String, _ target: String) -> Member {
        member(path, .hardLink(to: Array(target.utf8)), mode: 0o644)
    }

    static func device(_ path: String) -> Member { member(path, .characterDevice(major: 1, minor: 3), mode: 0o666) }
}
