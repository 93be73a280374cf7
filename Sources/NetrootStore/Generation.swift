import Glibc
public import NetrootConfig
public import NetrootSystem

/// The immutable, numbered result of one build, on disk.
public struct Generation: Sendable, Equatable {
    /// Its number, from 1.
    public let number: Int
    /// `NETROOT/generations/<number>`.
    public let directory: String
    /// What it is.
    public let manifest: Manifest

    /// The path that NFS clients mount: the root tree's; of an image alone a name that no file has.
    public var exportPath: String { path(of: .tree) ?? directory + "/root" }
    /// The kernel.
    public let vmlinuz: String
    /// The initramfs that belongs to the kernel; nil where none of the label's transports needs one.
    public let initramfs: String?
    /// The log of the build.
    public var log: String { directory + "/build.log" }

    /// Reads a published generation.
    /// - Throws: `StoreError` where it is not whole, whatever stands in the place of its files.
    init(number: Int, directory: String) throws(StoreError) {
        let manifest = try Self.manifest(in: directory)
        guard manifest.generation == number else {
            throw StoreError.damaged(
                directory: directory, reason: "manifest.json says generation \(manifest.generation)")
        }
        for artifact in manifest.artifacts where !Self.isBelow(artifact.path) {
            throw StoreError.damaged(
                directory: directory, reason: "manifest.json names a file outside of it: \(artifact.path)")
        }
        for artifact in manifest.artifacts {
            let path = "\(directory)/\(artifact.path)"
            if let problem = Self.problem(at: path, of: artifact.kind) {
                throw StoreError.damaged(directory: directory, reason: "\(path) \(problem)")
            }
        }
        guard let kernel = manifest.artifact(.kernel) else {
            throw StoreError.damaged(directory: directory, reason: "manifest.json names no kernel")
        }
        guard manifest.artifact(.initramfs) != nil || manifest.artifact(.rescue) != nil else {
            throw StoreError.damaged(directory: directory, reason: "manifest.json names no initramfs")
        }
        self.number = number
        self.directory = directory
        self.manifest = manifest
        vmlinuz = "\(directory)/\(kernel.path)"
        initramfs = manifest.artifact(.initramfs).map { "\(directory)/\($0.path)" }
    }

    /// Far more than any has: 5,000 packages take 700 KB.
    private static let manifestLimit = 16 << 20

    private static func manifest(in directory: String) throws(StoreError) -> Manifest {
        let path = directory + "/manifest.json"
        guard Files.exists(path) else { throw .damaged(directory: directory, reason: "no manifest.json") }
        do {
            return try Manifest(reading: try Files.read(path, limit: manifestLimit), of: path)
        } catch let error as StoreError {
            throw error
        } catch let error as any ReportableError {
            throw .damaged(directory: directory, reason: error.description)
        } catch {
            throw .damaged(directory: directory, reason: "manifest.json: \(error)")
        }
    }

    /// What is wrong with an artifact's file, whose content is not looked at; nil where nothing is.
    private static func problem(at path: String, of kind: ArtifactKind) -> String? {
        var status = stat()
        guard stat(path, &status) == 0 else {
            // A user who may not enter the tree's directory works with the rest.
            return errno == EACCES && kind == .tree ? nil : "is missing"
        }
        let wanted: FileType = kind == .tree ? .directory : .regular
        guard UInt32(status.st_mode) & FileType.mask != wanted.rawValue else { return nil }
        return "is no \(kind == .tree ? "directory" : "regular file")"
    }

    /// Whether a path leads to something in the directory that it begins at, as its words say.
    private static func isBelow(_ path: String) -> Bool {
        !path.isEmpty && !path.hasPrefix("/")
            && !path.split(separator: "/", omittingEmptySubsequences: false).contains { [".", "..", ""].contains($0) }
    }

    /// The artifact of a kind; nil where the generation has none.
    public func artifact(_ kind: ArtifactKind) -> Manifest.Artifact? { manifest.artifact(kind) }

    /// Where the artifact of a kind is; nil where the generation has none.
    public func path(of kind: ArtifactKind) -> String? { artifact(kind).map { "\(directory)/\($0.path)" } }

    /// Where the artifact of a kind is.
    /// - Throws: `StoreError.lacks` where the generation has none.
    public func requirePath(of kind: ArtifactKind) throws(StoreError) -> String {
        guard let path = path(of: kind) else { throw .lacks(directory: directory, kind: kind) }
        return path
    }

    /// Reads a published generation by its directory, or by a symlink to it such as `current`.
    /// - Throws: `StoreError` where it is none, or not whole; `SystemError`.
    public init(directory: String) throws {
        guard let resolved = realpath(directory, nil) else { throw SystemError("read", directory, code: errno) }
        defer { free(resolved) }
        let path = String(cString: resolved)
        guard let number = LabelStore.number(Files.name(path)),
            Files.exists(path + "/manifest.json")
        else { throw StoreError.noGeneration(directory: directory) }
        try self.init(number: number, directory: path)
    }

