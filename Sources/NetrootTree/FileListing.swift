import Glibc
public import NetrootImage
public import NetrootSystem

/// Every file of a root, in a directory or in a squashfs image, and the way to the files' contents.
public struct FileListing: Sendable {
    /// A file in its place.
    struct Node {
        var entry: FileEntry
        /// Its name in its directory; of the root none.
        var name: [UInt8]
        /// The directory; of the root itself.
        var parent: Int
        /// Of a directory: what is in it, sorted by the bytes of the names.
        var children = 0..<0
        /// False for a further name of a file that has been listed.
        var isFirst = true
        var place: Place
    }

    /// Where a file is.
    enum Place: Equatable {
        /// In a directory: what stat(2) says identifies it.
        case disk(device: UInt, inode: UInt)
        /// In an image: its inode's reference.
        case image(UInt64)
    }

    enum Source: Sendable {
        case directory(FileTree)
        case image(SquashfsReader)
    }

    private(set) var nodes: [Node]
    let source: Source

    /// Regular files, hard links once.
    public var files: Int { nodes.count { $0.isFirst && $0.entry.type == .regular } }
    /// The sizes of the regular files, hard links once, in bytes.
    public var bytes: UInt64 { nodes.reduce(0) { $1.isFirst ? $0 &+ $1.entry.size : $0 } }

    /// Reads every inode and directory of an image.
    /// - Throws: `SquashfsReadError`, `CancellationError`.
    public init(image: SquashfsReader) throws {
        source = .image(image)
        let root = try image.root()
        nodes = [Node(entry: try FileEntry(root, of: image), name: [], parent: 0, place: .image(root.reference))]
        // The scan visits directories in the order in which it lists them.
        var directories = [0]
        var next = 0
        try image.scan { directory in
            try Task.checkCancellation()
            let parent = directories[next]
            next += 1
            let first = nodes.count
            for entry in directory.entries {
                if entry.inode.type == .directory { directories.append(nodes.count) }
                nodes.append(
                    Node(
                        entry: try FileEntry(entry.inode, of: image), name: entry.name, parent: parent,
                        isFirst: entry.isFirst, place: .image(entry.inode.reference)))
            }
            nodes[parent].children = first..<nodes.count
        }
    }

    /// Reads every directory below `path`, and of no other filesystem that is mounted in it.
    /// - Throws: `SystemError`, `FileListingError`, `CancellationError`.
    public init(directory path: String) throws {
        let tree = try FileTree(path)
        source = .directory(tree)
        let status = try tree.rootStatus()
        let entry = FileEntry(status, .directory, target: { [] }, xattrs: try tree.xattrs(of: []))
        let place = Place.disk(device: status.st_dev, inode: status.st_ino)
        nodes = [Node(entry: entry, name: [], parent: 0, place: place)]
        var linked: Set<UInt> = []
        var pending = [0]
        while let directory = pending.popLast() {
            try Task.checkCancellation()
            let first = nodes.count
            try tree.list(self.path(directory)) { name, status, entry in
                let isLinked = entry.type != .directory && status.st_nlink > 1
                if entry.type == .directory, status.st_dev == nodes[0].place.device { pending.append(nodes.count) }
                nodes.append(
                    Node(
                        entry: entry, name: name, parent: directory,
                        isFirst: !isLinked || linked.insert(status.st_ino).inserted,
                        place: .disk(device: status.st_dev, inode: status.st_ino)))
            }
            nodes[directory].children = first..<nodes.count
        }
    }

    /// The path of a node from the root, with a slash before each name; empty for the root.
    func path(_ index: Int) -> [UInt8] {
        var names: [[UInt8]] = []
        var index = index
        while index != 0 {
            names.append(nodes[index].name)
            index = nodes[index].parent
        }
        return names.reversed().reduce(into: []) { $0 += [UInt8(ascii: "/")] + $1 }
    }
}

extension FileListing.Place {
    fileprivate var device: UInt? { if case .disk(let device, _) = self { device } else { nil } }
}

/// Why files of a root cannot be listed or compared.
public enum FileListingError: ReportableError, Equatable {
    /// A file was listed, and is gone or another one.
    case changed(path: String)
    /// A file with capabilities has a line end in its name, so no list of such files can hold it.
    case lineEnd(path: String)

    /// Always `.failed`.
    public var exitStatus: ExitStatus { .failed }

    /// One line: which file, what happened, what to do.
    public var description: String {
        switch self {
        case .changed(let path):
            "\(TerminalText.line(path)) changed while it was compared; try again when nobody writes to it"
        case .lineEnd(let path):
            "\(TerminalText.line(path)) has capabilities and a line end in its name, which the list of such files cannot "
                + "hold; rename it in %post, or remove them with setcap -r"
        }
    }
}
