public import NetrootConfig

/// What a generation is and how it came to be: `manifest.json`, described in `docs/manifest.md`.
public struct Manifest: Codable, Sendable, Equatable {
    /// The version of the schema that this code writes, and the only one that it reads.
    static let currentSchema = 2

    /// The version of this schema.
    public var schema = Manifest.currentSchema
    /// The label it was built for.
    public var label: String
    /// Its number.
    public var generation: Int
    /// How the root was to be kept: the words of `FORMAT`.
    public var formats: [String]
    /// The files and trees of the generation, one of a kind: kernel and initramfs, and the root in one form or more.
    public var artifacts: [Artifact]
    /// The transports that the initramfs can boot by.
    public var transports: [TransportName]
    /// Whether clients mount it read-write (`RW=Y`); such a generation may change after it was published.
    public var readWrite: Bool
    /// Whether what package managers left in the root was kept (`KEEP_PACKAGE_CACHES`); nil where it was removed.
    public var keepsPackageCaches: Bool?
    /// What made it.
    public var origin: Origin
    public var recipe: RecipeFile
    /// Where the root came from.
    public var bootstrap: Bootstrap
    /// Files that give their caller more rights.
    public var privileged: Privileged
    /// One SHA-256 over what netroot itself laid into the root.
    public var shipped: String
    /// The kernel's version, as `uname -r` prints it.
    public var kernelVersion: String
    /// `KERNEL` of the label, by which that kernel was taken; nil where the label has none.
    public var kernelPattern: String?
    /// The versions of the root's other kernels; nil where there are none.
    public var otherKernels: [String]?
    /// The installed packages, sorted by name.
    public var packages: [Package]
    /// The version of netroot that built it.
    public var netroot: String
    /// When the build began and ended, ISO 8601, UTC.
    public var started: String
    /// When the build ended, ISO 8601, UTC.
    public var finished: String
    /// The steps and the seconds that each took.
    public var steps: [Step]
    /// What the label's `ALLOW_SECRETS` let into the root; nil where there was nothing.
    public var allowedSecrets: [AllowedSecret]?
    /// What `REMOVE_FILES` and `KERNEL_MODULES` of the label took out of the root; nil where it has neither.
    public var shrunk: Shrunk?

    /// What was taken out of a root, and by which words of the label.
    public struct Shrunk: Codable, Sendable, Equatable {
        /// `REMOVE_FILES`; nil where the label has none, and so for the others.
        public var removeFiles: [String]?
        /// What they removed: files of any kind, directories among them.
        public var files: Count?
        /// `KERNEL_MODULES`.
        public var kernelModules: [String]?
        /// The files of the modules of the kernel that is booted.
        public var modules: Count?
        /// Files and symlinks of firmware.
        public var firmware: Count?

        /// Nothing yet.
        public init() {}

        /// How many files of a kind.
        public struct Count: Codable, Sendable, Equatable {
            /// How many are left; nil where that says nothing.
            public var kept: Int?
            /// How many went.
            public var removed: Int
            /// The sizes of those that went, in bytes.
            public var bytes: Int64

            /// Counts of one removal.
            public init(kept: Int? = nil, removed: Int, bytes: Int64) {
                self.kept = kept
                self.removed = removed
                self.bytes = bytes
            }

            /// With what an earlier generation lost, from which this one was made; nil where neither lost any.
            static func sum(_ count: Count?, _ earlier: Count?) -> Count? {
                guard let count, let earlier else { return count ?? earlier }
                return Count(
                    kept: count.kept ?? earlier.kept, removed: count.removed + earlier.removed,
                    bytes: count.bytes + earlier.bytes)
            }
        }

        /// What a generation lost and what an earlier one did, from which it was made; nil where neither lost anything.
        /// The words are the later ones, where there are some.
        public static func sum(_ shrunk: Shrunk?, _ earlier: Shrunk?) -> Shrunk? {
            guard let shrunk, let earlier else { return shrunk ?? earlier }
            var sum = Shrunk()
            sum.removeFiles = shrunk.removeFiles ?? earlier.removeFiles
            sum.files = Count.sum(shrunk.files, earlier.files)
            sum.kernelModules = shrunk.kernelModules ?? earlier.kernelModules
            sum.modules = Count.sum(shrunk.modules, earlier.modules)
            sum.firmware = Count.sum(shrunk.firmware, earlier.firmware)
            return sum
        }
    }
    /// What the build made of root's password; nil where it is the recipe's.
    public var rootPassword: RootPassword?

