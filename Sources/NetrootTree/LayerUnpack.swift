import NetrootImage
import NetrootSystem

/// The layers of an image on their way into an empty directory: each is checked as it is written, member by member.
///
/// What came before a member that is refused stays in the directory; who sees an error removes it.
public struct LayerUnpack: Sendable {
    /// What was left out.
    public struct Report: Sendable, Equatable {
        /// Device nodes, whatever hard links they have.
        public let devices: Int
        /// Extended attributes that only root may set.
        public let xattrs: Int
    }

    private var stack: LayerStack<LayerWriter>

    /// - Parameters:
    ///   - directory: exists, and is empty.
    ///   - keepsDevices: whether device nodes are made.
    /// - Throws: `RootFillError.notEmpty`, `SystemError`.
    public init(directory: String, keepsDevices: Bool) throws {
        stack = LayerStack(try LayerWriter(directory), keepsDevices: keepsDevices)
    }

    /// Unpacks the next layer; the parameters are those of `LayerStack.add`.
    /// - Throws: `LayerError`, `RootFillError`, `MissingError` where the decompressor is not installed, `SystemError`,
    ///   `CancellationError`.
    public mutating func add(_ blob: String, layer: String, digest: String, limit: UInt64) async throws {
        try await stack.add(blob, layer: layer, digest: digest, limit: limit)
    }

    /// Gives the directories their owners, permissions and times.
    /// - Throws: `RootFillError`, `SystemError`.
    public func finish() throws -> Report {
        Report(devices: stack.droppedDevices, xattrs: try stack.target.finish())
    }
}
