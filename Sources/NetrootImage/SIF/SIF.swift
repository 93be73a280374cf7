public import NetrootSystem

/// A SIF file (Singularity Image Format, version 1): what its header and descriptors say, and where its root is.
///
/// The layout is that of `pkg/sif` in github.com/sylabs/sif: a header of 128 bytes, little-endian and packed; a table of
/// descriptors of 585 bytes; the objects. Nothing is believed: places and lengths are checked against the file's size.
public struct SIF: Sendable, Equatable {
    /// What an object is (`DataType`).
    public enum Kind: Int32, Sendable {
        case definition = 0x4001
        case environment = 0x4002
        case labels = 0x4003
        case partition = 0x4004
        case signature = 0x4005
        case genericJSON = 0x4006
        case generic = 0x4007
        case cryptoMessage = 0x4008
        case billOfMaterials = 0x4009
        case ociRootIndex = 0x400A
        case ociBlob = 0x400B
    }

    /// What is in a partition (`FSType`).
    public enum Filesystem: Int32, Sendable {
        case squashfs = 1
        case ext3 = 2
        case archive = 3
        case raw = 4
        case encryptedSquashfs = 5
    }

    /// What a partition is for (`PartType`).
    public enum Role: Int32, Sendable {
        case system = 1
        /// The root that a container runs with.
        case primarySystem = 2
        case data = 3
        case overlay = 4
    }

    /// An object: a descriptor that is in use.
    public struct Object: Sendable, Equatable {
        /// Its number, from 1.
        public let id: UInt32
        /// Nil for one that is not known here.
        public let kind: Kind?
        /// Its place in the file, in bytes.
        public let bytes: Range<UInt64>
        /// Of a partition; nil also for one that is not known here.
        public let filesystem: Filesystem?
        /// Of a partition; nil also for one that is not known here.
        public let role: Role?
        /// The group that it belongs to, with the highest four bits set; without them it belongs to none.
        let group: UInt32
        /// The object, or with the highest four bits the group, that it is about.
        let link: UInt32
        /// The descriptor as it is in the file.
        let descriptor: [UInt8]
    }

    /// The file, as it was named.
    public let path: String
    /// The objects, in the order of their descriptors.
    public let objects: [Object]
    /// The header as it is in the file.
    let header: [UInt8]

    static let magicPlace = 32
    static let magic = Array("SIF_MAGIC\0".utf8)
    static let headerBytes = 128
    static let descriptorBytes = 585
    /// Far more than any has: there is room for 48 where nobody says otherwise.
    static let mostDescriptors: UInt64 = 4096

    /// Whether a file begins as a SIF file does.
    /// - Parameter start: its first bytes, at least 42.
    public static func begins(_ start: some Collection<UInt8>) -> Bool {
        start.dropFirst(magicPlace).starts(with: magic)
    }

    /// Reads header and descriptors.
    /// - Throws: `SIFError`.
    public init(_ path: String) throws(SIFError) {
        do throws(SquashfsReadError) {
            let file = try SquashfsImageFile(path)
            let header = try file.prefix(Self.headerBytes)
            let table = try Self.table(header, size: file.size, path: path)
            let bytes = try file.bytes(at: table.lowerBound, count: Int(table.upperBound - table.lowerBound))
            try self.init(path: path, header: header, descriptors: bytes, table: table, size: file.size)
        } catch {
            throw SIFError(error)
        }
    }

    private static func table(
        _ header: [UInt8], size: UInt64, path: String
    ) throws(SquashfsReadError) -> Range<UInt64> {
        guard begins(header) else { throw .foreign(path: path, looks: FileGuess.describe(header)) }
        guard header.count == headerBytes else {
            throw .truncated(path: path, bytes: size, expected: UInt64(headerBytes))
        }
        let version = String(decoding: header[42..<44], as: UTF8.self)
        guard version == "01" else { throw .unsupported(path: path, problem: "SIF version '\(version)', not '01'") }
        var fields = LittleEndianBytes(header, at: 88)
        let total = fields.uint64()
        let start = fields.uint64()
        guard total > 0, total <= mostDescriptors else {
            throw .corrupt(path: path, place: "header", problem: "\(Int64(bitPattern: total)) descriptors")
        }
        guard start >= UInt64(headerBytes), start <= UInt64(Int64.max) else {
            throw .corrupt(
                path: path, place: "header", problem: "descriptors at byte \(Int64(bitPattern: start))")
        }
        let end = start + total * UInt64(descriptorBytes)
        guard end <= size else { throw .truncated(path: path, bytes: size, expected: end) }
        return start..<end
    }

    private init(
        path: String, header: [UInt8], descriptors: [UInt8], table: Range<UInt64>, size: UInt64
    ) throws(SquashfsReadError) {
        var objects: [Object] = []
        for start in stride(from: 0, to: descriptors.count, by: Self.descriptorBytes) {
            let raw = Array(descriptors[start..<(start + Self.descriptorBytes)])
            // Whether it is in use.
            guard raw[4] != 0 else { continue }
            let object = try Object(raw, path: path, size: size)
            guard !objects.contains(where: { $0.id == object.id }) else {
                throw .corrupt(path: path, place: "descriptors", problem: "two objects have the number \(object.id)")
            }
            objects.append(object)
        }
        var end = (byte: table.upperBound, owner: "the descriptors")
        for object in objects.sorted(by: { $0.bytes.lowerBound < $1.bytes.lowerBound }) where !object.bytes.isEmpty {
            guard object.bytes.lowerBound >= end.byte else {
                throw .corrupt(path: path, place: "object \(object.id)", problem: "it overlaps \(end.owner)")
            }
            end = (object.bytes.upperBound, "object \(object.id)")
        }
        self.path = path
        self.header = header
        self.objects = objects
    }

