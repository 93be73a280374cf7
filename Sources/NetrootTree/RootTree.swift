import Glibc
public import NetrootSystem
import SystemPackage

/// A root filesystem as a directory; every path given to it is resolved inside it, symlinks included.
public struct RootTree: Sendable {
    /// The directory, without a slash at the end.
    public let directory: String

    /// A root by its directory; nothing is looked at yet.
    public init(directory: String) { self.directory = directory }

    // MARK: - Opening

    private func root() throws -> DirectoryHandle { try DirectoryHandle(directory) }

    /// The root for what makes files in it.
    private func madeRoot() throws -> DirectoryHandle {
        try Files.makeDirectory(directory)
        return try root()
    }

    /// Calls `body` with an open file of the root; nil where nothing has the name.
    private func with<R>(_ path: String, _ flags: Int32, _ body: (Int32) throws -> R) throws -> R? {
        guard let descriptor = try found(path, { try $0.open(Array(path.utf8), flags, .inside) }) else { return nil }
        defer { close(descriptor) }
        return try body(descriptor)
    }

    /// What `body` opens in the root; nil where it is not there, or the root is not.
    private func found<R>(_ path: String, _ body: (DirectoryHandle) throws -> R) throws -> R? {
        do {
            return try inside(path) { try body(try root()) }
        } catch let error as SystemError where error.code == ENOENT || error.code == ENOTDIR {
            return nil
        }
    }

    /// A loop of symlinks in words.
    private func inside<R>(_ path: String, _ body: () throws -> R) throws -> R {
        do {
            return try body()
        } catch let error as SystemError where error.code == ELOOP {
            throw RootPathError(path: path, reason: "too many symlinks")
        }
    }

    /// The directory that holds what a path names, and the name there; nil where there is none.
    private func holder(_ path: String) throws -> (directory: DirectoryHandle, name: [UInt8])? {
        let (above, name) = DirectoryHandle.split(Array(path.utf8))
        return try found(path) { try $0.below(above, .inside) }.map { ($0, name) }
    }

    /// A directory of the root, made where there is none, with those above it; also where a symlink leads that dangles.
    private func made(_ path: [UInt8], in root: DirectoryHandle, links: Int = 0) throws -> DirectoryHandle {
        do {
            return try root.below(path, .inside)
        } catch let error as SystemError where error.code == ENOENT {
            let (above, name) = DirectoryHandle.split(path)
            guard links <= 40, !name.isEmpty else { throw root.failure("make", path, code: ELOOP) }
            let parent = try made(above, in: root, links: links)
            // What was missing is there now.
            if Self.isDots(name) { return try root.below(path, .inside) }
            if let target = try Self.target(of: name, in: parent) {
                return try made(Self.joined(above, target), in: root, links: links + 1)
            }
            let terminated = DirectoryHandle.terminated(name)
            if mkdirat(parent.descriptor, terminated, 0o755) == 0 {
                // Whatever the umask.
                guard fchmodat(parent.descriptor, terminated, 0o755, 0) == 0 else {
                    throw parent.failure("protect", name)
                }
            } else if errno != EEXIST {
                throw parent.failure("make", name)
            }
            return try parent.below(name)
        }
    }

    private static func isDots(_ name: [UInt8]) -> Bool { name == [0x2E] || name == [0x2E, 0x2E] }

    /// Where a symlink of a directory leads, by a path from the root.
    private static func joined(_ directory: [UInt8], _ target: [UInt8]) -> [UInt8] {
        target.first == UInt8(ascii: "/") ? target : directory + [UInt8(ascii: "/")] + target
    }

    /// The target of a symlink; nil where it is none.
    private static func target(of name: [UInt8], in directory: DirectoryHandle) throws -> [UInt8]? {
        do {
            return try directory.target(of: name)
        } catch let error as SystemError where error.code == EINVAL || error.code == ENOENT {
            return nil
        }
    }

    // MARK: - Paths of the host

    /// The path on the host of a path in the root, for programs that are given one; what there is may be another thing by the
    /// time that they look.
    /// - Parameter followLast: whether a symlink at the end is followed.
    /// - Throws: `RootPathError` for a loop of symlinks, `SystemError`.
    public func resolve(_ path: String, followLast: Bool = true) throws -> String {
        let root = try root()
        let found = try inside(path) { try resolve(Array(path.utf8), followLast, in: root, links: 0) }
        return found.isEmpty ? directory : directory + "/" + String(decoding: found, as: UTF8.self)
    }

