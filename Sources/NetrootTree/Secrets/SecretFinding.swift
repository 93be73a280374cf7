import Glibc
import NetrootSystem

/// A file of a root that no client may share with others, or that nobody else may read.
public struct SecretFinding: Sendable, Equatable {
    /// What makes it one.
    public enum Kind: String, Sendable, CaseIterable {
        /// A key that proves who a machine, a service or a person is.
        case privateKey = "private-key"
        /// A key that several machines share.
        case sharedKey = "shared-key"
        /// The hash of a password that the recipe did not set.
        case passwordHash = "password-hash"
        /// An account without a password, that the recipe did not make.
        case emptyPassword = "empty-password"
        /// A name and a password, or a password alone, in a file that is made for it.
        case credentials
        /// A token of a service, by its form.
        case token
        /// What tells one machine from another.
        case identity
    }

    /// From the root, without a slash at its beginning; a hostile image's own bytes.
    public let path: [UInt8]
    /// What makes it a finding.
    public let kind: Kind
    /// Whether its mode lets every user of a machine read it, in the image as on the client.
    public let isWorldReadable: Bool

    /// The values as they are named.
    public init(path: [UInt8], kind: Kind, isWorldReadable: Bool) {
        self.path = path
        self.kind = kind
        self.isWorldReadable = isWorldReadable
    }

    /// The path with the slash of the root, for a terminal and for JSON.
    public var display: String { "/" + TerminalText.line(path) }
}

/// Absolute paths of a root, or patterns of them: of a file, or of a directory with all that is below it.
public struct PathPatterns: Sendable, Equatable {
    private let patterns: [String]

    /// Patterns as glob(7) has them: `*` and `?` do not stand for a slash.
    public init(_ patterns: [String]) { self.patterns = patterns }

    /// The patterns that mean a path.
    /// - Parameter path: from the root, without a slash at its beginning.
    public func matching(_ path: [UInt8]) -> [String] {
        let path = DirectoryHandle.terminated([UInt8(ascii: "/")] + path)
        return patterns.filter { pattern in
            let pattern = pattern.hasSuffix("/") ? String(pattern.dropLast()) : pattern
            return fnmatch(pattern, path, FNM_PATHNAME | Self.leadingDirectory) == 0
        }
    }

    /// The patterns that mean none of these paths.
    public func unused(by paths: [[UInt8]]) -> [String] {
        let used = Set(paths.flatMap(matching))
        return patterns.filter { !used.contains($0) }
    }

    /// FNM_LEADING_DIR (fnmatch(3)), which Swift's Glibc module leaves out: what follows the pattern and a slash matches too.
    private static let leadingDirectory: Int32 = 1 << 3
}
