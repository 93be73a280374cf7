import Glibc
public import NetrootSystem

/// A root filesystem as a directory; every path given to it is resolved inside it, symlinks included.
public struct RootTree: Sendable {
    /// The directory, without a slash at the end.
    public let directory: String

    /// A root by its directory; nothing is looked at yet.
    public init(directory: String) { self.directory = directory }

    /// The path on the host of a path in the root.
    /// - Parameter followLast: whether a symlink at the end is followed.
    /// - Throws: `RootPathError` for a loop of symlinks, `SystemError`.
    public func resolve(_ path: String, followLast: Bool = true) throws -> String {
        var pending = path.split(separator: "/").map(String.init)[...]
        var done: [String] = []
        var links = 0
        while let name = pending.popFirst() {
            if name == "." { continue }
            if name == ".." {
                _ = done.popLast()
                continue
            }
            let host = directory + "/" + (done + [name]).joined(separator: "/")
            guard followLast || !pending.isEmpty, let target = try Files.linkTarget(host) else {
                done.append(name)
                continue
            }
            links += 1
            if links > 40 { throw RootPathError(path: path, reason: "too many symlinks") }
            if target.hasPrefix("/") { done = [] }
            pending = target.split(separator: "/").map(String.init)[...] + pending
        }
        return done.isEmpty ? directory : directory + "/" + done.joined(separator: "/")
    }

    /// Whether the path exists in the root.
    public func contains(_ path: String) throws -> Bool { Files.exists(try resolve(path)) }

    /// The sorted names in a directory of the root; none where it does not exist.
    public func names(in path: String) throws -> [String] { try Files.names(in: try resolve(path)) }

    /// The content of a regular file. What an image brought may be a FIFO: opened, it would be waited for without an end.
    /// - Throws: `RootPathError` where it is another kind of file, `SystemError`.
    public func read(_ path: String, limit: Int = 64 << 20) throws -> [UInt8] {
        try Files.read(try regularFile(path), limit: limit)
    }

