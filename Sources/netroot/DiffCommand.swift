import ArgumentParser
import NetrootConfig
import NetrootImage
import NetrootStore
import NetrootSystem
import NetrootTree

struct DiffCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff", abstract: "Say what differs between two generations.",
        discussion: """
            Packages by the manifests, files by the root tree, or by the image where there
            is no tree: + added, - removed, ~ changed. The bytes of a root are the sizes
            of its regular files, hard links once.

            What counts in a file: type, content, mode, owner, target of a symlink,
            device numbers, xattrs of user., trusted. and security. (capabilities).
            What does not: times, sizes of directories, POSIX ACLs (squashfs has none),
            which names are hard links of one file.

            In paths, link targets and names of xattrs a backslash is written \\\\. Each byte
            of a control character, of a character that changes the direction of text, and
            of invalid UTF-8 is written \\xHH. This holds for JSON too.

            Exit status 0, whether or not anything differs.

            Example:
              netroot diff debian12 6 7
              netroot diff debian12 6 7 --json
            """)

    @OptionGroup var options: LabelOptions
    @OptionGroup var output: JSONOption
    @Argument(help: "The earlier generation.")
    var before: Int
    @Argument(help: "The later generation.")
    var after: Int

    func run() async throws {
        let store = LabelStore(label: try options.load())
        let generations = (try store.generation(before), try store.generation(after))
        let holds = (try generations.0.hold(), try generations.1.hold())
        defer { withExtendedLifetime(holds) {} }
        let row = try await Interruption.cancelling {
            try await DiffRow(before: generations.0, after: generations.1)
        }
        FileWriter.standardOutput.write(output.json ? try JSON.text(row) : DiffReport.text(row))
    }
}

/// Two generations, as `diff` shows them.
struct DiffRow: Encodable {
    let label: String
    let before: Side
    let after: Side
    let packages: Packages
    let files: ChangedFiles
    let bytes: Bytes

    /// A generation; `read` is what its files were read from, `tree` or `image`.
    struct Side: Encodable {
        let generation: Int
        let read: String
        let kernel: String
        let packages: Int
        let files: Int
    }

    struct Package: Encodable {
        let name: String
        let architecture: String
        let version: String

        init(_ package: Manifest.Package) {
            name = package.name
            architecture = package.architecture
            version = package.version
        }
    }

    struct ChangedPackage: Encodable {
        let before: Package
        let after: Package
    }

    struct Packages: Encodable {
        let added: [Package]
        let removed: [Package]
        let changed: [ChangedPackage]
        /// Names for which the plain output says the architecture, too.
        let ambiguous: Set<String>

        private enum CodingKeys: CodingKey { case added, removed, changed }

        init(_ comparison: PackageComparison) {
            added = comparison.added.map(Package.init)
            removed = comparison.removed.map(Package.init)
            changed = comparison.changed.map { ChangedPackage(before: Package($0.before), after: Package($0.after)) }
            ambiguous = comparison.ambiguous
        }
    }

    /// Sums of the roots' files, and the sizes of the packed images where there are any.
    struct Bytes: Encodable {
        let before: Int64
        let after: Int64
        let difference: Int64
        let imageBefore: Int64?
        let imageAfter: Int64?
        let imageDifference: Int64?
    }

    /// Compares the manifests, then the roots.
    init(before: Generation, after: Generation) async throws {
        label = before.manifest.label
        packages = Packages(PackageComparison(before: before.manifest.packages, after: after.manifest.packages))
        let old = try await FileListing(before)
        let new = try await FileListing(after)
        files = ChangedFiles(try await old.differences(to: new))
        self.before = Side(before, old)
        self.after = Side(after, new)
        let images = try [before, after].map { generation in
            try generation.path(of: .squashfs).map { try Files.size($0) }
        }
        let (oldBytes, newBytes) = (Int64(clamping: old.bytes), Int64(clamping: new.bytes))
        var imageDifference: Int64?
        if let old = images[0], let new = images[1] { imageDifference = new - old }
        bytes = Bytes(
            before: oldBytes, after: newBytes, difference: newBytes - oldBytes, imageBefore: images[0],
            imageAfter: images[1], imageDifference: imageDifference)
    }
}

extension DiffRow.Side {
    init(_ generation: Generation, _ listing: FileListing) {
        self.generation = generation.number
        read = generation.artifact(.tree) != nil ? "tree" : "image"
        kernel = generation.manifest.kernelVersion
        packages = generation.manifest.packages.count
        files = listing.files
    }
}

extension FileListing {
    /// The files of a generation: of its tree where it has one, else of its image, else of the image in its archive.
    init(_ generation: Generation) async throws {
        // Files are read in about the order in which they were packed: a block is not wanted again for long.
        let cache = SquashfsCache(blockBytes: 8 << 20)
        if let tree = generation.path(of: .tree) {
            try self.init(directory: tree)
        } else if let image = generation.path(of: .squashfs) {
            try self.init(image: SquashfsReader(image, cache: cache))
        } else {
            let archive = try generation.requirePath(of: .rescue)
            try self.init(image: await SquashfsReader(rescueArchive: archive, cache: cache))
        }
    }
}

/// The files that differ, as `diff` shows them.
struct ChangedFiles: Encodable {
    let added: [File]
    let removed: [File]
    let changed: [Change]

    struct File: Encodable {
        let path: String
        let type: String
        let mode: String
        let uid: UInt32
        let gid: UInt32
        let bytes: UInt64
        let target: String?
        let device: String?

        init(_ path: [UInt8], _ entry: FileEntry) {
            self.path = TerminalText.reversible(path)
            type = entry.type.word
            let octal = String(entry.mode, radix: 8)
            mode = String(repeating: "0", count: 4 - min(4, octal.count)) + octal
            uid = entry.uid
            gid = entry.gid
            bytes = entry.size
            target = entry.type == .symlink ? TerminalText.reversible(entry.target) : nil
            let isDevice = entry.type == .blockDevice || entry.type == .characterDevice
            device = isDevice ? "\(entry.deviceMajor):\(entry.deviceMinor)" : nil
        }
    }

    struct Change: Encodable {
        let path: String
        /// In a lasting order.
        let changes: [FileEntry.Aspect]
        let before: File
        let after: File
        /// How much larger it has become.
        let bytes: Int64
        /// Names of extended attributes that were added, removed or changed.
        let xattrs: [String]
    }

    init(_ differences: [FileDifference]) {
        var added: [File] = []
        var removed: [File] = []
        var changed: [Change] = []
        for difference in differences {
            let (path, aspects) = (difference.path, difference.aspects)
            switch (difference.before, difference.after) {
            case (nil, let after?): added.append(File(path, after))
            case (let before?, nil): removed.append(File(path, before))
            case (let before?, let after?):
                changed.append(
                    Change(
                        path: TerminalText.reversible(path),
                        changes: FileEntry.Aspect.allCases.filter(aspects.contains),
                        before: File(path, before), after: File(path, after), bytes: difference.bytes,
                        xattrs: before.differingXattrs(to: after).map(TerminalText.reversible)))
            case (nil, nil): break
            }
        }
        self.added = added
        self.removed = removed
        self.changed = changed
    }
}
