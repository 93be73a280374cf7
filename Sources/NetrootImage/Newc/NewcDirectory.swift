import Glibc
import NetrootSystem
import SystemPackage

extension NewcArchive {
    /// Who owns the entries of an archive that is made of a directory.
    public enum Owner: Sendable {
        /// User and group 0, whoever made the directory.
        case root
        /// The owners on disk.
        case asOnDisk
    }

    /// An archive of all that lies under a directory, dotfiles and symlinks included.
    ///
    /// - Parameters:
    ///   - directory: what is put in; the directory itself is not, so that its mode does not reach the root.
    ///   - prefix: the path in the archive that stands for the directory, such as `netroot/overlay`; may be empty.
    ///   - owner: whom the entries belong to.
    ///   - latest: times are clamped to this (SOURCE_DATE_EPOCH), in seconds since 1970.
    /// - Throws: `SystemError`; `NewcError.badEntry`, also for a socket, which no archive can hold.
    public init(directory: String, prefix: String, owner: Owner = .root, latest: UInt32 = 0) throws {
        var walk = DirectoryWalk(owner: owner, latest: latest)
        let prefix = Array(prefix.utf8)
        if !prefix.isEmpty { walk.entries.append(NewcEntry(path: prefix, content: .directory)) }
        try walk.add(directory: Array(directory.utf8), as: prefix)
        try self.init(entries: walk.entries)
    }
}

/// Turns a directory into entries. Paths are bytes: a file name on disk need not be text.
private struct DirectoryWalk {
    let owner: NewcArchive.Owner
    let latest: UInt32
    var entries: [NewcEntry] = []

    init(owner: NewcArchive.Owner, latest: UInt32) {
        self.owner = owner
        self.latest = latest
    }

    mutating func add(directory: [UInt8], as prefix: [UInt8]) throws {
        for name in try names(in: directory) {
            let path = directory + [UInt8(ascii: "/")] + name
            let archived = prefix.isEmpty ? name : prefix + [UInt8(ascii: "/")] + name
            let content = try add(path, as: archived)
            if content == .directory { try add(directory: path, as: archived) }
        }
    }

    private mutating func add(_ path: [UInt8], as archived: [UInt8]) throws -> NewcEntry.Content {
        var status = stat()
        let text = TerminalText.line(path)
        try SystemError.check("read", text, withCString(path) { lstat($0, &status) })
        guard let type = FileType(rawValue: status.st_mode & FileType.mask) else {
            throw NewcError.badEntry(path: text, problem: "its file type is unknown")
        }
        let content: NewcEntry.Content
        switch type {
        case .regular: content = .file(withCString(path) { FilePath(platformString: $0) })
        case .directory: content = .directory
        case .symlink: content = .symlink(try target(of: path))
        case .characterDevice:
            content = .characterDevice(major: major(status.st_rdev), minor: minor(status.st_rdev))
        case .blockDevice:
            content = .blockDevice(major: major(status.st_rdev), minor: minor(status.st_rdev))
        case .fifo: content = .fifo
        case .socket: throw NewcError.badEntry(path: text, problem: "it is a socket; remove it")
        }
        entries.append(
            NewcEntry(
                path: archived, content: content, mode: status.st_mode & 0o7777,
                uid: owner == .root ? 0 : status.st_uid, gid: owner == .root ? 0 : status.st_gid,
                mtime: min(latest, UInt32(clamping: status.st_mtim.tv_sec))))
        return content
    }

    private func names(in directory: [UInt8]) throws -> [[UInt8]] {
        let text = TerminalText.line(directory)
        guard let stream = withCString(directory, { opendir($0) }) else {
            throw SystemError("read", text, code: errno)
        }
        defer { closedir(stream) }
        var names: [[UInt8]] = []
        while true {
            // readdir(3) tells an error from the end by errno alone.
            errno = 0
            guard let entry = readdir(stream) else {
                guard errno == 0 else { throw SystemError("read", text, code: errno) }
                return names
            }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            if name != Array(".".utf8), name != Array("..".utf8) { names.append(name) }
        }
    }

    private func target(of path: [UInt8]) throws -> [UInt8] {
        var target = [UInt8](repeating: 0, count: NewcArchive.longestPath + 1)
        let count = withCString(path) { path in
            target.withUnsafeMutableBytes { buffer in
                buffer.withMemoryRebound(to: CChar.self) { names in
                    names.baseAddress.map { readlink(path, $0, names.count) } ?? -1
                }
            }
        }
        guard count >= 0 else {
            throw SystemError("read", TerminalText.line(path), code: errno)
        }
        return Array(target[..<count])
    }

    private func withCString<R>(_ path: [UInt8], _ body: (UnsafePointer<CChar>) -> R) -> R {
        let terminated = path.map { CChar(bitPattern: $0) } + [0]
        return terminated.withUnsafeBufferPointer { buffer in
            // The array holds at least the NUL, so it has an address.
            buffer.withMemoryRebound(to: CChar.self) { $0.baseAddress.map(body) } ?? body("")
        }
    }
}

/// makedev(3); glibc's own are macros, which Swift does not see (`sys/sysmacros.h` gives the layout).
private func major(_ device: dev_t) -> UInt32 {
    UInt32(truncatingIfNeeded: device >> 8 & 0xFFF | device >> 32 & ~0xFFF)
}

private func minor(_ device: dev_t) -> UInt32 {
    UInt32(truncatingIfNeeded: device & 0xFF | device >> 12 & ~0xFF)
}