    /// What a build made of root's password. The password itself, and its hash, are nowhere but in the root.
    public enum RootPassword: String, Codable, Sendable {
        /// It was locked, or was so already.
        case locked
        /// It came from `ROOTPW_FILE`.
        case file
        /// netroot made one.
        case generated
    }

    /// What made a generation.
    public struct Origin: Codable, Sendable, Equatable {
        /// `build` or `shell`.
        public var verb: String
        /// The generation that a shell started from. What the shell ran is not kept: its arguments may be secrets, and
        /// everybody reads the manifest.
        public var base: Int?

        /// `base` belongs to a shell.
        public init(verb: String, base: Int? = nil) {
            self.verb = verb
            self.base = base
        }
    }

    /// A file that every client can read, though it should not; the label allows it.
    public struct AllowedSecret: Codable, Sendable, Equatable {
        /// From the root, with a slash at its beginning; never what is in it.
        public var path: String
        /// What makes it one: `private-key`, `password-hash` and so on.
        public var kind: String

        /// The values as they are named.
        public init(path: String, kind: String) {
            self.path = path
            self.kind = kind
        }
    }

    /// The recipe file that was read.
    public struct RecipeFile: Codable, Sendable, Equatable {
        public var path: String
        /// Its SHA-256, in hexadecimal.
        public var sha256: String
        /// The names of the build arguments that it was given and uses, sorted; nil where there were none. Their values may
        /// be secrets.
        public var arguments: [String]?

        /// A file that has been digested; nothing is read.
        public init(path: String, sha256: String, arguments: [String]? = nil) {
            self.path = path
            self.sha256 = sha256
            self.arguments = arguments
        }
    }

    /// What filled the root before the recipe's sections ran.
    public struct Bootstrap: Codable, Sendable, Equatable {
        /// The recipe's `Bootstrap:`, in lower case.
        public var agent: String
        /// What it was filled from, as the recipe or the agent names it: a suite, a URL, a reference, a path.
        public var from: String?
        /// What `from` stood for at the time, where the agent can tell: `sha256:` and hexadecimal digits.
        public var digest: String?
        /// What was taken though nobody signed it: repositories or packages; nil where all was signed, or nothing can be.
        public var unsigned: [String]?
        /// Device nodes that were left out; nil where there were none.
        public var droppedDevices: Int?

        /// What an agent tells of its work.
        public init(
            agent: String, from: String? = nil, digest: String? = nil, unsigned: [String]? = nil,
            droppedDevices: Int? = nil
        ) {
            self.agent = agent
            self.from = from
            self.digest = digest
            self.unsigned = unsigned
            self.droppedDevices = droppedDevices
        }
    }

    /// How many files of a root give their caller more rights.
    public struct Privileged: Codable, Sendable, Equatable {
        /// Regular files with the setuid bit.
        public var setuid: Int
        /// Regular files with the setgid bit that are executable by the group.
        public var setgid: Int
        /// Regular files with file capabilities (capabilities(7)).
        public var capabilities: Int

        /// Counts of one root.
        public init(setuid: Int, setgid: Int, capabilities: Int) {
            self.setuid = setuid
            self.setgid = setgid
            self.capabilities = capabilities
        }
    }

    /// A file or tree that the build made.
    public struct Artifact: Codable, Sendable, Equatable {
        /// What it is.
        public var kind: ArtifactKind
        /// Where it is, from the generation's directory.
        public var path: String
        /// Its size in bytes; of a tree the sizes of its regular files, hard links once.
        public var bytes: Int64
        /// SHA-256, in hexadecimal; nil for a tree, which has none.
        public var sha256: String?
        /// Of a squashfs image, how it was packed; nil for all else.
        public var image: Image?
        /// Of a rescue archive, how it was packed and what it needs; nil for all else.
        public var archive: Archive?

        /// An artifact under the name that its kind has in a generation; nothing is read.
        public init(
            _ kind: ArtifactKind, bytes: Int64, sha256: String? = nil, image: Image? = nil, archive: Archive? = nil
        ) {
            self.kind = kind
            self.path = kind.fileName
            self.bytes = bytes
            self.sha256 = sha256
            self.image = image
            self.archive = archive
        }
    }

