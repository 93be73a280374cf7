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
    /// The directories of kernel modules with the most in them, largest first, to the third level below `kernel`.
    public internal(set) var largestModules: [SizedPath] = []
    /// The largest files and directories at the top of the firmware, largest first.
    public internal(set) var largestFirmware: [SizedPath] = []

    /// How many of the largest are listed where nobody says.
    public static let standardShown = 10

    private enum CodingKeys: CodingKey {
        case files, directories, symlinks, devices, others, hardLinks, unpackedBytes, kernels, kernelModules
        case largestFiles, largestDirectories
    }
}

/// Adds up a tree's files as they come.
struct TreeTally {
    private var account = TreeAccount()
    private var kernels: Set<String> = []
    /// The sizes of the files in each directory, by its path without slashes at either end.
    private var sums: [[UInt8]: UInt64] = [:]
    private var largest: [(path: [UInt8], bytes: UInt64)] = []
    private var modules: [[UInt8]: UInt64] = [:]
    private var firmware: [[UInt8]: UInt64] = [:]
    private let shown: Int
    private static let slash = UInt8(ascii: "/")

    /// - Parameter shown: how many of the largest are listed.
    init(shown: Int) { self.shown = shown }

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
        if type == .regular { addFirmware(path, text, size) }
        guard let module = InitramfsContents.modulePath(text, isDirectory: type == .directory) else { return }
        if InitramfsContents.isKernels(module.rest) { kernels.insert(module.version) }
        guard type == .regular, InitramfsContents.moduleName(module.rest) != nil else { return }
        account.kernelModules += 1
        let start = path.count - module.rest.utf8.count
        let below = start + (module.rest.hasPrefix("kernel/") ? "kernel/".utf8.count : 0)
        modules[Self.prefix(of: path, names: 3, below: below), default: 0] &+= size
    }

    private mutating func addFirmware(_ path: [UInt8], _ text: String, _ size: UInt64) {
        for place in ["lib/firmware/", "usr/lib/firmware/"] where text.hasPrefix(place) {
            firmware[Self.prefix(of: path, names: 1, below: place.count, isFile: true), default: 0] &+= size
        }
    }

    /// The path up to so many names below a place, and never the file itself unless that is wanted.
    private static func prefix(of path: [UInt8], names: Int, below: Int, isFile: Bool = false) -> [UInt8] {
        var slashes = path.indices.filter { path[$0] == slash && $0 >= below }
        if isFile { slashes.append(path.count) }
        guard let end = slashes.prefix(names).last else { return Array(path[..<max(0, min(below - 1, path.count))]) }
        return Array(path[..<end])
    }

    private mutating func keep(_ path: [UInt8], _ bytes: UInt64) {
        if largest.count == shown, let last = largest.last, bytes <= last.bytes { return }
        let place = largest.firstIndex { $0.bytes < bytes } ?? largest.count
        largest.insert((path, bytes), at: place)
        if largest.count > shown { largest.removeLast() }
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
        result.largestDirectories = largest(of: totals)
        result.largestModules = largest(of: modules)
        result.largestFirmware = largest(of: firmware)
        return result
    }

    private func largest(of sums: [[UInt8]: UInt64]) -> [TreeAccount.SizedPath] {
        sums.filter { $0.value > 0 }.sorted { a, b in
            a.value != b.value ? a.value > b.value : a.key.lexicographicallyPrecedes(b.key)
        }.prefix(shown).map { Self.sized($0.key, $0.value) }
    }

    private static func sized(_ path: [UInt8], _ bytes: UInt64) -> TreeAccount.SizedPath {
        .init(path: "/" + String(decoding: path, as: UTF8.self), bytes: bytes)
    }
}

extension TreeAccount {
    /// Looks at every file of a squashfs image, but not at what is in them.
    /// - Throws: `SquashfsReadError`.
    public init(_ image: SquashfsReader, shown: Int = standardShown) throws {
        var tally = TreeTally(shown: shown)
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
    public init(_ contents: InitramfsContents, shown: Int = standardShown) {
        var tally = TreeTally(shown: shown)
        for entry in contents.entries {
            let path = entry.path == [UInt8(ascii: ".")] ? [] : entry.path
            tally.add(path, entry.type, size: entry.type == .regular ? entry.size : 0)
        }
        self = tally.result()
    }

    /// Looks at every file of a directory, and of no other filesystem that is mounted in it.
    /// - Throws: `SystemError`.
    public init(directory root: String, shown: Int = standardShown) throws {
        var tally = TreeTally(shown: shown)
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
