import Dispatch
import Glibc
public import NetrootConfig
import NetrootSystem

public import struct SystemPackage.FileDescriptor

/// Writes an initramfs: archives one after the other, each compressed on its own or not at all, as the kernel unpacks them.
/// The same archives give the same bytes, whatever the number of cores.
///
/// Every archive ends on a multiple of four bytes, with zero bytes where it needs some, so that any other may follow.
public struct InitramfsWriter: Sendable {
    /// What is written to, from where it stands: a multiple of four.
    public let file: FileDescriptor
    /// For messages.
    public let path: String
    /// Threads that compress.
    public var workers = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    /// Is told how many bytes of the archive at hand have been read so far, on the thread that reads them, and of how many.
    public var progress: (@Sendable (_ done: UInt64, _ all: UInt64) -> Void)?

    /// Whether zero bytes follow an archive. zstd(1) takes a file that ends with some for a damaged one.
    public var pads = true

    public init(to file: FileDescriptor, path: String) {
        self.file = file
        self.path = path
    }

    /// What was written of one archive.
    public struct Segment: Sendable, Equatable {
        /// In the file, in bytes, with the zero bytes behind it.
        public var bytes: UInt64 = 0
        /// The archive itself, in bytes.
        public var unpackedBytes: UInt64 = 0
        /// What the content of its files takes in a tmpfs or in a ramfs: whole pages of 4 KiB, in bytes.
        public var pageBytes: UInt64 = 0
        /// Its entries, of any type.
        public var entries = 0
        /// What a user should read.
        public var notes: [String] = []
    }

    /// Writes one archive, file contents streamed.
    /// - Throws: `NewcError.badEntry`; `InitramfsError.cannotCompress`; `SystemError`; `CancellationError`.
    public func append(_ archive: NewcArchive, compression: BlockCompression) async throws -> Segment {
        try await run { cancelled in
            try write(compression, size: try archive.unpackedBytes(), cancelled) {
                try archive.write(to: $0, cancelled: cancelled)
            }
        }
    }

    /// Writes one archive of a whole root. Its memory grows by some 300 bytes a file.
    /// - Throws: `PackError`, and as above.
    public func append(_ tree: NewcTree, compression: BlockCompression) async throws -> Segment {
        try await run { cancelled in
            let scan = try tree.scan(cancelled: cancelled)
            var segment = try write(compression, size: scan.unpackedBytes, cancelled) {
                try scan.write(to: $0, cancelled: cancelled)
            }
            segment.notes = scan.notes
            return segment
        }
    }

    private func run(_ body: @escaping @Sendable (CancelFlag) throws -> Segment) async throws -> Segment {
        let cancelled = CancelFlag()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                // On a thread of its own: it reads and waits for minutes.
                DispatchQueue(label: "netroot.archive").async {
                    continuation.resume(with: Result { try body(cancelled) })
                }
            }
        } onCancel: {
            cancelled.set()
        }
    }

    private func write(
        _ compression: BlockCompression, size: UInt64, _ cancelled: CancelFlag, _ archive: (NewcOutput) throws -> Void
    ) throws -> Segment {
        var segment = Segment()
        do {
            let encoder = try compression.encoder(size: size, workers: workers) { bytes in
                try put(bytes)
                segment.bytes += UInt64(bytes.count)
            }
            var done: UInt64 = 0
            let output = NewcOutput { bytes in
                try cancelled.check()
                try encoder.write(bytes)
                done += UInt64(bytes.count)
                progress?(done, size)
            }
            try archive(output)
            try encoder.finish()
            segment.unpackedBytes = output.written
            segment.pageBytes = output.pageBytes
            segment.entries = output.entries
        } catch let error as CodecError {
            throw InitramfsError.cannotCompress(path: path, compression: "\(compression)", problem: error.problem)
        }
        let padding = [UInt8](repeating: 0, count: pads ? Int((4 - segment.bytes % 4) % 4) : 0)
        try padding.withUnsafeBytes { try put($0) }
        segment.bytes += UInt64(padding.count)
        return segment
    }

    private func put(_ bytes: UnsafeRawBufferPointer) throws {
        _ = try SystemError.wrap("write", path) { try file.writeAll(bytes) }
    }
}

extension NewcTree {
    /// Writes the archive into a file of its own, which is replaced in one step when it is whole.
    /// - Throws: `PackError.imageInsideTree`, and as `InitramfsWriter.append`; what `image` was is then still there.
    public func write(toFile image: String, compression: BlockCompression) async throws -> InitramfsWriter.Segment {
        try PackPlaces.check(tree: path, image: image)
        let replacement = try FileReplacement(of: image, naming: .unique, mode: 0o666)
        let segment = try await InitramfsWriter(to: replacement.descriptor, path: image)
            .append(self, compression: compression)
        try replacement.publish(mode: nil)
        return segment
    }
}
