public import NetrootSystem

/// Why a layer of an image is not unpacked.
public enum LayerError: ReportableError, Equatable {
    /// Bytes that are no tar archive, or not a whole one.
    case badArchive(layer: String, offset: UInt64, problem: String)
    /// The decompressor failed; `message` is what it said.
    case damaged(layer: String, tool: String, message: String)
    /// The layer is not the one that the image's configuration names.
    case wrongDigest(layer: String, expected: String, found: String)
    /// A member that would change something outside the root, or that no image has a use for.
    case refused(layer: String, entry: String, problem: String)
    /// The layer is larger, uncompressed, than there is room for.
    case tooLarge(layer: String, limit: UInt64)

    /// Always `.failed`.
    public var exitStatus: ExitStatus { .failed }

    /// One line: which layer, which member, what is wrong.
    public var description: String {
        switch self {
        case .badArchive(let layer, let offset, let problem):
            "\(layer): \(problem) at byte \(offset) of the uncompressed archive; fetch or make the image again"
        case .damaged(let layer, let tool, let message):
            "\(layer): \(tool) cannot decompress it: \(message); fetch or make the image again"
        case .wrongDigest(let layer, let expected, let found):
            "\(layer): its content is \(found), the image's configuration says \(expected); do not use this image"
        case .refused(let layer, let entry, let problem):
            "\(layer): '\(entry)': \(TerminalText.line(problem)); do not use this image"
        case .tooLarge(let layer, let limit):
            "\(layer): more than the \(limit >> 20) MiB that are free for it, uncompressed; free space, or use another image"
        }
    }

    /// A member's name as a message shows it: one line, and not a long one, whatever bytes it has.
    static func shown(_ path: [UInt8]) -> String {
        TerminalText.line(Array(path.prefix(200))) + (path.count > 200 ? "…" : "")
    }
}
