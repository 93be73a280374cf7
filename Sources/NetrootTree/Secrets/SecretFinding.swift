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
