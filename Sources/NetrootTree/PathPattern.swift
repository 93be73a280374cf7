import Glibc
import NetrootSystem

/// A pattern for paths: each name of it is one of fnmatch(3), in which `*` and `?` match a dot at the beginning too, and
/// `**` stands for any number of names.
///
/// At the end `**` stands for at least one name: `a/**` means what is in `a`, and not `a`.
public struct PathPattern: Sendable, Equatable {
    private enum Part: Sendable, Equatable {
        case anyDepth
        case literal([UInt8])
        /// With the NUL that ends it.
        case glob([CChar])
    }

    /// As it is written.
    public let text: String
    private let parts: [Part]

    /// Slashes at either end, and more than one of them between two names, mean nothing.
    public init(_ text: String) {
        self.text = text
        parts = text.utf8.split(separator: UInt8(ascii: "/")).map { name in
            if name.elementsEqual("**".utf8) { return .anyDepth }
            return name.contains { "*?[\\".utf8.contains($0) }
                ? .glob(DirectoryHandle.terminated(name)) : .literal(Array(name))
        }
    }

    /// Whether it has no special character at all.
    public var isLiteral: Bool {
        parts.allSatisfy { if case .literal = $0 { true } else { false } }
    }

    /// Whether it means a path.
    /// - Parameters:
    ///   - path: with or without a slash at its beginning.
    ///   - orAbove: whether it is enough that a directory above the path is meant.
    public func matches(_ path: some Collection<UInt8>, orAbove: Bool = false) -> Bool {
        matches(names: Self.names(path), orAbove: orAbove)
    }

    /// The names of a path, for whoever matches one path with many patterns.
    static func names(_ path: some Collection<UInt8>) -> [[UInt8]] {
        path.split(separator: UInt8(ascii: "/")).map { Array($0) }
    }

    /// Whether it means the path of these names.
    func matches(names: [[UInt8]], orAbove: Bool = false) -> Bool {
        var (part, name) = (0, 0)
        // Where the last `**` is, and how far it reaches: only that one is ever tried again.
        var depth: (part: Int, name: Int)?
        while name < names.count {
            if part == parts.count, orAbove, part > 0 { return true }
            if part < parts.count, parts[part] == .anyDepth {
                part += 1
                if part == parts.count { return true }
                depth = (part, name)
            } else if part < parts.count, Self.matches(parts[part], names[name]) {
                part += 1
                name += 1
            } else if let last = depth {
                depth = (last.part, last.name + 1)
                (part, name) = (last.part, last.name + 1)
            } else {
                return false
            }
        }
        return part == parts.count
    }

    private static func matches(_ part: Part, _ name: [UInt8]) -> Bool {
        switch part {
        case .anyDepth: false
        case .literal(let bytes): bytes == name
        case .glob(let pattern): fnmatch(pattern, DirectoryHandle.terminated(name), 0) == 0
        }
    }
}
