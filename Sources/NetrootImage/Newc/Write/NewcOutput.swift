import Glibc
import NetrootSystem

/// The bytes of newc archives on their way out.
final class NewcOutput {
    /// Takes the next bytes, which are there until it returns.
    private let sink: (UnsafeRawBufferPointer) throws -> Void
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 4096)
    private var filled = 0
    private(set) var written: UInt64 = 0
    private(set) var entries = 0
    /// What the regular files take in a tmpfs: whole pages of 4 KiB.
    private(set) var pageBytes: UInt64 = 0

    init(sink: @escaping (UnsafeRawBufferPointer) throws -> Void) { self.sink = sink }

    deinit { buffer.deallocate() }

    /// Begins an entry; its content and `endContent` follow.
    func begin(name: some Collection<UInt8>, fields: NewcFields) throws {
        var fields = fields
        fields.nameSize = UInt32(clamping: name.count + 1)
        if buffer.count - filled < NewcFields.length { try flush() }
        fields.write(to: UnsafeMutableRawBufferPointer(rebasing: buffer[filled..<filled + NewcFields.length]))
        filled += NewcFields.length
        written += UInt64(NewcFields.length)
        try put(name)
        try put(CollectionOfOne(0))
        try pad(to: 4)
        entries += 1
        if fields.mode & UInt32(S_IFMT) == UInt32(S_IFREG) { pageBytes += (UInt64(fields.size) + 4095) & ~4095 }
    }

    func endContent() throws { try pad(to: 4) }

    /// Ends an archive, on a multiple of 512 bytes.
    func endArchive() throws {
        try begin(name: NewcArchive.trailer, fields: NewcFields(links: 1))
        entries -= 1
        try pad(to: 512)
        try flush()
    }

    func put(_ bytes: some Collection<UInt8>) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            if filled == buffer.count { try flush() }
            let part = rest.prefix(buffer.count - filled)
            buffer[filled...].copyBytes(from: part)
            filled += part.count
            written += UInt64(part.count)
            rest = rest.dropFirst(part.count)
        }
    }

    /// Lets `read` fill room for `count` bytes, part by part.
    /// - Parameter read: fills the whole of what it is given; also gets the offset of that part in the content.
    func put(count: Int, _ read: (UnsafeMutableRawBufferPointer, Int) throws -> Void) throws {
        var done = 0
        while done < count {
            if filled == buffer.count { try flush() }
            let part = min(count - done, buffer.count - filled)
            try read(UnsafeMutableRawBufferPointer(rebasing: buffer[filled..<filled + part]), done)
            filled += part
            written += UInt64(part)
            done += part
        }
    }

    private func pad(to multiple: UInt64) throws {
        let rest = written % multiple
        if rest > 0 { try put(repeatElement(0, count: Int(multiple - rest))) }
    }

    private func flush() throws {
        guard filled > 0 else { return }
        try sink(UnsafeRawBufferPointer(rebasing: buffer[..<filled]))
        filled = 0
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

    /// Writes the header; the device that holds the file, and the checksum, are 0.
    func write(to target: UnsafeMutableRawBufferPointer) {
        target.copyBytes(from: Self.magic)
        var at = Self.magic.count
        func put(_ number: UInt32) {
            for shift in stride(from: UInt32(28), through: 0, by: -4) {
                let digit = UInt8(truncatingIfNeeded: number >> shift & 15)
                target[at] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
                at += 1
            }
        }
        for number in [inode, mode, uid, gid, links, mtime, size, 0, 0, deviceMajor, deviceMinor, nameSize, 0] {
            put(number)
        }
    }

    /// The header as `write` writes it.
    var bytes: [UInt8] {
        [UInt8](unsafeUninitializedCapacity: Self.length) { bytes, count in
            write(to: UnsafeMutableRawBufferPointer(bytes))
            count = Self.length
        }
    }
}
