extension Compression {
    /// The content of a small file that may be compressed, such as a kernel module; what has no compression's first bytes stays
    /// as it is.
    /// - Parameters:
    ///   - name: for messages.
    ///   - limit: the most bytes that it may have.
    /// - Throws: `InitramfsError.damaged`.
    public static func decompressed(_ bytes: [UInt8], of name: String, limit: Int) throws -> [UInt8] {
        guard let compression = Compression(magic: bytes.prefix(6)), compression != .uncompressed else { return bytes }
        var result: [UInt8] = []
        do {
            _ = try SegmentDecompression.run(
                compression, from: 0,
                read: { offset, count in Array(bytes.dropFirst(Int(offset)).prefix(count)) },
                receive: { piece in
                    result += piece
                    guard result.count <= limit else { throw CodecError(problem: "it has more than \(limit) bytes") }
                    return true
                })
        } catch let error as CodecError {
            throw InitramfsError.damaged(path: name, compression: compression, offset: 0, problem: error.problem)
        }
        return result
    }
}
