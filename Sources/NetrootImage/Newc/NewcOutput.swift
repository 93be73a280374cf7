import Glibc
import NetrootSystem
import SystemPackage

/// The bytes of a newc archive on their way out.
struct NewcOutput {
    /// Takes the next bytes.
    private let sink: ([UInt8]) throws -> Void
    private var written: UInt64 = 0
    private var buffer: [UInt8] = []

    init(sink: @escaping ([UInt8]) throws -> Void) { self.sink = sink }

    /// Writes all entries and the trailer; returns the bytes written.
    @discardableResult
    mutating func write(_ archive: NewcArchive) throws -> UInt64 {
        for (index, entry) in archive.entries.enumerated() {
            try write(entry, inode: UInt32(clamping: index + 1))
        }
        try header(name: NewcArchive.trailer, fields: NewcFields(links: 1))
        try pad(to: 512)
        try flush()
        return written
    }

    private mutating func write(_ entry: NewcEntry, inode: UInt32) throws {
        var fields = NewcFields(
            inode: inode, mode: entry.content.fileType.rawValue | entry.mode, uid: entry.uid, gid: entry.gid,
            links: entry.content == .directory ? 2 : 1, mtime: entry.mtime)
        switch entry.content {
        case .bytes(let bytes), .symlink(let bytes):
            guard let size = UInt32(exactly: bytes.count) else { throw tooLarge(entry) }
            fields.size = size
            try header(name: entry.path, fields: fields)
            try put(bytes)
            try pad(to: 4)
        case .file(let path):
            try copy(path, entry: entry, fields: fields)
        case .characterDevice(let major, let minor), .blockDevice(let major, let minor):
            (fields.deviceMajor, fields.deviceMinor) = (major, minor)
            try header(name: entry.path, fields: fields)
        case .directory, .fifo:
            try header(name: entry.path, fields: fields)
        }
    }

    private mutating func copy(_ path: FilePath, entry: NewcEntry, fields: NewcFields) throws {
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
        guard let size = UInt32(exactly: status.st_size) else { throw tooLarge(entry) }
        var fields = fields
        fields.size = size
        try header(name: entry.path, fields: fields)
        var left = Int(size)
        var chunk = [UInt8](repeating: 0, count: 256 << 10)
        while left > 0 {
            let count = try SystemError.wrap("read", path.string) {
                try chunk.withUnsafeMutableBytes { try file.read(into: .init(rebasing: $0[..<min(left, $0.count)])) }
            }
            // The size is already out, so a file that shrank cannot be put right.
            guard count > 0 else {
                throw NewcError.badEntry(path: path.string, problem: "it became smaller while it was read")
            }
            try put(chunk[..<count])
            left -= count
        }
        try pad(to: 4)
    }

    private func tooLarge(_ entry: NewcEntry) -> NewcError {
        .badEntry(
            path: TerminalText.line(entry.path), problem: "it has 4 GiB or more, which newc cannot hold")
    }

    private mutating func header(name: [UInt8], fields: NewcFields) throws {
        var fields = fields
        fields.nameSize = UInt32(clamping: name.count + 1)
        try put(fields.bytes)
        try put(name)
        try put([0])
        try pad(to: 4)
    }

    private mutating func pad(to multiple: UInt64) throws {
        let rest = written % multiple
        if rest > 0 { try put([UInt8](repeating: 0, count: Int(multiple - rest))) }
    }

    private mutating func put(_ bytes: some Collection<UInt8>) throws {
        buffer.append(contentsOf: bytes)
        written += UInt64(bytes.count)
        if buffer.count >= 256 << 10 { try flush() }
    }

    private mutating func flush() throws {
        guard !buffer.isEmpty else { return }
        try sink(buffer)
        buffer.removeAll(keepingCapacity: true)
    }
}

/// The thirteen numbers of a newc header, each eight hexadecimal digits behind the magic `070701`.
struct NewcFields: Equatable {
    var inode: UInt32 = 0
    var mode: UInt32 = 0
    var uid: UInt32 = 0
    var gid: UInt32 = 0
    var links: UInt32 = 0
    var mtime: UInt32 = 0
    var size: UInt32 = 0
    var deviceMajor: UInt32 = 0
    var deviceMinor: UInt32 = 0
    var nameSize: UInt32 = 0
    /// The sum of a file's bytes, of an archive that has it.
    var checksum: UInt32?

    /// The bytes of a header.
    static let length = 110
    static let magic = Array("070701".utf8)
    /// Of a header with a checksum (`crc` of cpio(1)), which Linux reads since 5.19.
    static let magicWithChecksum = Array("070702".utf8)

    /// The header; the device that holds the file, and the checksum, are 0.
    var bytes: [UInt8] {
        let numbers = [
            inode, mode, uid, gid, links, mtime, size, 0, 0, deviceMajor, deviceMinor, nameSize, 0,
        ]
        return numbers.reduce(into: Self.magic) { bytes, number in
            for shift in stride(from: UInt32(28), through: 0, by: -4) {
                bytes.append(Array("0123456789abcdef".utf8)[Int(number >> shift & 15)])
            }
        }
    }
}
