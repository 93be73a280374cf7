import ArgumentParser
import Glibc
import NetrootConfig
import NetrootImage
import NetrootStore
import NetrootSystem
import NetrootTree

struct InspectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Say what an image, an initramfs or a generation is.",
        discussion: """
            A squashfs image, a SIF file, an initramfs (newc archives, also several and compressed), a generation's
            directory, or a label, which means its current generation. What has a slash in it is a path; so is a name that
            is not a label.

            A file that is none of these, or is damaged, ends with exit status 1.

            --largest says instead what takes most of the root: packages (of a generation),
            directories of kernel modules, firmware, directories and files.

            Example:
              netroot inspect debian12
              netroot inspect debian12 --largest --count 20
              netroot inspect netroots/debian12/generations/7/initrd.img --json
            """)

    @OptionGroup var common: CommonOptions
    @OptionGroup var output: JSONOption
    @Flag(help: "Say what takes most of the root, and could be removed.")
    var largest = false
    @Option(help: ArgumentHelp("How many of each kind --largest lists.", valueName: "n"))
    var count = TreeAccount.standardShown
    @Argument(help: ArgumentHelp("A file, a generation's directory, or a label.", valueName: "file-or-label"))
    var subject: String

    func validate() throws {
        guard (1...100_000).contains(count) else { throw ValidationError("--count takes a number from 1 to 100000.") }
    }

    func run() async throws {
        let target = try self.target()
        let json = output.json
        if largest {
            let count = self.count
            let row = try await Interruption.cancelling {
                switch target {
                case .generation(let generation): try await LargestRow(generation, count: count)
                case .file(let path): LargestRow(try await Inspection(file: path, shown: count), packages: nil)
                }
            }
            FileWriter.standardOutput.write(json ? try JSON.text(row) : LargestReport.text(row))
            return
        }
        let text = try await Interruption.cancelling {
            switch target {
            case .generation(let generation):
                let row = try await GenerationInspection(generation)
                return json ? try JSON.text(row) : InspectReport.generation(row)
            case .file(let path):
                let row = try await Inspection(file: path)
                return json ? try JSON.text(row) : InspectReport.file(row)
            }
        }
        FileWriter.standardOutput.write(text)
    }

    private enum Target: Sendable {
        case generation(Generation)
        case file(String)
    }

    private func target() throws -> Target {
        if !subject.contains("/") {
            do {
                let label = try common.hostsFile().label(subject)
                return .generation(try LabelStore(label: label).current())
            } catch let error where error is ConfigError || error is HostsFileMissing {
                // A wrong hosts file, or none, is no reason not to look at a file.
                guard Files.exists(subject) else { throw error }
            }
        }
        let path = try CommonOptions.absolute(subject)
        return Files.isDirectory(path) ? .generation(try Generation(directory: path)) : .file(path)
    }
}

/// A generation, as `inspect` shows it.
struct GenerationInspection: Encodable {
    let kind = "generation"
    let path: String
    let label: String
    let generation: Int
    let format: String
    let kernel: String
    let packages: Int
    let transports: [String]
    let readWrite: Bool
    let built: String
    let bytes: [String: Int64]
    let root: Inspection
    let image: Inspection?
    let initramfs: Inspection?
    /// Of a rescue archive.
    let archive: Inspection?
    /// The least RAM with which a machine boots the rescue archive, in bytes.
    let leastRAM: Int64?

    private enum CodingKeys: CodingKey {
        case kind, path, label, generation, format, kernel, packages, transports, readWrite, built, bytes, root, image
        case initramfs, archive, leastRAM
    }

