import NetrootImage
public import NetrootSystem

/// What a file with a root in it is: a squashfs image, a SIF file or an initramfs; or a root tree.
public struct Inspection: Encodable, Sendable, Equatable {
    /// What was looked at.
    public enum Kind: String, Encodable, Sendable {
        case squashfs, sif, initramfs, tree
    }

    /// An object of a SIF file.
    public struct Part: Encodable, Sendable, Equatable {
        /// Its number in the file.
        public let id: UInt32
        /// `definition`, `labels`, `partition`, `signature` and so on; nil for one that is not known here.
        public let kind: String?
        /// Its size in bytes.
        public let bytes: UInt64
    }

    /// The superblock's part of a squashfs image, or of a SIF file's root.
    public struct Image: Encodable, Sendable, Equatable {
        /// `gzip`, `xz`, `lz4`, `zstd`.
        public let compression: String
        /// Where the image records it.
        public let level: Int?
        /// Bytes.
        public let blockSize: Int
        /// Inodes, hard links once.
        public let inodes: Int
        /// Blocks of several files' ends.
        public let fragments: Int
        /// Different users and groups.
        public let owners: Int
        /// Whether there are extended attributes.
        public let xattrs: Bool
        /// Whether inodes can be found by number.
        public let exportTable: Bool
        /// When it was made, in seconds since 1970.
        public let made: UInt32
    }

    /// A run of newc archives in an initramfs, or a compressed stream of them.
    public struct Archive: Encodable, Sendable, Equatable {
        /// `none`, `gzip`, `zstd`, `xz`.
        public let compression: String
        /// Where it begins in the file, in bytes.
        public let offset: UInt64
        /// How many archives, one behind the other.
        public let archives: Int
        /// Their entries.
        public let entries: Int
        /// Bytes unpacked.
        public let bytes: UInt64
    }

    /// As it was given.
    public let path: String
    /// What it is.
    public let kind: Kind
    /// The file's bytes; of a squashfs image, and of a SIF file's, without the padding behind it; of a tree none.
    public private(set) var packedBytes: UInt64?
    /// Of a squashfs image, or of a SIF file's root.
    public private(set) var image: Image?
    /// Of a SIF file.
    public private(set) var parts: [Part]?
    /// Of an initramfs.
    public private(set) var archives: [Archive]?
    /// Of an initramfs that dracut made.
    public private(set) var dracutModules: [String]?
    /// What is in it.
    public let tree: TreeAccount

    /// Opens a file, tells what it is by its first bytes, and looks at all that is in it.
    /// - Throws: `InspectionError`, `SquashfsReadError`, `SIFError`, `InitramfsError`, `NewcError`, `MissingError`, `SystemError`,
    ///   `CancellationError`.
    public init(file path: String, shown: Int = TreeAccount.standardShown) async throws {
        let start = try Self.start(of: path)
        if start.starts(with: "hsqs".utf8) {
            try self.init(.squashfs, SquashfsReader(path), shown)
        } else if SIF.begins(start) {
            let sif = try SIF(path)
            try self.init(.sif, sif.openRoot(), shown)
            parts = sif.objects.map { object in
                Part(
                    id: object.id, kind: object.kind.map { "\($0)" },
                    bytes: object.bytes.upperBound - object.bytes.lowerBound)
            }
        } else if Compression(magic: start) != nil {
            try await self.init(initramfs: path, shown)
        } else {
            throw InspectionError.unknownFile(path: path, looks: FileGuess.describe(start))
        }
    }

    /// Looks at the root in a rescue archive; of the layout cpio at the archive.
    /// - Throws: as for a file; `RescueRootError` for an archive that is not whole.
    public init(rescueArchive path: String, shown: Int = TreeAccount.standardShown) async throws {
        do {
            try self.init(.squashfs, await SquashfsReader(rescueArchive: path), shown)
        } catch RescueRootError.noImage {
            try await self.init(initramfs: path, shown)
        }
    }

    private init(_ kind: Kind, _ reader: SquashfsReader, _ shown: Int) throws {
        let superblock = reader.superblock
        path = reader.path
        self.kind = kind
        tree = try TreeAccount(reader, shown: shown)
        packedBytes = superblock.bytesUsed
        image = Image(
            compression: superblock.codec, level: superblock.level, blockSize: superblock.blockSize,
            inodes: Int(superblock.inodeCount), fragments: Int(superblock.fragmentCount), owners: superblock.idCount,
            xattrs: superblock.hasXattrs, exportTable: superblock.hasExportTable, made: superblock.modified)
    }

    private init(initramfs path: String, _ shown: Int) async throws {
        let initramfs = try await Initramfs.open(path)
        self.path = path
        kind = .initramfs
        tree = TreeAccount(initramfs.contents, shown: shown)
        packedBytes = UInt64(try Files.size(path))
        archives = initramfs.segments.map { segment in
            Archive(
                compression: segment.compression.rawValue, offset: segment.offset, archives: segment.archives,
                entries: segment.entries, bytes: segment.size)
        }
        let modules = initramfs.contents.dracutModules
        dracutModules = modules.isEmpty ? nil : modules
    }

    /// Looks at a root tree.
    /// - Throws: `SystemError`.
    public init(tree path: String, shown: Int = TreeAccount.standardShown) throws {
        self.path = path
        kind = .tree
        tree = try TreeAccount(directory: path, shown: shown)
    }

    private static func start(of path: String) throws -> [UInt8] {
        do throws(SquashfsReadError) {
            return try FileGuess.firstBytes(of: path, count: 512)
        } catch {
            // A directory, say: what it looks like is right, that it should be a squashfs image is not.
            if case .foreign(_, let looks) = error { throw InspectionError.unknownFile(path: path, looks: looks) }
            throw error
        }
    }
}

/// Why a file cannot be inspected.
public enum InspectionError: ReportableError, Equatable {
    /// `looks` says what it looks like.
    case unknownFile(path: String, looks: String)

    /// Always `.failed`: the command line is right, the file is not what it should be.
    public var exitStatus: ExitStatus { .failed }

    /// One line: which file, what it looks like, what is wanted.
    public var description: String {
        switch self {
        case .unknownFile(let path, let looks):
            "\(path) is not a squashfs image, SIF file or initramfs: it is \(looks)"
        }
    }
}
