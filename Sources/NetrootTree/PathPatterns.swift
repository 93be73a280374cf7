/// Absolute paths of a root, or patterns of them: of a file, or of a directory with all that is below it.
public struct PathPatterns: Sendable, Equatable {
    private let patterns: [PathPattern]

    /// Patterns as `PathPattern` has them.
    public init(_ patterns: [String]) { self.patterns = patterns.map { PathPattern($0) } }

    /// The patterns that mean a path.
    /// - Parameter path: from the root, without a slash at its beginning.
    public func matching(_ path: [UInt8]) -> [String] {
        patterns.filter { $0.matches(path, orAbove: true) }.map(\.text)
    }

    /// The patterns that mean none of these paths.
    public func unused(by paths: [[UInt8]]) -> [String] {
        let used = Set(paths.flatMap(matching))
        return patterns.map(\.text).filter { !used.contains($0) }
    }
}
