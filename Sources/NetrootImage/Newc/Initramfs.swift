import Glibc
public import NetrootSystem
import SystemPackage

/// An initramfs file, opened and read once: what its segments are and what they hold.
///
/// A segment is a run of newc archives, or one compressed stream of them. Segments follow each other, with zero bytes between
/// them or without, as the kernel takes them (`unpack_to_rootfs` in `init/initramfs.c`): early microcode uncompressed, then
/// everything else, then what a boot loader or a site appended.
public struct Initramfs: Sendable {
    /// One segment.
    public struct Segment: Sendable, Equatable {
        /// How its archives are compressed.
        public let compression: Compression
        /// Where it starts in the file, in bytes.
        public let offset: UInt64
        /// How many archives there are in it, one after the other.
        public let archives: Int
        /// How many entries its archives have.
        public let entries: Int
        /// The size of its archives, uncompressed, in bytes.
        public let size: UInt64
        /// Where it ends in the file, in bytes.
        let end: UInt64
    }

    /// The file's path, as it was given.
    public let path: String
    /// Of the file, in bytes.
    let size: UInt64
    /// In the file's order.
    public let segments: [Segment]
    /// What a kernel has after it unpacked all segments.
    public let contents: InitramfsContents

    /// Opens and reads a file to its end.
    ///
    /// - Parameters:
    ///   - path: the file.
    ///   - limits: bounds for the file.
    ///   - keeping: paths whose content is kept, beside those that the queries of `InitramfsContents` need.
    ///   - visit: gets each entry in the file's order, with where its segment begins, in bytes: also what a later entry
    ///     replaces, and what comes before a place that cannot be read.
    /// - Throws: `SystemError`; `FileKindError`; `NewcError`; `InitramfsError`; `CancellationError`; what `visit` throws.
    public static func open(
        _ path: String, limits: NewcReader.Limits = NewcReader.Limits(),
        keeping: @escaping @Sendable (_ path: [UInt8]) -> Bool = { _ in false },
        visit: (_ entry: NewcReader.Entry, _ segment: UInt64) throws -> Void = { _, _ in }
    ) async throws -> Initramfs {
        let file = try Files.openRegular(path)
        defer { Glibc.close(file.rawValue) }
        let size = try FileKindError.requireRegular(file.rawValue, path)
        var reading = SegmentReading(path: path, file: file, limits: limits, keeping: keeping)
        while try reading.skipZeros() { try reading.readSegment(visit) }
        // An empty file, or one of zeros only.
        guard !reading.segments.isEmpty else { throw InitramfsError.unknownSegment(path: path, offset: 0) }
        return Initramfs(
            path: path, size: UInt64(clamping: size), segments: reading.segments, contents: reading.contents)
    }
}

/// Why a file is not an initramfs that netroot can read.
public enum InitramfsError: ReportableError, Equatable {
    /// Neither a newc archive nor a known compression; offset in bytes.
    case unknownSegment(path: String, offset: UInt64)
    /// A compressed segment that cannot be decompressed; `offset` is where it begins, in bytes.
    case damaged(path: String, compression: Compression, offset: UInt64, problem: String)
    /// A library that compresses failed.
    case cannotCompress(path: String, compression: String, problem: String)

    /// The exit status of a command that ends with this error.
    public var exitStatus: ExitStatus { .failed }

    /// One line: what, where and what to do next.
    public var description: String {
        switch self {
        case .unknownSegment(let path, let offset):
            "\(path): neither a newc archive nor a known compression at byte \(offset)"
        case .damaged(let path, let compression, let offset, let problem):
            "\(path): cannot decompress the \(compression.rawValue) data at byte \(offset): \(problem)"
        case .cannotCompress(let path, let compression, let problem):
            "\(path): cannot compress with \(compression): \(problem)"
        }
    }
}

/// The state of reading a file's segments one after the other.
private struct SegmentReading {
    let path: String
    let file: FileDescriptor
    let limits: NewcReader.Limits
    let keeping: @Sendable ([UInt8]) -> Bool
    var segments: [Initramfs.Segment] = []
    var contents = InitramfsContents()
    private var offset: Int64 = 0
    private var use = NewcReader.Use()