    /// - Returns: the path from the root, without a slash at either end, a symlink or `..`.
    private func resolve(
        _ path: [UInt8], _ followLast: Bool, in root: DirectoryHandle, links: Int
    ) throws -> [UInt8] {
        guard links <= 40 else { throw root.failure("read", path, code: ELOOP) }
        let flags = DirectoryHandle.placeOnly | (followLast ? 0 : O_NOFOLLOW)
        if let found = try Self.with(root, path, flags, { try Self.place(of: $0, in: root) }) { return found }
        // Nothing is there; the name is one in the directory that is, or would be.
        let (above, name) = DirectoryHandle.split(path)
        guard !name.isEmpty else { return [] }
        let parent = try resolve(above, true, in: root, links: links)
        if name == [0x2E] { return parent }
        if name == [0x2E, 0x2E] { return DirectoryHandle.split(parent).directory }
        if followLast,
            let target = try Self.with(
                root, above, O_RDONLY | O_DIRECTORY,
                { directory in
                    try Self.target(of: name, in: directory, root.display(path))
                }) ?? nil
        {
            return try resolve(Self.joined(above, target), true, in: root, links: links + 1)
        }
        return parent.isEmpty ? name : parent + [UInt8(ascii: "/")] + name
    }

    private static func with<R>(
        _ root: DirectoryHandle, _ path: [UInt8], _ flags: Int32, _ body: (Int32) throws -> R
    ) throws -> R? {
        let descriptor: Int32
        do {
            descriptor = try root.open(path, flags, .inside)
        } catch let error as SystemError where error.code == ENOENT || error.code == ENOTDIR {
            return nil
        }
        defer { close(descriptor) }
        return try body(descriptor)
    }

    private static func target(of name: [UInt8], in directory: Int32, _ path: String) throws -> [UInt8]? {
        do {
            return try DirectoryHandle.target(of: name, in: directory) { SystemError("read", path, code: $0) }
        } catch let error as SystemError where error.code == EINVAL || error.code == ENOENT {
            return nil
        }
    }

    /// Where an open file is, from the root: in the kernel's words (proc(5), `/proc/PID/fd`).
    private static func place(of descriptor: Int32, in root: DirectoryHandle) throws -> [UInt8] {
        func path(_ descriptor: Int32) throws -> [UInt8] {
            let name = Array("/proc/self/fd/\(descriptor)".utf8)
            return try DirectoryHandle.target(of: name, in: AT_FDCWD) { SystemError("read", "/proc/self/fd", code: $0) }
        }
        let top = try path(root.descriptor)
        let place = try path(descriptor)
        guard place != top else { return [] }
        let prefix = top == [UInt8(ascii: "/")] ? top : top + [UInt8(ascii: "/")]
        // Moved out of it at this moment.
        guard place.starts(with: prefix) else { throw root.failure("read", place, code: ESTALE) }
        return Array(place.dropFirst(prefix.count))
    }

    /// The path on the host of a regular file, for programs that are given one.
    /// - Throws: `RootPathError` where it is another kind of file, `SystemError`.
    public func regularFile(_ path: String) throws -> String {
        try withRegularFile(path) { descriptor, root in
            directory + "/" + String(decoding: try Self.place(of: descriptor, in: root), as: UTF8.self)
        }
    }

    /// Calls `body` with the place of a regular file: it is not open yet, since a FIFO would be waited for, and some devices do
    /// something when they are opened.
    private func withRegularFile<R>(_ path: String, _ body: (Int32, DirectoryHandle) throws -> R) throws -> R {
        try inside(path) {
            let root = try root()
            let descriptor = try root.open(Array(path.utf8), DirectoryHandle.placeOnly, .inside)
            defer { close(descriptor) }
            var status = stat()
            try SystemError.check("read", path, fstat(descriptor, &status))
            guard status.st_mode & S_IFMT == S_IFREG else {
                throw RootPathError(path: path, reason: "it is not a regular file")
            }
            return try body(descriptor, root)
        }
    }

    // MARK: - Reading

    /// Whether the path exists in the root.
    public func contains(_ path: String) throws -> Bool { try with(path, DirectoryHandle.placeOnly) { _ in } != nil }

    private func isDirectory(_ path: String) throws -> Bool {
        try with(path, DirectoryHandle.placeOnly | O_DIRECTORY) { _ in } != nil
    }

