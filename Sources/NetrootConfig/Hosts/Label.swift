/// One configured system: a section of the hosts file, with `[DEFAULT]`'s values under its own and all of them checked.
public struct Label: Sendable, Equatable {
    /// What a build leaves behind: a word of `FORMAT`.
    public enum Format: String, Sendable, CaseIterable {
        /// The root as a directory.
        case tree
        /// The root as a squashfs image.
        case squashfs
        /// The whole root in one archive, which the kernel unpacks into RAM.
        case initramfs
    }

    /// How the root lies in the archive of `FORMAT = initramfs`: a word of `INITRAMFS_LAYOUT`.
    public enum InitramfsLayout: String, Sendable, CaseIterable, Codable {
        /// As a squashfs image, which is mounted under a tmpfs overlay.
        case squashfs
        /// As files, which the kernel unpacks.
        case cpio
    }

    /// Words of a value, and where they stand.
    public struct Words: Sendable, Equatable {
        /// One word of the value.
        public struct Word: Sendable, Equatable {
            public let text: String
            /// The line of the hosts file that it stands in.
            public let line: Int
        }

        /// In their order.
        public let words: [Word]
        /// The hosts file, for errors.
        public let file: String

        /// The words without their lines.
        public var texts: [String] { words.map(\.text) }

        /// An error at the line of a word.
        public func error(at word: Word, problem: String, hint: String?) -> ConfigError {
            ConfigError(file: file, line: word.line, problem: problem, hint: hint)
        }
    }

    /// The section's name: a letter or digit, then letters, digits, `.`, `_`, `-`; at most 63 bytes, since it becomes
    /// a file name and a host name.
    public let name: String
    /// The line of the section's header in the hosts file.
    public let line: Int
    /// `NETROOT`: the directory of the generations, an absolute normalised path.
    public let netroot: String
    /// The line that says so: its own `NETROOT`, that of `[DEFAULT]`, or, without any, the section's header.
    public let netrootLine: Int
    /// `RECIPE`: the definition file, an absolute normalised path.
    public let recipe: String
    /// `TFTPBOOT`: the TFTP root, an absolute normalised path.
    public let tftpboot: String
    /// The line that says so, as for `netroot`.
    public let tftpbootLine: Int
    /// `FORMAT`: how the root is kept; none twice, at least one.
    public let formats: [Format]
    /// `TRANSPORTS`: how clients may get the root; none twice, at least one.
    public let transports: [TransportName]
    /// `COMPRESSION`: how an image's blocks are compressed.
    public let compression: BlockCompression
    /// `BLOCK_SIZE`: the block size of an image in bytes.
    public let blockSize: BlockSize
    /// `CACHE_SIZE`: the most bytes that the cache of compressed blocks may take.
    public let cacheSize: Int64
    /// `RW`: the root is mounted read-write, without an overlay.
    public let rw: Bool
    /// `DEBUG`: `rd.debug` and a serial log.
    public let debug: Bool
    /// `EXTRA_QEMU`: more arguments for QEMU, split as a shell splits words.
    public let extraQEMU: [String]
    /// `EXTRA_CMDLINE`: more kernel arguments, one an element, unquoted.
    public let extraCommandLine: [String]
    /// `VM_MEMORY`: the virtual machine's memory, in MiB.
    public let vmMemory: Int
    /// `OVERLAY_SIZE`: the `size=` of the overlay's tmpfs (tmpfs(5)): `50%`, `512m`, `2g`; in lower case.
    public let overlaySize: String
    /// `CONTAINER_STORAGE`: the `size=` of the tmpfs for the storage of podman, docker and their kin, or `none`, in lower
    /// case; nil leaves it to the initramfs.
    public let containerStorage: String?
    /// `MACHINE_ID`: where the client's `/etc/machine-id` comes from.
    public let machineID: MachineID
    /// `KEEP_CLIENTS`: for how many days after a client was last seen with a generation `gc` leaves that generation alone.
    public let keepClients: Int
    /// `KEEP_PACKAGE_CACHES`: the caches, lists and logs of package managers stay in the root.
    public let keepsPackageCaches: Bool
    /// `KERNEL`: which of several kernels clients boot; nil leaves it to the build.
    public let kernel: KernelPattern?
    /// `ALLOW_SECRETS`: absolute paths of the root, or patterns of them, that may hold what a build refuses to publish.
    public let allowSecrets: [String]
    /// `INITRAMFS_LAYOUT`: how the root lies in the archive of `FORMAT = initramfs`.
    public let initramfsLayout: InitramfsLayout
    /// `REMOVE_FILES`: patterns of absolute paths of the root that are removed before anything is made of it; nil for none.
    public let removeFiles: Words?
    /// `KERNEL_MODULES`: which kernel modules stay in the root; nil keeps all.
    public let kernelModules: Words?
    /// `MAX_SIZE`: the most bytes that each of the root's images and archives may have; nil for no bound.
    public let maxSize: Int64?
    /// `MAX_RAM`: the most bytes of RAM that a machine may need for an archive; nil for no bound.
    public let maxRAM: Int64?
    /// `ROOTPW_FILE`: the file that holds root's password, an absolute normalised path; nil where there is none.
    public let rootPasswordFile: String?

    /// Whether a build makes an archive of the whole root, which everybody who gets hold of it can read.
    public var makesArchive: Bool { Self.makesArchive(formats, transports) }

    /// `FORMAT` asks for it, or a transport that boots nothing else.
    static func makesArchive(_ formats: [Format], _ transports: [TransportName]) -> Bool {
        formats.contains(.initramfs) || transports.contains(.ram)
    }

    /// What `KEEP_CLIENTS` is where no entry sets it.
    static let standardKeepClients = 30
    /// What `KEEP_CLIENTS` may be: up to a hundred years.
    public static let keepClientsRange = 0...36_500

    /// A word of `MACHINE_ID`.
    public enum MachineID: String, Sendable, CaseIterable {
        /// systemd makes one at each boot.
        case random
        /// The same at each boot: derived from the machine's DMI UUID, or from a MAC address.
        case stable
    }
}

/// The keys of a hosts file, as they are documented; a file may write them in any case.
enum HostsKey: String, CaseIterable {
    case netroot = "NETROOT"
    case recipe = "RECIPE"
    case tftpboot = "TFTPBOOT"
    case format = "FORMAT"
    case transports = "TRANSPORTS"
    case compression = "COMPRESSION"
    case blockSize = "BLOCK_SIZE"
    case cacheSize = "CACHE_SIZE"
    case rw = "RW"
    case debug = "DEBUG"
    case extraQEMU = "EXTRA_QEMU"
    case extraCommandLine = "EXTRA_CMDLINE"
    case vmMemory = "VM_MEMORY"
    case overlaySize = "OVERLAY_SIZE"
    case containerStorage = "CONTAINER_STORAGE"
    case machineID = "MACHINE_ID"
    case keepClients = "KEEP_CLIENTS"
    case keepPackageCaches = "KEEP_PACKAGE_CACHES"
    case kernel = "KERNEL"
    case allowSecrets = "ALLOW_SECRETS"
    case initramfsLayout = "INITRAMFS_LAYOUT"
    case removeFiles = "REMOVE_FILES"
    case kernelModules = "KERNEL_MODULES"
    case maxSize = "MAX_SIZE"
    case maxRAM = "MAX_RAM"
    case rootPasswordFile = "ROOTPW_FILE"

    init?(spelling: String) { self.init(rawValue: spelling.uppercased()) }

    /// The value is a list of words, and may be empty.
    var isList: Bool { self == .extraQEMU || self == .extraCommandLine }
}
