import Glibc
import NetrootSystem
import SystemPackage

/// The layers of an image, each checked while it is read, and what they do to a root handed on.
public struct LayerStack<Target: LayerTarget>: Sendable {
    private var filter: LayerFilter<Target>

    /// - Parameters:
    ///   - target: what makes the files.
    ///   - keepsDevices: whether device nodes are passed on.
    public init(_ target: Target, keepsDevices: Bool) { filter = LayerFilter(target, keepsDevices: keepsDevices) }

    /// How many device nodes were left out so far, whatever hard links they have.
    public var droppedDevices: Int { filter.droppedDevices }
    /// With all that the layers so far did to it.
    public var target: Target { filter.target }

    /// Decompresses and checks the next layer.
    ///
    /// The target has got what came before a member that is refused: after an error it is not to be used.
    /// - Parameters:
    ///   - blob: the layer's file, compressed by gzip, zstd or xz, or not at all.
    ///   - layer: what errors call it.
    ///   - digest: that of its uncompressed archive, as the image's configuration has it.
    ///   - limit: the most bytes that the uncompressed archive may have.
    /// - Throws: `LayerError`, `MissingError` where the decompressor is not installed, `SystemError`, `CancellationError`, and
    ///   what the target throws.
    public mutating func add(_ blob: String, layer: String, digest: String, limit: UInt64) async throws {
        let file = try SystemError.wrap("read", blob) {
            try FileDescriptor.open(FilePath(blob), .readOnly, options: [.closeOnExec])
        }
        defer { close(file.rawValue) }
        let before = filter
        let pass = { @Sendable () throws -> LayerPass<Target> in try LayerPass(layer, before, limit: limit) }
        let after = try await Self.read(file, blob, layer: layer, into: pass)
        // Last of all: what is cut off has another digest, and is better called cut off.
        guard after.digest == digest else {
            throw LayerError.wrongDigest(layer: layer, expected: digest, found: after.digest)
        }
        filter = after.filter
    }

    private static func read(
        _ file: FileDescriptor, _ path: String, layer: String, into pass: @Sendable () throws -> LayerPass<Target>
    ) async throws -> LayerPass<Target>.Result {
        func chunk(_ count: Int, at offset: Int64) throws -> [UInt8] {
            try SystemError.wrap("read", path) {
                try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
                    filled = try file.read(
                        fromAbsoluteOffset: offset, into: UnsafeMutableRawBufferPointer(buffer))
                }
            }
        }
        if let (tool, arguments) = Compression(magic: try chunk(6, at: 0))?.decompressor {
            do {
                return try await Decompressor(tool: tool, arguments: arguments).run(from: file, into: pass)
            } catch let error as DecompressionError {
                throw LayerError.damaged(layer: layer, tool: tool.name, message: error.message)
            }
        }
        var pass = try pass()
        var offset: Int64 = 0
        while true {
            let bytes = try chunk(256 << 10, at: offset)
            if bytes.isEmpty { return try pass.finish() }
            try Task.checkCancellation()
            try pass.take(bytes)
            offset += Int64(bytes.count)
        }
    }
}

/// One layer on its way through the check.
private struct LayerPass<Target: LayerTarget>: StreamReader {
    struct Result: Sendable {
        let filter: LayerFilter<Target>
        /// The digest of what was read.
        let digest: String
    }

    private var reader: TarReader
    private var filter: LayerFilter<Target>
    private let hasher: SHA256Hasher
    private let layer: String
    private let limit: UInt64
    private var count: UInt64 = 0

    init(_ layer: String, _ filter: LayerFilter<Target>, limit: UInt64) throws {
        self.layer = layer
        self.limit = limit
        self.filter = filter
        self.filter.beginLayer(layer)
        reader = TarReader(name: layer)
        hasher = try SHA256Hasher()
        hasher.start()
    }

    mutating func take(_ bytes: [UInt8]) throws {
        count += UInt64(bytes.count)
        // What follows the archive's end is written nowhere, and may have no end of its own.
        guard count <= limit else { throw LayerError.tooLarge(layer: layer, limit: limit) }
        bytes.withUnsafeBytes { hasher.update($0) }
        try reader.read(bytes[...], &filter)
    }

    mutating func finish() throws -> Result {
        try reader.finish()
        return Result(filter: filter, digest: hasher.finish().text)
    }
}
