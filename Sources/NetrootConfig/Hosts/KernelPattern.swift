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
        try Self.check(Array(text.utf8), text)
        self.text = text
    }

    /// What people may write before the version.
    private static let prefixes = ["vmlinuz-", "linux-image-", "kernel-", "initrd.img-"]

    /// Whether a version fits.
    public func matches(_ version: String) -> Bool { fnmatch(text, version, 0) == 0 }

    /// fnmatch(3) takes a `[` without its `]` for a letter.
    private static func check(_ bytes: [UInt8], _ text: String) throws(KernelPatternError) {
        var index = 0
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "\\"):
                guard index + 1 < bytes.count else {
                    throw KernelPatternError(problem: "'\(text)' ends with a backslash", hint: "remove it")
                }
                index += 2
            case UInt8(ascii: "["):
                guard let end = endOfSet(bytes, after: index) else {
                    throw KernelPatternError(problem: "'\(text)' has a '[' without its ']'", hint: "close it")
                }
                index = end + 1
            default: index += 1
            }
        }
    }

    /// The `]` that ends a set; one that stands first is a member, and so is one of `[:digit:]` and its kin.
    private static func endOfSet(_ bytes: [UInt8], after start: Int) -> Int? {
        var index = start + 1
        if index < bytes.count, "!^".utf8.contains(bytes[index]) { index += 1 }
        var isFirst = true
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "]"), !isFirst { return index }
            isFirst = false
            if bytes[index] == UInt8(ascii: "["), index + 1 < bytes.count, ":.=".utf8.contains(bytes[index + 1]) {
                let kind = bytes[index + 1]
                index += 2
                while index + 1 < bytes.count, bytes[index] != kind || bytes[index + 1] != UInt8(ascii: "]") {
                    index += 1
                }
                guard index + 1 < bytes.count else { return nil }
                index += 2
            } else {
                index += bytes[index] == UInt8(ascii: "\\") ? 2 : 1
            }
        }
        return nil
    }
}

/// What is wrong with a pattern, and what to write instead.
public struct KernelPatternError: Error, Equatable {
    /// The problem, without the place.
    public let problem: String
    /// What to write instead.
    public let hint: String
}