    /// The sorted names in a directory of the root; none where there is no such directory.
    public func names(in path: String) throws -> [String] {
        let names = try with(path, O_RDONLY | O_DIRECTORY) { descriptor in
            try DirectoryHandle.names(in: descriptor) { SystemError("read", "\(directory)/\(path)", code: $0) }
        }
        return (names ?? []).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The content of a regular file.
    /// - Throws: `RootPathError` where it is another kind of file, `SystemError`.
    public func read(_ path: String, limit: Int = 64 << 20) throws -> [UInt8] {
        try withRegularFile(path) { place, root in
            try SystemError.wrap("read", root.display(Array(path.utf8))) {
                let file = try FileDescriptor.open(
                    FilePath("/proc/self/fd/\(place)"), .readOnly, options: [.closeOnExec])
                return try file.closeAfter { try Files.read(file, limit: limit) }
            }
        }
    }

    /// The content of a regular file as text.
    public func text(_ path: String) throws -> String { String(decoding: try read(path), as: UTF8.self) }

    /// The sizes of the regular files at and below a path, in bytes; 0 where nothing is there.
    /// - Throws: `RootPathError`, `SystemError`, `CancellationError`.
    public func bytes(of path: String) throws -> Int64 {
        func size(_ status: stat) -> Int64 { status.st_mode & S_IFMT == S_IFREG ? Int64(status.st_size) : 0 }
        guard let (directory, name) = try holder(path), try contains(path) else { return 0 }
        let status = try directory.status(name)
        guard status.st_mode & S_IFMT == S_IFDIR else { return size(status) }
        var bytes: Int64 = 0
        try directory.below(name).walk { bytes += size($0.status) }
        return bytes
    }

    // MARK: - Changing

    private func withName<R>(_ path: String, _ body: ([UInt8], DirectoryHandle) throws -> R) throws -> R {
        let (above, name) = DirectoryHandle.split(Array(path.utf8))
        return try body(name, try inside(path) { try made(above, in: try madeRoot()) })
    }

    /// Writes a file, replacing what has the name, a symlink too.
    public func write(_ path: String, _ text: String, mode: UInt16 = 0o644) throws {
        try write(path, Array(text.utf8), mode: mode)
    }

    /// Writes a file, replacing what has the name, a symlink too.
    public func write(_ path: String, _ bytes: [UInt8], mode: UInt16 = 0o644) throws {
        try withName(path) { name, directory in
            try FileReplacement.write(name, in: directory, mode: UInt32(mode)) { _ = try $0.writeAll(bytes) }
        }
    }

    /// Makes a symlink, replacing what has the name.
    public func link(_ path: String, to target: String) throws {
        try withName(path) { name, directory in try FileReplacement.link(name, in: directory, to: target) }
    }

    /// Makes a directory and those above it.
    public func makeDirectory(_ path: String) throws {
        _ = try inside(path) { try made(Array(path.utf8), in: try madeRoot()) }
    }

    /// Removes a file or symlink; it may be missing.
    public func remove(_ path: String) throws {
        guard let (directory, name) = try holder(path) else { return }
        try directory.remove(name)
    }

    /// Takes the flags of chattr(1) that keep a file from being changed from all files.
    /// - Returns: the paths of the files that had one, without a slash at the beginning.
    /// - Throws: `SystemError`, `CancellationError`.
    public func clearInodeFlags() throws -> [String] {
        try InodeFlags.clear(tree: directory).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Removes a file, or a directory with all that is in it; it may be missing. Symlinks are removed, not followed.
    public func removeAll(_ path: String) throws {
        guard let (directory, name) = try holder(path) else { return }
        try directory.removeAll(name)
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
                    } else if try isDirectory(path) {
                        next += try names(in: path).filter { fnmatch(component, $0, FNM_PERIOD) == 0 }
                            .map { "\(path)/\($0)" }
                    }
                }
                found = next
            }
            matches.formUnion(
                try found.filter { path in
                    try with(path, DirectoryHandle.placeOnly | O_NOFOLLOW) { _ in } != nil
                })
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
        let path = FilePath(pattern)
        guard let name = path.lastComponent?.string, path.isAbsolute || path.components.count > 1 else {
            return try contains(pattern) ? [pattern] : []
        }
        let directory = path.removingLastComponent().string
        return try names(in: directory).filter { fnmatch(name, $0, FNM_PERIOD) == 0 }.map {
            directory == "/" ? "/\($0)" : "\(directory)/\($0)"
        }
    }

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
                try write(to, try Files.read(from), mode: executable ? 0o755 : 0o644)
            }
        }
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