    /// How a rescue archive was packed, and what it needs.
    public struct Archive: Codable, Sendable, Equatable {
        /// `INITRAMFS_LAYOUT`.
        public var layout: Label.InitramfsLayout
        /// `CODEC` or `CODEC:LEVEL`.
        public var compression: String
        /// The sizes of the root's regular files in bytes, hard links once.
        public var unpackedBytes: Int64
        /// The least RAM in bytes with which a machine boots it whole.
        public var leastRAM: Int64
        /// Of the image in it, in bytes; nil for the layout cpio.
        public var blockSize: Int?

        /// An archive that was packed; nothing is read.
        public init(
            layout: Label.InitramfsLayout, compression: String, unpackedBytes: Int64, leastRAM: Int64,
            blockSize: Int? = nil
        ) {
            self.layout = layout
            self.compression = compression
            self.unpackedBytes = unpackedBytes
            self.leastRAM = leastRAM
            self.blockSize = blockSize
        }
    }

    /// How a squashfs image was packed.
    public struct Image: Codable, Sendable, Equatable {
        /// `CODEC` or `CODEC:LEVEL`.
        public var compression: String
        /// Bytes.
        public var blockSize: Int
        /// What it takes unpacked, in bytes: the sizes of its regular files.
        public var unpackedBytes: Int64

        /// An image that was packed; nothing is read.
        public init(compression: String, blockSize: Int, unpackedBytes: Int64) {
            self.compression = compression
            self.blockSize = blockSize
            self.unpackedBytes = unpackedBytes
        }
    }

    /// An installed package.
    public struct Package: Codable, Sendable, Equatable {
        public var name: String
        public var version: String
        public var architecture: String
        /// The sizes of its files that are in the root, in bytes; nil where no list of them is known.
        public var bytes: Int64?

        /// A package as the package manager lists it.
        public init(name: String, version: String, architecture: String, bytes: Int64? = nil) {
            self.name = name
            self.version = version
            self.architecture = architecture
            self.bytes = bytes
        }
    }

    /// A step of the build.
    public struct Step: Codable, Sendable, Equatable {
        /// What was done.
        public var name: String
        /// How long it took.
        public var seconds: Double

        /// A step that has ended.
        public init(name: String, seconds: Double) {
            self.name = name
            self.seconds = seconds
        }
    }

    /// Everything but `schema`, which is always that of this code.
    public init(
        label: String, generation: Int, formats: [String], artifacts: [Artifact], transports: [TransportName],
        readWrite: Bool, origin: Origin, recipe: RecipeFile, bootstrap: Bootstrap, privileged: Privileged,
        shipped: String, kernelVersion: String, packages: [Package], netroot: String, started: String,
        finished: String, steps: [Step], allowedSecrets: [AllowedSecret]? = nil
    ) {
        self.label = label
        self.generation = generation
        self.formats = formats
        self.artifacts = artifacts
        self.transports = transports
        self.readWrite = readWrite
        self.origin = origin
        self.recipe = recipe
        self.bootstrap = bootstrap
        self.privileged = privileged
        self.shipped = shipped
        self.kernelVersion = kernelVersion
        self.packages = packages
        self.netroot = netroot
        self.started = started
        self.finished = finished
        self.steps = steps
        self.allowedSecrets = allowedSecrets
    }
}

extension Manifest {
    /// The artifact of a kind; nil where the generation has none.
    public func artifact(_ kind: ArtifactKind) -> Artifact? { artifacts.first { $0.kind == kind } }

    /// Reads the text of a manifest: first its schema, on which the rest depends.
    /// - Parameter path: the file, for messages.
    /// - Throws: `StoreError.otherSchema`, `DecodingError`.
    init(reading text: [UInt8], of path: String) throws {
        struct Version: Decodable {
            var schema: Int?
        }
        let schema = try JSON.value(Version.self, from: text).schema
        guard schema == Self.currentSchema else { throw StoreError.otherSchema(path: path, schema: schema) }
        self = try JSON.value(Manifest.self, from: text)
    }
}

extension ArtifactKind {
    /// The name that such an artifact has in a generation's directory. A tree lies in a directory that only its owner enters:
    /// its setuid programs and its `/tmp` are for the clients, and not for the users of this machine.
    public var fileName: String {
        switch self {
        case .tree: "tree/root"
        case .squashfs: "root.squashfs"
        case .kernel: "vmlinuz"
        case .initramfs: "initrd.img"
        case .rescue: "rescue.cpio.zst"
        }
    }
}
