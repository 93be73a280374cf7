import NetrootImage
import NetrootStore
import NetrootSystem
import NetrootTree

/// An image that skopeo has copied into an OCI image layout (OCI image-spec, "OCI Image Layout Specification").
struct ImageLayout: Sendable {
    /// The layout's directory.
    let directory: String
    /// The digest of the image's manifest.
    let digest: String
    /// The layers, the lowest first: their digests, and those of their uncompressed archives.
    let layers: [(blob: String, content: String)]
    /// What the image says of the programs in it.
    let config: Config

    /// The part of an image's configuration that a root takes something from (OCI image-spec, "Image Configuration").
    struct Config: Decodable {
        struct Run: Decodable {
            let env: [String]?

            enum CodingKeys: String, CodingKey {
                case env = "Env"
            }
        }

        struct RootFS: Decodable {
            let layers: [String]

            enum CodingKeys: String, CodingKey {
                case layers = "diff_ids"
            }
        }

        let architecture: String?
        let os: String?
        let config: Run?
        let rootfs: RootFS
    }

    private struct Descriptor: Decodable {
        let digest: String
    }

    private struct Manifest: Decodable {
        let config: Descriptor
        let layers: [Descriptor]
    }

    /// A file of the layout is not what its name says.
    struct WrongBlob: Error {
        let digest: String
        let path: String
    }

    /// More than any builder makes, and any filesystem of Docker's stacks.
    private static let mostLayers = 512

    /// Reads the manifest and the configuration, which says what the layers hold: so both are compared with their digests.
    /// - Throws: `WrongBlob`, `ContainerError.damaged`, `ContainerError.wrongPlatform`, `SystemError`.
    init(directory: String, digest: String, from: String) throws {
        func decoded<T: Decodable>(_ type: T.Type, _ digest: String) throws -> T {
            guard let path = Self.blob(digest, in: directory) else {
                throw ContainerError.damaged(image: from, problem: "'\(digest.prefix(80))' is not a digest")
            }
            let bytes = try Files.read(path, limit: 8 << 20)
            guard try Self.isRight(bytes, digest) else { throw WrongBlob(digest: digest, path: path) }
            do {
                return try JSON.value(type, from: bytes)
            } catch let error as DecodingError {
                throw ContainerError.damaged(
                    image: from, problem: "\(digest) is not a description of an image: \(error)")
            }
        }
        let manifest = try decoded(Manifest.self, digest)
        let config = try decoded(Config.self, manifest.config.digest)
        // An image that says nothing of it is for the platform that was asked for.
        guard config.os ?? "linux" == "linux", config.architecture ?? "amd64" == "amd64" else {
            throw ContainerError.wrongPlatform(
                image: from, platform: "\(config.os ?? "linux")/\(config.architecture ?? "amd64")")
        }
        guard manifest.layers.count == config.rootfs.layers.count, manifest.layers.count <= Self.mostLayers else {
            throw ContainerError.damaged(
                image: from,
                problem: "\(manifest.layers.count) layers, and its configuration has \(config.rootfs.layers.count)")
        }
        for layer in manifest.layers where Self.blob(layer.digest, in: directory) == nil {
            throw ContainerError.damaged(image: from, problem: "'\(layer.digest.prefix(80))' is not a digest")
        }
        self.directory = directory
        self.digest = digest
        self.config = config
        layers = zip(manifest.layers, config.rootfs.layers).map { ($0.digest, $1) }
    }

    /// The file of a blob.
    func path(of digest: String) throws -> String {
        guard let path = Self.blob(digest, in: directory) else { throw SystemError("read", digest, code: 22) }
        return path
    }

    /// Whether the digest is that of the bytes.
    private static func isRight(_ bytes: [UInt8], _ digest: String) throws -> Bool {
        let parts = digest.split(separator: ":")
        guard parts.count == 2, let algorithm = DigestAlgorithm(rawValue: String(parts[0])) else { return false }
        return try algorithm.hexadecimal(of: bytes) == parts[1]
    }

    /// Nil where the digest is none: it is a file's name, and an image says it.
    private static func blob(_ digest: String, in directory: String) -> String? {
        let parts = digest.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, ["sha256", "sha512"].contains(parts[0]), (64...128).contains(parts[1].utf8.count),
            parts[1].allSatisfy({ $0.isASCII && ($0.isNumber || ("a"..."f").contains($0)) })
        else { return nil }
        return "\(directory)/blobs/\(parts[0])/\(parts[1])"
    }
}