    /// Marks the generation as in use for as long as the result lives: `gc` leaves it alone.
    /// - Throws: `StoreError.locked`, `StoreError.damaged`, `SystemError`.
    public func hold() throws -> GenerationHold { try GenerationHold(directory) }
}

/// A shared lock (`flock(2)`) on a generation's directory.
public final class GenerationHold: Sendable {
    private let descriptor: Int32

    init(_ directory: String) throws {
        descriptor = try SystemError.check("read", directory, open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
        // Never waited for: whoever can open the directory can lock it, for as long as he likes.
        guard flock(descriptor, LOCK_SH | LOCK_NB) == 0 else {
            guard errno == EWOULDBLOCK else { throw SystemError("lock", directory, code: errno) }
            throw StoreError.locked(directory: directory)
        }
        var held = stat()
        var named = stat()
        guard fstat(descriptor, &held) == 0, stat(directory, &named) == 0, held.st_ino == named.st_ino else {
            throw StoreError.damaged(directory: directory, reason: "it was removed at this moment")
        }
    }

    deinit {
        // Not by closing alone: a child that is forked at this moment has the descriptor until it calls exec.
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }
}

/// What is wrong with the generations of a label.
public enum StoreError: ReportableError, Equatable {
    /// There is no generation yet.
    case empty(label: String)
    /// There is no generation of that number.
    case unknown(label: String, number: Int, known: [Int])
    /// There is nothing older than the current generation.
    case nothingBefore(label: String, number: Int)
    /// A generation's directory does not hold a whole generation.
    case damaged(directory: String, reason: String)
    /// A generation's directory is locked by another process, so that it cannot be held.
    case locked(directory: String)
    /// A directory is not a generation at all.
    case noGeneration(directory: String)
    /// A manifest of another netroot; nil: it does not say which.
    case otherSchema(path: String, schema: Int?)
    /// A generation has no artifact of this kind.
    case lacks(directory: String, kind: ArtifactKind)
    /// `current` does not say which generation is the current one.
    case badCurrent(path: String, label: String)
    /// The file of the highest number does not hold one.
    case badLastNumber(path: String, found: String)
    /// The record of the clients cannot be read.
    case damagedClients(path: String, reason: String)
    /// A record of the clients that could not be read was laid aside.
    case setAsideClients(path: String)

    /// `.usage` for a number that no generation has, `.locked` for one that is locked, else `.failed`.
    public var exitStatus: ExitStatus {
        switch self {
        case .empty, .nothingBefore, .damaged, .noGeneration, .otherSchema, .lacks, .badCurrent, .badLastNumber,
            .damagedClients, .setAsideClients:
            .failed
        case .unknown: .usage
        case .locked: .locked
        }
    }

    /// One line, with what to do next.
    public var description: String {
        switch self {
        case .empty(let label): return "\(label) has no generation yet; netroot build \(label)"
        case .unknown(let label, let number, let known):
            let list = known.map(String.init).joined(separator: " ")
            return "\(label) has no generation \(number); there are: \(list.isEmpty ? "none" : list)"
        case .nothingBefore(let label, let number):
            return "\(label) has no generation older than \(number); netroot generations \(label) lists them"
        case .noGeneration(let directory):
            return "\(directory) is not a generation: those are NETROOT/generations/NUMBER, with a manifest.json"
        case .locked(let directory):
            return "\(directory) is locked by another process, perhaps netroot gc; see which: fuser \(directory)"
        case .damaged(let directory, let reason):
            return "\(directory) is not a whole generation: \(reason); remove it, or build the label again"
        case .otherSchema(let path, let schema?) where schema > Manifest.currentSchema:
            return "\(path) is of a newer netroot (schema \(schema)); use that one, or build the label again"
        case .otherSchema(let path, let schema):
            let found = schema.map { "schema \($0)" } ?? "it names no schema"
            return "\(path) is of an older netroot (\(found)); build the label again"
        case .badCurrent(let path, let label):
            return "\(path) is no symlink to a generation; netroot rollback \(label) NUMBER makes it one"
        case .badLastNumber(let path, let found):
            return
                "\(path) holds '\(found)' and not the highest number that a generation had; write that number into it"
        case .damagedClients(let path, let reason):
            return
                "\(path) is damaged: \(reason)\nno one knows which generations clients run: move it away, "
                + "or netroot gc --force where no client runs an old one"
        case .setAsideClients(let path):
            return
                "\(path) is a damaged record of clients, so some may run a generation that nobody knows of\n"
                + "remove it when all clients have booted anew, or netroot gc --force"
        case .lacks(let directory, let kind):
            return
                "\(directory) has no \(kind.rawValue); set FORMAT or TRANSPORTS in the hosts file, and build the label"
        }
    }
}
