public import NetrootSystem

/// Why a tree cannot be packed.
public enum PackError: ReportableError, Equatable {
    /// What is to be packed is not a directory, or not there.
    case noTree(path: String)
    /// The image would be packed into itself.
    case imageInsideTree(image: String, tree: String)
    /// `SOURCE_DATE_EPOCH` is not a number of seconds.
    case badEpoch(text: String)
    /// A file was there when the tree was listed, and is gone.
    case vanished(path: String)
    /// A file became another while it was read.
    case changed(path: String)
    /// Something that the format has no place for.
    case unfit(path: String, problem: String)
    /// libsquashfs refused; `code` is its own (`sqfs/error.h`).
    case library(operation: String, image: String, code: Int32)

    /// `.usage` where nothing was tried, else `.failed`.
    public var exitStatus: ExitStatus {
        switch self {
        case .noTree, .imageInsideTree, .badEpoch: .usage
        case .vanished, .changed, .unfit, .library: .failed
        }
    }

    /// One line: what, where and what to do next.
    public var description: String {
        switch self {
        case .noTree(let path): "\(path) is not a directory; name the root tree that is to be packed"
        case .imageInsideTree(let image, let tree):
            "the image \(image) is inside the tree \(tree); write it somewhere else"
        case .badEpoch(let text):
            "SOURCE_DATE_EPOCH is '\(text)'; set it to seconds since 1970, 0 to \(UInt32.max), or unset it"
        case .vanished(let path):
            "\(TerminalText.line(path)) was removed while the tree was packed; pack it when nobody writes to it"
        case .changed(let path):
            "\(TerminalText.line(path)) changed while it was read; pack the tree when nobody writes to it"
        case .unfit(let path, let problem): "cannot pack \(TerminalText.line(path)): \(problem)"
        case .library(let operation, let image, let code):
            "cannot \(operation) \(image): libsquashfs says \(Self.words(code))"
        }
    }

    private static func words(_ code: Int32) -> String {
        let words = [
            -1: "out of memory", -2: "input/output error", -3: "compressor error", -4: "internal error",
            -5: "corrupted", -6: "unsupported", -7: "overflow", -8: "out of bounds", -16: "invalid argument",
            -17: "wrong sequence",
        ]
        return (words[Int(code)] ?? "error") + " (\(code))"
    }
}
