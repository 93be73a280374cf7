import Glibc
import NetrootSystem
import SystemPackage

/// Checks the layers of an image in their order, and writes each as an archive that an unpacker can take as it is.
public struct LayerCheck: Sendable {
    /// A layer that was checked.
    public struct Layer: Sendable, Equatable {
        /// The digest of the archive that was written: `sha256:` and hexadecimal digits.
        public let digest: String
        /// Its size in bytes.
        public let size: UInt64
        /// How many members the layer has.
        public let entries: Int
    }

    /// How many device nodes were left out so far, whatever hard links they have.
    public private(set) var droppedDevices = 0
    /// The largest number of an owner or a group so far.
    public private(set) var largestOwner: UInt32 = 0
    private let keepsDevices: Bool
    private var tree = LayerTree()

    /// - Parameter keepsDevices: whether device nodes are passed on.
    public init(keepsDevices: Bool) { self.keepsDevices = keepsDevices }

    /// Decompresses and checks the next layer.
    ///
    /// - Parameters:
    ///   - blob: the layer's file, compressed by gzip, zstd or xz, or not at all.
    ///   - layer: what errors call it.
    ///   - digest: that of its uncompressed archive, as the image's configuration has it.
    ///   - limit: the most bytes that the uncompressed archive may have.
    ///   - output: the new file; only its owner can read it.
    /// - Throws: `LayerError`, `MissingError` where the decompressor is not installed, `SystemError`, `CancellationError`.
    public mutating func copy(
        _ blob: String, layer: String, digest: String, limit: UInt64, to output: String
    ) async throws -> Layer {
        let file = try SystemError.wrap("read", blob) {
            try FileDescriptor.open(FilePath(blob), .readOnly, options: [.closeOnExec])
        }
        defer { close(file.rawValue) }
        let sink = try SystemError.wrap("write", output) { try Files.create(output) }
        defer { close(sink.rawValue) }
        let tree = self.tree
        let keeps = keepsDevices
        let make = { @Sendable () throws -> LayerCopy in
            try LayerCopy(layer: layer, tree: tree, keepsDevices: keeps, limit: limit, output: sink, path: output)
        }
        let copied = try await Self.copied(file, blob, layer: layer, make)
        // Last of all: what is cut off has another digest, and is better called cut off.
        guard copied.source == digest else {
            throw LayerError.wrongDigest(layer: layer, expected: digest, found: copied.source)
        }
        self.tree = copied.tree
        droppedDevices += copied.droppedDevices
        largestOwner = max(largestOwner, copied.largestOwner)
        return copied.layer
    }

    private static func copied(
        _ file: FileDescriptor, _ path: String, layer: String, _ make: @Sendable () throws -> LayerCopy
    ) async throws -> LayerCopy.Result {
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
                return try await Decompressor(tool: tool, arguments: arguments).run(from: file, into: make)
            } catch let error as DecompressionError {
                throw LayerError.damaged(layer: layer, tool: tool.name, message: error.message)
            }
        }
        var copy = try make()
        var offset: Int64 = 0
        while true {
            let bytes = try chunk(256 << 10, at: offset)
            if bytes.isEmpty { return try copy.finish() }
            try Task.checkCancellation()
            try copy.take(bytes)
            offset += Int64(bytes.count)
        }
    }
}

/// One layer on its way through the check into a file.
private struct LayerCopy: StreamReader {
    struct Result: Sendable {
        let layer: LayerCheck.Layer
        /// The digest of what was read.
        let source: String
        let tree: LayerTree
        let droppedDevices: Int
        let largestOwner: UInt32
    }

    private var reader: TarReader
    private var filter: LayerFilter
    private let source: SHA256Hasher
    private let output: LayerOutput
    private let layer: String
    private let limit: UInt64
    private var read: UInt64 = 0

    init(
        layer: String, tree: LayerTree, keepsDevices: Bool, limit: UInt64, output: FileDescriptor, path: String
    ) throws {
        self.layer = layer
        self.limit = limit
        reader = TarReader(name: layer)
        source = try SHA256Hasher()
        source.start()
        let file = try LayerOutput(file: output, path: path, layer: layer, limit: limit)
        self.output = file
        filter = LayerFilter(layer: layer, tree: tree, keepsDevices: keepsDevices) { try file.write($0) }
    }

    mutating func take(_ bytes: [UInt8]) throws {
        read += UInt64(bytes.count)
        // What follows the archive's end is written nowhere, and may have no end of its own.
        guard read <= limit else { throw LayerError.tooLarge(layer: layer, limit: limit) }
        bytes.withUnsafeBytes { source.update($0) }
        try reader.read(bytes[...], &filter)
    }

    mutating func finish() throws -> Result {
        try reader.finish()
        try filter.finish()
        let (digest, size) = try output.finish()
        return Result(
            layer: LayerCheck.Layer(digest: digest, size: size, entries: reader.entries), source: source.finish().text,
            tree: filter.tree, droppedDevices: filter.droppedDevices, largestOwner: filter.largestOwner)
    }
}

/// The file that a layer is written to, and its digest; for one thread.
private final class LayerOutput {
    private let file: FileDescriptor
    private let path: String
    private let layer: String
    private let limit: UInt64
    private let hasher: SHA256Hasher
    private var buffer: [UInt8] = []
    private var size: UInt64 = 0

    init(file: FileDescriptor, path: String, layer: String, limit: UInt64) throws {
        self.file = file
        self.path = path
        self.layer = layer
        self.limit = limit
        hasher = try SHA256Hasher()
        hasher.start()
    }

    func write(_ bytes: ArraySlice<UInt8>) throws {
        size += UInt64(bytes.count)
        guard size <= limit else { throw LayerError.tooLarge(layer: layer, limit: limit) }
        buffer.append(contentsOf: bytes)
        if buffer.count >= 256 << 10 { try flush() }
    }

    func finish() throws -> (digest: String, size: UInt64) {
        try flush()
        return (hasher.finish().text, size)
    }

    private func flush() throws {
        try SystemError.wrap("write", path) { _ = try file.writeAll(buffer) }
        buffer.withUnsafeBytes { hasher.update($0) }
        buffer.removeAll(keepingCapacity: true)
    }
}
