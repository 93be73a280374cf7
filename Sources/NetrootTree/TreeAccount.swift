import Glibc
public import NetrootImage
import NetrootSystem

/// What a tree holds, wherever it is: in an image, an archive or a directory.
public struct TreeAccount: Encodable, Sendable, Equatable {
    /// A path from the tree's root, and bytes.
    public struct SizedPath: Encodable, Sendable, Equatable {
        /// With a leading slash; bytes that are no text are replaced.
        public let path: String
        /// Of a file its size; of a directory the sizes of all files below it, hard links once.
        public let bytes: UInt64
    }

    /// Regular files, hard links once.
    public internal(set) var files = 0
    /// Directories, the root among them where the tree has an entry for it.
    public internal(set) var directories = 0
    /// Symbolic links.
    public internal(set) var symlinks = 0
    /// Character and block devices.
    public internal(set) var devices = 0
    /// FIFOs and sockets.
    public internal(set) var others = 0
    /// Further names of what was counted above.
    public internal(set) var hardLinks = 0
    /// The sizes of the regular files, hard links once, in bytes.
    public internal(set) var unpackedBytes: UInt64 = 0
    /// The kernels that there are modules for, sorted.
    public internal(set) var kernels: [String] = []
    /// Files that are kernel modules.
    public internal(set) var kernelModules = 0
    /// The largest, largest first.
    public internal(set) var largestFiles: [SizedPath] = []
    /// Those with the most below them, largest first.
    public internal(set) var largestDirectories: [SizedPath] = []
}

/// Adds up a tree's files as they come.
struct TreeTally {
    private var account = TreeAccount()
    private var kernels: Set<String> = []
    /// The sizes of the files in each directory, by its path without slashes at either end.
    private var sums: [[UInt8]: UInt64] = [:]
    private var largest: [(path: [UInt8], bytes: UInt64)] = []
    private static let shown = 10
    private static let slash = UInt8(ascii: "/")

    /// - Parameters:
    ///   - path: from the root, without a slash at either end; empty for the root.
    ///   - isFirst: false for a further name of a file that was added.
    mutating func add(_ path: [UInt8], _ type: FileType, size: UInt64, isFirst: Bool = true) {
        guard isFirst else {
            account.hardLinks += 1
            return
        }
        switch type {
        case .directory: account.directories += 1
        case .symlink: account.symlinks += 1
        case .characterDevice, .blockDevice: account.devices += 1
        case .fifo, .socket: account.others += 1
        case .regular:
            account.files += 1
            account.unpackedBytes &+= size
            let parent = path.lastIndex(of: Self.slash).map { Array(path[..<$0]) } ?? []
            sums[parent, default: 0] &+= size
            keep(path, size)
        }
        let text = String(decoding: path, as: UTF8.self)
        guard let module = InitramfsContents.modulePath(text, isDirectory: type == .directory) else { return }
        if InitramfsContents.isKernels(module.rest) { kernels.insert(module.version) }
        if type == .regular, InitramfsContents.moduleName(module.rest) != nil { account.kernelModules += 1 }
    }

    private mutating func keep(_ path: [UInt8], _ bytes: UInt64) {
        if largest.count == Self.shown, let last = largest.last, bytes <= last.bytes { return }
        let place = largest.firstIndex { $0.bytes < bytes } ?? largest.count
        largest.insert((path, bytes), at: place)
        if largest.count > Self.shown { largest.removeLast() }
    }

    /// The sum of all that was added.
    func result() -> TreeAccount {
        var result = account
        result.kernels = kernels.sorted()
        result.largestFiles = largest.map { Self.sized($0.path, $0.bytes) }
        var totals: [[UInt8]: UInt64] = [:]
        for (path, bytes) in sums {
            var path = path[...]
            while !path.isEmpty {
                totals[Array(path), default: 0] &+= bytes
                path = path[..<(path.lastIndex(of: Self.slash) ?? path.startIndex)]
            }
        }
        let sorted = totals.filter { $0.value > 0 }.sorted { a, b in
            a.value != b.value ? a.value > b.value : a.key.lexicographicallyPrecedes(b.key)
        }
        result.largestDirectories = sorted.prefix(Self.shown).map { Self.sized($0.key, $0.value) }
        return result
    }

    private static func sized(_ path: [UInt8], _ bytes: UInt64) -> TreeAccount.SizedPath {
        .init(path: "/" + String(decoding: path, as: UTF8.self), bytes: bytes)
    }
}

extension TreeAccount {
    /// Looks at every file of a squashfs image, but not at what is in them.
    /// - Throws: `SquashfsReadError`.
    public init(_ image: SquashfsReader) throws {
        var tally = TreeTally()
        tally.add([], .directory, size: 0)
        try image.scan { directory in
            for entry in directory.entries {
                let path = (directory.path + [UInt8(ascii: "/")] + entry.name).dropFirst()
                tally.add(Array(path), entry.inode.type, size: entry.inode.size, isFirst: entry.isFirst)
            }
        }
        self = tally.result()
    }

    /// What a kernel has after it unpacked an initramfs. A hard link of it counts as a file of its own.
    public init(_ contents: InitramfsContents) {
        var tally = TreeTally()
        for entry in contents.entries {
            let path = entry.path == [UInt8(ascii: ".")] ? [] : entry.path
            tally.add(path, entry.type, size: entry.type == .regular ? entry.size : 0)
        }
        self = tally.result()
    }

    /// Looks at every file of a directory, and of no other filesystem that is mounted in it.
    /// - Throws: `SystemError`.
    public init(directory root: String) throws {
        var tally = TreeTally()
        tally.add([], .directory, size: 0)
        var seen: Set<UInt64> = []
        try DirectoryHandle(root).walk { entry in
            guard let type = entry.type else { return }
            let isLinked = type != .directory && entry.status.st_nlink > 1
            let isFirst = !isLinked || seen.insert(UInt64(entry.status.st_ino)).inserted
            tally.add(entry.path, type, size: UInt64(max(0, entry.status.st_size)), isFirst: isFirst)
        }
        self = tally.result()
    }
}