    /// The path on the host of a regular file.
    /// - Throws: `RootPathError` where it is another kind of file, `SystemError`.
    public func regularFile(_ path: String) throws -> String {
        let host = try resolve(path)
        var status = stat()
        try SystemError.check("read", host, lstat(host, &status))
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw RootPathError(path: path, reason: "it is not a regular file")
        }
        return host
    }

    /// The content of a regular file as text.
    public func text(_ path: String) throws -> String { String(decoding: try read(path), as: UTF8.self) }

    /// Writes a file, replacing what has the name, a symlink too.
    public func write(_ path: String, _ text: String, mode: UInt16 = 0o644) throws {
        try write(path, Array(text.utf8), mode: mode)
    }

    /// Writes a file, replacing what has the name, a symlink too.
    public func write(_ path: String, _ bytes: [UInt8], mode: UInt16 = 0o644) throws {
        try Files.replace(try prepared(path), with: bytes, mode: mode)
    }

    /// Makes a symlink, replacing what has the name.
    public func link(_ path: String, to target: String) throws {
        try Files.replaceLink(try prepared(path), target: target)
    }

    /// Removes a file or symlink; it may be missing.
    public func remove(_ path: String) throws {
        let host = try resolve(path, followLast: false)
        if unlink(host) != 0, errno != ENOENT { throw SystemError("remove", host, code: errno) }
    }

    /// Removes a file, or a directory with all that is in it; it may be missing. Symlinks are removed, not followed.
    public func removeAll(_ path: String) throws { try Self.removeAll(host: try resolve(path, followLast: false)) }

    private static func removeAll(host path: String) throws {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { return }
            throw SystemError("remove", path, code: errno)
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            try SystemError.check("remove", path, unlink(path))
            return
        }
        for name in try Files.names(in: path) { try removeAll(host: "\(path)/\(name)") }
        try SystemError.check("remove", path, rmdir(path))
    }

    /// The paths in the root, from `/` on, that a pattern of several components matches (glob(7), and braces), sorted.
    ///
    /// glob(3) itself would follow an absolute symlink out of the root.
    public func glob(_ pattern: String) throws -> [String] {
        var matches: Set<String> = []
        for pattern in Self.braces(pattern) {
            var found = [""]
            for component in pattern.split(separator: "/").map(String.init) {
                let isPattern = component.contains { "*?[\\".contains($0) }
                var next: [String] = []
                for path in found {
                    if !isPattern {
                        next.append("\(path)/\(component)")
                    } else if Files.isDirectory(try resolve(path)) {
                        next += try names(in: path).filter { fnmatch(component, $0, FNM_PERIOD) == 0 }
                            .map { "\(path)/\($0)" }
                    }
                }
                found = next
            }
            matches.formUnion(try found.filter { try Files.exists(resolve($0, followLast: false)) })
        }
        return matches.sorted()
    }

    /// A path of the root with one slash before each of its names.
    public static func absolute(_ path: String) -> String { path.split(separator: "/").map { "/\($0)" }.joined() }

    /// The patterns that one with braces stands for: `a{b,c{d,e}}` is `ab`, `acd` and `ace`.
    static func braces(_ pattern: String) -> [String] {
        guard let open = pattern.firstIndex(of: "{") else { return [pattern] }
        var depth = 0
        var parts: [String] = [""]
        var index = open
        while index < pattern.endIndex {
            let character = pattern[index]
            if character == "{" { depth += 1 }
            if character == "}" { depth -= 1 }
            if depth == 0 { break }
            if character == ",", depth == 1 {
                parts.append("")
            } else if index != open {
                parts[parts.count - 1].append(character)
            }
            index = pattern.index(after: index)
        }
        // Without a partner it is a character like others, and so are a pair with nothing in it.
        guard index < pattern.endIndex, parts != [""] else {
            let after = pattern.index(after: open)
            return braces(String(pattern[after...])).map { pattern[..<after] + $0 }
        }
        let rest = pattern[pattern.index(after: index)...]
        return parts.flatMap { braces(pattern[..<open] + $0 + rest) }
    }

    /// The paths in the root whose names match the pattern's last component (fnmatch(3)).
    public func paths(matching pattern: String) throws -> [String] {
        guard let slash = pattern.lastIndex(of: "/") else { return try contains(pattern) ? [pattern] : [] }
        let directory = String(pattern[..<slash])
        let name = String(pattern[pattern.index(after: slash)...])
        return try names(in: directory).filter { fnmatch(name, $0, FNM_PERIOD) == 0 }.map { "\(directory)/\($0)" }
    }

    /// Makes a directory and those above it.
    public func makeDirectory(_ path: String) throws { try Files.makeDirectory(try resolve(path)) }

    /// Copies files, symlinks and directories of a folder on the host over a directory of the root, owned by root.
    /// Permissions are 0755 for what is executable and for directories, 0644 otherwise.
    public func install(_ source: String, at path: String) throws {
        try makeDirectory(path)
        for name in try Files.names(in: source) {
            let from = "\(source)/\(name)"
            let to = "\(path)/\(name)"
            if let target = try Files.linkTarget(from) {
                try link(to, to: target)
            } else if Files.isDirectory(from) {
                try install(from, at: to)
            } else {
                let executable = access(from, X_OK) == 0
                try Files.replace(try prepared(to), with: try Files.read(from), mode: executable ? 0o755 : 0o644)
            }
        }
    }

    private func prepared(_ path: String) throws -> String {
        let host = try resolve(path, followLast: false)
        let parent = String(host[..<(host.lastIndex(of: "/") ?? host.startIndex)])
        try Files.makeDirectory(parent)
        return host
    }
}

/// A path inside a root that leads nowhere, in circles, or to a file of the wrong kind.
public struct RootPathError: ReportableError, Equatable {
    /// The path in the root.
    public let path: String
    /// What is wrong with it.
    public let reason: String

    /// The values as they are named.
    public init(path: String, reason: String) {
        self.path = path
        self.reason = reason
    }

    /// Always `.failed`.
    public var exitStatus: ExitStatus { .failed }

    /// One line: the path, and what is wrong with it.
    public var description: String { "\(path) in the root: \(reason)" }
}