    /// The object with the root: the primary system partition.
    /// - Throws: `SIFError` where there is none that is a squashfs image.
    public func root() throws(SIFError) -> Object {
        let primary = objects.filter { $0.role == .primarySystem }
        guard let root = primary.first else {
            if objects.contains(where: { $0.kind == .ociRootIndex }) {
                throw .unsupported(
                    path: path, problem: "it holds an OCI image, and no root",
                    hint: "write it as an archive: singularity push \(path) oci-archive:FILE, Bootstrap: oci-archive")
            }
            throw .unsupported(
                path: path, problem: "it has no primary system partition", hint: "build it again with apptainer build")
        }
        guard primary.count == 1 else {
            throw .corrupt(path: path, place: "descriptors", problem: "\(primary.count) primary system partitions")
        }
        let words =
            switch root.filesystem {
            case .squashfs: ""
            case .ext3: "an ext3 filesystem"
            case .archive: "an archive"
            case .raw: "raw data"
            case .encryptedSquashfs: "encrypted"
            case nil: "of an unknown kind"
            }
        guard words.isEmpty else {
            let hint =
                root.filesystem == .encryptedSquashfs
                ? "make one without --encrypt" : "build it again with apptainer build, which makes squashfs"
            throw .unsupported(path: path, problem: "its root is \(words), not squashfs", hint: hint)
        }
        return root
    }

    /// Opens the root.
    /// - Throws: `SIFError`; `SquashfsReadError` where the partition is not a sound image.
    public func openRoot() throws -> SquashfsReader {
        let root = try root()
        let start = try SquashfsImageFile(path, part: root.bytes).prefix(96)
        guard start.starts(with: "hsqs".utf8) else {
            throw SIFError.corrupt(
                path: path, place: "object \(root.id)",
                problem: "said to be squashfs, and is \(FileGuess.describe(start))")
        }
        return try SquashfsReader(path, part: root.bytes)
    }
}

extension SIF.Object {
    /// Reads a descriptor (`rawDescriptor`).
    fileprivate init(_ raw: [UInt8], path: String, size: UInt64) throws(SquashfsReadError) {
        var fields = LittleEndianBytes(raw)
        kind = SIF.Kind(rawValue: Int32(bitPattern: fields.uint32()))
        fields.skip(1)
        id = fields.uint32()
        group = fields.uint32()
        link = fields.uint32()
        let start = fields.uint64()
        let length = fields.uint64()
        let place = "object \(id)"
        guard start <= UInt64(Int64.max), length <= UInt64(Int64.max) else {
            throw .corrupt(path: path, place: place, problem: "a place before the file")
        }
        guard start + length <= size else { throw .truncated(path: path, bytes: size, expected: start + length) }
        bytes = start..<(start + length)
        var extra = LittleEndianBytes(raw, at: 201)
        let isPartition = kind == .partition
        filesystem = isPartition ? SIF.Filesystem(rawValue: Int32(bitPattern: extra.uint32())) : nil
        role = isPartition ? SIF.Role(rawValue: Int32(bitPattern: extra.uint32())) : nil
        descriptor = raw
    }
}

/// Why a SIF file cannot be read.
public enum SIFError: ReportableError, Equatable {
    /// It begins with something else; `looks` says what.
    case foreign(path: String, looks: String)
    /// It holds what netroot takes no root from.
    case unsupported(path: String, problem: String, hint: String)
    /// The file ends before an object does; both in bytes.
    case truncated(path: String, bytes: UInt64, expected: UInt64)
    /// Contradictions or damage.
    case corrupt(path: String, place: String, problem: String)
    /// The operating system's error.
    case system(SystemError)

    init(_ error: SquashfsReadError) {
        self =
            switch error {
            case .foreign(let path, let looks): .foreign(path: path, looks: looks)
            case .unsupported(let path, let problem):
                .unsupported(path: path, problem: problem, hint: "build it again with apptainer build")
            case .truncated(let path, let bytes, let expected):
                .truncated(path: path, bytes: bytes, expected: expected)
            case .corrupt(let path, let place, let problem): .corrupt(path: path, place: place, problem: problem)
            case .system(let error): .system(error)
            }
    }

    /// Always `.failed`: the arguments are right, the file is not.
    public var exitStatus: ExitStatus { .failed }

    /// One line: which file, where in it, what is wrong, what to do.
    public var description: String {
        switch self {
        case .foreign(let path, let looks): "\(path) is not a SIF file: it is \(looks)"
        case .unsupported(let path, let problem, let hint): "\(path): \(problem); \(hint)"
        case .truncated(let path, let bytes, let expected):
            "\(path) is cut off: \(bytes) bytes of \(expected); copy or build it again"
        case .corrupt(let path, let place, let problem):
            "\(path) is corrupt: \(place): \(problem); copy or build it again"
        case .system(let error): error.description
        }
    }
}