    /// Looks at the root, the image beside a tree, and the initramfs.
    init(_ generation: Generation) async throws {
        let manifest = generation.manifest
        path = generation.directory
        label = manifest.label
        self.generation = generation.number
        format = manifest.formats.joined(separator: " ")
        kernel = manifest.kernelVersion
        packages = manifest.packages.count
        transports = manifest.transports.map(\.rawValue)
        readWrite = manifest.readWrite
        built = manifest.finished
        let squashfs = generation.path(of: .squashfs)
        if let tree = generation.path(of: .tree) {
            root = try Inspection(tree: tree)
            if let squashfs { image = try await Inspection(file: squashfs) } else { image = nil }
        } else {
            if let squashfs {
                root = try await Inspection(file: squashfs)
            } else {
                root = try await Inspection(rescueArchive: try generation.requirePath(of: .rescue))
            }
            image = nil
        }
        var bytes = ["vmlinuz": try Files.size(generation.vmlinuz)]
        if let path = generation.initramfs {
            initramfs = try await Inspection(file: path)
            bytes["initramfs"] = try Files.size(path)
        } else {
            initramfs = nil
        }
        if let path = generation.path(of: .rescue) {
            archive = try await Inspection(file: path)
            bytes["rescue"] = try Files.size(path)
        } else {
            archive = nil
        }
        leastRAM = manifest.artifact(.rescue)?.archive?.leastRAM
        bytes["root"] = Int64(clamping: root.tree.unpackedBytes)
        if let squashfs { bytes["image"] = try Files.size(squashfs) }
        self.bytes = bytes
    }
}

/// The words of `inspect`.
enum InspectReport {
    static func generation(_ row: GenerationInspection) -> String {
        var lines = [
            "\(row.label): generation \(row.generation), \(row.format)" + (row.readWrite ? ", read-write" : ""),
            row.path,
            "kernel \(row.kernel), \(row.packages) packages, transports \(row.transports.joined(separator: " "))",
            "built \(row.built)",
        ]
        if let bytes = row.leastRAM { lines.append("from RAM it needs at least \(bytes >> 20) MiB") }
        for (name, bytes) in row.bytes.sorted(by: { $0.key < $1.key }) { lines.append("\(bytes) bytes  \(name)") }
        let parts = [row.root] + [row.image, row.initramfs, row.archive].compactMap(\.self)
        return lines.map(TerminalText.line).joined(separator: "\n") + "\n" + parts.map { "\n" + file($0) }.joined()
    }

    static func file(_ row: Inspection) -> String {
        var lines = ["\(row.path): \(title(row))"]
        if let image = row.image {
            lines.append(
                "\(image.inodes) inodes, \(image.fragments) fragment blocks, \(image.owners) owners, "
                    + "\(image.xattrs ? "xattrs" : "no xattrs"), "
                    + "\(image.exportTable ? "export table" : "no export table")")
        }
        for part in row.parts ?? [] {
            lines.append("object \(part.id): \(part.kind ?? "of an unknown kind"), \(part.bytes) bytes")
        }
        for archive in row.archives ?? [] {
            let count = archive.archives == 1 ? "1 archive" : "\(archive.archives) archives"
            let how = archive.compression == "none" ? "not compressed" : archive.compression
            lines.append(
                "at byte \(archive.offset): \(count), \(how), \(archive.entries) entries, \(archive.bytes) bytes unpacked"
            )
        }
        let tree = row.tree
        lines.append(
            "\(tree.files) files, \(tree.directories) directories, \(tree.symlinks) symlinks, \(tree.devices) devices, "
                + "\(tree.others) FIFOs and sockets, \(tree.hardLinks) further hard links")
        let packed = row.packedBytes.map { "\($0) bytes packed, " } ?? ""
        lines.append("\(packed)\(tree.unpackedBytes) bytes unpacked")
        if !tree.kernels.isEmpty {
            lines.append("kernel \(tree.kernels.joined(separator: ", ")), \(tree.kernelModules) kernel modules")
        }
        if let modules = row.dracutModules { lines.append("dracut: \(modules.joined(separator: " "))") }
        lines += list("largest files:", tree.largestFiles) + list("largest directories:", tree.largestDirectories)
        return lines.map(TerminalText.line).joined(separator: "\n") + "\n"
    }

    private static func title(_ row: Inspection) -> String {
        switch row.kind {
        case .tree: return "tree"
        case .initramfs: return "initramfs"
        case .squashfs, .sif:
            let kind = row.kind == .sif ? "SIF, its root squashfs" : "squashfs"
            guard let image = row.image else { return kind }
            let level = image.level.map { ":\($0)" } ?? ""
            return "\(kind), \(image.compression)\(level), blocks of \(image.blockSize) bytes"
        }
    }

    private static func list(_ title: String, _ paths: [TreeAccount.SizedPath]) -> [String] {
        let width = paths.map { "\($0.bytes)".count }.max() ?? 0
        return paths.isEmpty
            ? [] : [title] + paths.map { "  \("\($0.bytes)".leftPadded(to: width))  \($0.path)" }
    }
}
