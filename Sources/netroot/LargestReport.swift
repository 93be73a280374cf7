import NetrootConfig
import NetrootStore
import NetrootSystem
import NetrootTree

/// What takes most of a root, as `inspect --largest` shows it.
struct LargestRow: Encodable, Sendable {
    /// What was looked at.
    let path: String
    /// The sizes of all regular files, hard links once.
    let unpackedBytes: UInt64
    /// By the manifest; nil without one.
    let packages: [Package]?
    /// Directories of kernel modules.
    let modules: [TreeAccount.SizedPath]
    let firmware: [TreeAccount.SizedPath]
    let directories: [TreeAccount.SizedPath]
    let files: [TreeAccount.SizedPath]

    /// A package, and the sizes of its files that are in the root.
    struct Package: Encodable, Sendable {
        let name: String
        let bytes: Int64
    }

    init(_ inspection: Inspection, packages: [Package]?) {
        path = inspection.path
        unpackedBytes = inspection.tree.unpackedBytes
        self.packages = packages
        modules = inspection.tree.largestModules
        firmware = inspection.tree.largestFirmware
        directories = inspection.tree.largestDirectories
        files = inspection.tree.largestFiles
    }

    /// Of a generation the tree where it has one, else the image or the archive, and the packages of its manifest.
    init(_ generation: Generation, count: Int) async throws {
        let packages = generation.manifest.packages.compactMap { package in
            package.bytes.map { Package(name: package.name, bytes: $0) }
        }.sorted { ($1.bytes, $0.name) < ($0.bytes, $1.name) }
        let inspection: Inspection
        if let tree = generation.path(of: .tree) {
            inspection = try Inspection(tree: tree, shown: count)
        } else if let image = generation.path(of: .squashfs) {
            inspection = try await Inspection(file: image, shown: count)
        } else {
            let archive = try generation.requirePath(of: .rescue)
            inspection = try await Inspection(rescueArchive: archive, shown: count)
        }
        self.init(inspection, packages: Array(packages.prefix(count)))
    }
}

/// The words of `inspect --largest`.
enum LargestReport {
    static func text(_ row: LargestRow) -> String {
        let groups = [
            ("packages", (row.packages ?? []).map { ($0.name, UInt64(clamping: $0.bytes)) }),
            ("directories of kernel modules", row.modules.map { ($0.path, $0.bytes) }),
            ("firmware", row.firmware.map { ($0.path, $0.bytes) }),
            ("directories", row.directories.map { ($0.path, $0.bytes) }),
            ("files", row.files.map { ($0.path, $0.bytes) }),
        ]
        var lines = ["\(row.path): \(row.unpackedBytes) bytes unpacked"]
        for (title, rows) in groups where !rows.isEmpty {
            let width = rows.map { "\($0.1)".count }.max() ?? 0
            lines += ["largest \(title):"] + rows.map { "  \("\($0.1)".leftPadded(to: width))  \($0.0)" }
        }
        return lines.map(TerminalText.line).joined(separator: "\n") + "\n"
    }
}
