public import NetrootImage
public import NetrootSystem

/// What the files of a root can be taken from, told by its content and not by its name.
public enum RootSource: Sendable {
    case directory(String)
    /// A squashfs image, open.
    case image(SquashfsReader)
    /// The squashfs image in a SIF file, open, and what the file says of itself.
    case sif(SIF, SquashfsReader)

    /// Looks at a path, and opens what it finds there.
    /// - Throws: `RootSourceError` for what is neither; `SquashfsReadError`, `SIFError`.
    public init(_ path: String) throws {
        if Files.isDirectory(path) {
            self = .directory(path)
            return
        }
        let start: [UInt8]
        do throws(SquashfsReadError) {
            start = try FileGuess.firstBytes(of: path, count: 96)
        } catch .foreign(_, let looks) {
            throw RootSourceError(path: path, looks: looks)
        }
        if start.starts(with: "hsqs".utf8) {
            self = .image(try SquashfsReader(path))
        } else if SIF.begins(start) {
            let sif = try SIF(path)
            self = .sif(sif, try sif.openRoot())
        } else {
            throw RootSourceError(path: path, looks: FileGuess.describe(start))
        }
    }

    /// Copies or unpacks all of it.
    /// - Throws: `SquashfsReadError`, `RootFillError`, `SystemError`, `CancellationError`.
    public func fill(_ fill: RootFill) throws -> RootFill.Report {
        switch self {
        case .directory(let path): try fill.copy(path)
        case .image(let image), .sif(_, let image): try fill.unpack(image)
        }
    }
}

/// A file that no root can be taken from.
public struct RootSourceError: ReportableError, Equatable {
    /// The file.
    public let path: String
    /// What it looks like.
    public let looks: String

    /// Always `.usage`: another file was meant.
    public var exitStatus: ExitStatus { .usage }

    /// One line: which file, what it is, what is wanted.
    public var description: String {
        "\(path) is \(looks); a root is taken from a directory, a squashfs image or a SIF file"
    }
}
