import Glibc
import NetrootSystem
import SystemPackage

extension NewcArchive {
    /// Puts the whole archive out.
    /// - Throws: `SystemError`, `NewcError.badEntry`, `CancellationError`, and what the output's sink throws.
    func write(to output: NewcOutput, cancelled: CancelFlag = CancelFlag()) throws {
        for (index, entry) in entries.enumerated() {
            try cancelled.check()
            try Self.write(entry, inode: UInt32(clamping: index + 1), to: output)
        }
        try output.endArchive()
    }

    /// The bytes that `write` makes of it, by the sizes that its files have now.
    func unpackedBytes() throws -> UInt64 {
        var count = NewcSize()
        for entry in entries {
            switch entry.content {
            case .bytes(let bytes), .symlink(let bytes): count.add(name: entry.path.count, content: UInt64(bytes.count))
            case .file(let path):
                var status = stat()
                try SystemError.check("read", path.string, path.withPlatformString { lstat($0, &status) })
                count.add(name: entry.path.count, content: UInt64(max(0, status.st_size)))
            case .directory, .characterDevice, .blockDevice, .fifo: count.add(name: entry.path.count, content: 0)
            }
        }
        return count.ofArchive
    }

    private static func write(_ entry: NewcEntry, inode: UInt32, to output: NewcOutput) throws {
        var fields = NewcFields(
            inode: inode, mode: entry.content.fileType.rawValue | entry.mode, uid: entry.uid, gid: entry.gid,
            links: entry.content == .directory ? 2 : 1, mtime: entry.mtime)
        switch entry.content {
        case .bytes(let bytes), .symlink(let bytes):
            guard let size = UInt32(exactly: bytes.count) else {
                throw NewcError.fourGiB(TerminalText.line(entry.path))
            }
            fields.size = size
            try output.begin(name: entry.path, fields: fields)
            try output.put(bytes)
            try output.endContent()
        case .file(let path):
            try copy(path, fields: fields, name: entry.path, to: output)
        case .characterDevice(let major, let minor), .blockDevice(let major, let minor):
            (fields.deviceMajor, fields.deviceMinor) = (major, minor)
            try output.begin(name: entry.path, fields: fields)
        case .directory, .fifo:
            try output.begin(name: entry.path, fields: fields)
        }
    }

    private static func copy(_ path: FilePath, fields: NewcFields, name: [UInt8], to output: NewcOutput) throws {
        // The symlink that was none when the entry was made is not followed either; a fifo must not make us wait.
        let file = try SystemError.wrap("read", path.string) {
            try FileDescriptor.open(path, .readOnly, options: [.noFollow, .closeOnExec, .nonBlocking])
        }
        defer { Glibc.close(file.rawValue) }
        var status = stat()
        try SystemError.check("read", path.string, fstat(file.rawValue, &status))
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw NewcError.badEntry(path: path.string, problem: "it is not a regular file")
        }
        guard let size = UInt32(exactly: status.st_size) else { throw NewcError.fourGiB(TerminalText.line(name)) }
        var fields = fields
        fields.size = size
        try output.begin(name: name, fields: fields)
        try output.put(count: Int(size)) { part, _ in
            var rest = part
            while !rest.isEmpty {
                let count = try SystemError.wrap("read", path.string) { try file.read(into: rest) }
                // The size is already out, so a file that shrank cannot be put right.
                guard count > 0 else {
                    throw NewcError.badEntry(path: path.string, problem: "it became smaller while it was read")
                }
                rest = UnsafeMutableRawBufferPointer(rebasing: rest[count...])
            }
        }
        try output.endContent()
    }
}

/// Counts the bytes of an archive without making them.
struct NewcSize {
    private var bytes: UInt64 = 0

    /// - Parameters:
    ///   - name: its bytes, without the NUL.
    ///   - content: the bytes of a file or of a symlink's target.
    mutating func add(name: Int, content: UInt64) {
        bytes += (UInt64(NewcFields.length + name + 1) + 3) & ~3
        bytes += (content + 3) & ~3
    }

    /// With the trailer, up to a multiple of 512.
    var ofArchive: UInt64 {
        var whole = self
        whole.add(name: NewcArchive.trailer.count, content: 0)
        return (whole.bytes + 511) & ~511
    }
}

extension NewcError {
    static func fourGiB(_ path: String) -> NewcError {
        .badEntry(path: path, problem: "it has 4 GiB or more, which newc cannot hold")
    }
}
