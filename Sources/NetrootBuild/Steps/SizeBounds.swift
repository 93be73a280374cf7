import NetrootConfig
import NetrootStore
import NetrootSystem
import NetrootTree

/// `MAX_SIZE` and `MAX_RAM`: what the artifacts of a generation may take.
struct SizeBounds: Sendable, Equatable {
    let size: Int64?
    let ram: Int64?

    init(of label: Label) {
        size = label.maxSize
        ram = label.maxRAM
    }

    /// The first artifact that is larger than it may be: each image and archive of the root counts, or the tree where the
    /// root is nothing else.
    func exceeded(by artifacts: [Manifest.Artifact]) -> SizeBoundError? {
        let roots = artifacts.filter { $0.kind == .squashfs || $0.kind == .rescue }
        for artifact in roots.isEmpty ? artifacts.filter({ $0.kind == .tree }) : roots {
            if let size, artifact.bytes > size {
                return SizeBoundError(key: "MAX_SIZE", what: "\(artifact.path) has", bytes: artifact.bytes, most: size)
            }
            if let ram, let least = artifact.archive?.leastRAM, least > ram {
                return SizeBoundError(key: "MAX_RAM", what: "\(artifact.path) needs", bytes: least, most: ram)
            }
        }
        return nil
    }
}

/// An artifact is larger than the label lets it be.
struct SizeBoundError: ReportableError, Equatable {
    let key: String
    /// The artifact, and the verb.
    let what: String
    let bytes: Int64
    let most: Int64

    var exitStatus: ExitStatus { .failed }

    var description: String {
        "\(what) \(Self.mebibytes(bytes)), more than \(key) = \(Self.mebibytes(most)); "
            + "take from what is listed above, by the recipe, REMOVE_FILES or KERNEL_MODULES, or raise \(key)"
    }

    private static func mebibytes(_ bytes: Int64) -> String {
        // Rounded up, so that what is too large by a byte is not told as equal.
        let tenths = (bytes * 10 + 1_048_575) / 1_048_576
        return "\(tenths / 10).\(tenths % 10) MiB"
    }
}

extension TreeAccount {
    /// Lines on what takes most of a root: packages, modules, firmware, files.
    static func largestParts(of root: String, _ packages: [Manifest.Package]) throws -> [String] {
        let account = try TreeAccount(directory: root)
        let sized = packages.filter { $0.bytes ?? 0 > 0 }.sorted { ($0.bytes ?? 0, $1.name) > ($1.bytes ?? 0, $0.name) }
            .prefix(standardShown).map { (name: $0.name, bytes: $0.bytes ?? 0) }
        func parts(_ paths: [SizedPath]) -> [(name: String, bytes: Int64)] {
            paths.map { ($0.path, Int64(clamping: $0.bytes)) }
        }
        let groups = [
            ("largest packages", sized), ("largest directories of kernel modules", parts(account.largestModules)),
            ("largest firmware", parts(account.largestFirmware)), ("largest files", parts(account.largestFiles)),
        ]
        return groups.filter { !$0.1.isEmpty }.flatMap { title, rows in
            ["\(title):"] + rows.map { "\(Shrink.size($0.bytes).leftPadded(to: 10))  \(TerminalText.line($0.name))" }
        }
    }
}
