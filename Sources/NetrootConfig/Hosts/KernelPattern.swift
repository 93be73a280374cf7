import Glibc

/// `KERNEL` of a hosts file: a pattern (glob(7)) for the version of the kernel that clients boot.
public struct KernelPattern: Sendable, Hashable, CustomStringConvertible {
    /// The pattern, as it is written.
    public let text: String

    /// As it is written in a hosts file.
    public var description: String { text }

    /// Reads a pattern with `*`, `?` and `[...]`.
    /// - Throws: `KernelPatternError` for what can match no version, or does not say what it seems to say.
    public init(parsing text: String) throws(KernelPatternError) {
        guard !text.utf8.contains(where: \.isBlank) else {
            throw KernelPatternError(problem: "'\(text)' is more than one pattern", hint: "write one, such as *-amd64")
        }
        guard !text.contains("/") else {
            throw KernelPatternError(
                problem: "'\(text)' is a path", hint: "write a pattern for the version, such as 6.1.0-*-amd64")
        }
        for prefix in Self.prefixes where text.hasPrefix(prefix) {
            throw KernelPatternError(
                problem: "'\(text)' is the name of a file or package",
                hint: "leave out '\(prefix)': the pattern is for the version, as uname -r prints it")
        }
        if let problem = globProblem(text) {
            throw KernelPatternError(problem: problem.problem, hint: problem.hint)
        }
        self.text = text
    }

    /// What people may write before the version.
    private static let prefixes = ["vmlinuz-", "linux-image-", "kernel-", "initrd.img-"]

    /// Whether a version fits.
    public func matches(_ version: String) -> Bool { fnmatch(text, version, 0) == 0 }
}

/// What is wrong with a pattern, and what to write instead.
public struct KernelPatternError: Error, Equatable {
    /// The problem, without the place.
    public let problem: String
    /// What to write instead.
    public let hint: String
}