    init(
        path: String, file: FileDescriptor, limits: NewcReader.Limits, keeping: @escaping @Sendable ([UInt8]) -> Bool
    ) {
        self.path = path
        self.file = file
        self.limits = limits
        self.keeping = keeping
    }

    private func bytes(at offset: Int64, count: Int) throws -> [UInt8] {
        try Self.bytes(of: file, path, at: offset, count: count)
    }

    private static func bytes(
        of file: FileDescriptor, _ path: String, at offset: Int64, count: Int
    ) throws -> [UInt8] {
        try SystemError.wrap("read", path) {
            try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
                filled = try file.read(fromAbsoluteOffset: offset, into: UnsafeMutableRawBufferPointer(buffer))
            }
        }
    }

    /// Goes on to the next byte that is not zero; false at the end of the file.
    mutating func skipZeros() throws -> Bool {
        while true {
            let chunk = try bytes(at: offset, count: 64 << 10)
            try Task.checkCancellation()
            if chunk.isEmpty { return false }
            if let index = chunk.firstIndex(where: { $0 != 0 }) {
                offset += Int64(index)
                return true
            }
            offset += Int64(chunk.count)
        }
    }

    mutating func readSegment(_ visit: (NewcReader.Entry, UInt64) throws -> Void) throws {
        let start = offset
        guard let compression = Compression(magic: try bytes(at: start, count: 6)) else {
            throw InitramfsError.unknownSegment(path: path, offset: UInt64(start))
        }
        let keeping = self.keeping
        var reader = NewcReader(name: path, limits: limits, use: use) { InitramfsContents.isNeeded($0) || keeping($0) }
        var count = 0
        if compression == .uncompressed {
            guard start % 4 == 0 else {
                throw NewcError.badArchive(
                    name: path, offset: UInt64(start), problem: "an archive does not start at a multiple of four")
            }
            count = try readPlain(&reader) { try visit($0, UInt64(start)) }
        } else {
            count = try readCompressed(compression, &reader) { try visit($0, UInt64(start)) }
        }
        try reader.finish()
        use = reader.use
        segments.append(
            Initramfs.Segment(
                compression: compression, offset: UInt64(start), archives: reader.archives, entries: count,
                size: reader.offset, end: UInt64(offset)))
    }

    private mutating func readPlain(
        _ reader: inout NewcReader, _ visit: (NewcReader.Entry) throws -> Void
    ) throws -> Int {
        var count = 0
        while true {
            let chunk = try bytes(at: offset, count: 256 << 10)
            try Task.checkCancellation()
            let taken = try reader.read(chunk[...]) { entry in
                contents.append(entry)
                count += 1
                try visit(entry)
            }
            offset += Int64(taken)
            if chunk.isEmpty || taken < chunk.count { return count }
        }
    }

    private mutating func readCompressed(
        _ compression: Compression, _ reader: inout NewcReader, _ visit: (NewcReader.Entry) throws -> Void
    ) throws -> Int {
        let start = offset
        var count = 0
        var hasForeignData = false
        do {
            let (file, path) = (file, path)
            offset = try SegmentDecompression.run(
                compression, from: start, read: { try Self.bytes(of: file, path, at: $0, count: $1) },
                receive: { piece in
                    try Task.checkCancellation()
                    let taken = try reader.read(piece[...]) { entry in
                        contents.append(entry)
                        count += 1
                        try visit(entry)
                    }
                    if taken < piece.count { hasForeignData = true }
                    return !hasForeignData
                })
        } catch let error as CodecError {
            throw InitramfsError.damaged(
                path: path, compression: compression, offset: UInt64(start), problem: error.problem)
        }
        guard !hasForeignData else {
            throw InitramfsError.unknownSegment(path: "\(path) (decompressed)", offset: reader.offset)
        }
        return count
    }
}
