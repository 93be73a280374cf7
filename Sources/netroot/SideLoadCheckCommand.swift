import ArgumentParser
import NetrootConfig
import NetrootStore
import NetrootSystem
import NetrootTree

struct SideLoadCheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Say what side-loads make of an image, and refuse what hurts.",
        discussion: """
            The image is a rescue archive, an initramfs, a generation's directory, or a
            label, which means its current generation. What has a slash in it is a path.

            What is added, replaced, deleted and kept goes to standard output, every reason
            against the side-loads to standard error. With a reason the exit status is 1.

            Examples:
              netroot sideload check rescue site.cpio.zst
              netroot sideload check rescue.cpio.zst site.cpio.zst host.cpio.zst --json
            """)

    @OptionGroup var common: CommonOptions
    @OptionGroup var output: JSONOption
    @Argument(help: ArgumentHelp("An archive, a generation's directory, or a label.", valueName: "image"))
    var image: String
    @Argument(help: ArgumentHelp("Side-loads, in their order.", valueName: "sideload"), completion: .file())
    var sideloads: [String]

    func run() async throws {
        let subject = try SideLoadSubject(image, common)
        let report = try await Interruption.cancelling { try await subject.check(sideloads) }
        FileWriter.standardOutput.write(output.json ? try JSON.text(report) : SideLoadText.changes(report))
        try SideLoadText.refuse(report)
    }
}

/// The image that side-loads are checked with: a file, or a generation that is held as long as it is read.
struct SideLoadSubject: Sendable {
    let target: SideLoadTarget
    private let name: String
    private let hold: GenerationHold?

    /// - Parameter name: a path, or a label.
    init(_ name: String, _ common: CommonOptions) throws {
        self.name = name
        let generation = try Self.generation(name, common)
        hold = try generation?.hold()
        guard let generation else {
            target = SideLoadTarget(archive: try CommonOptions.absolute(name))
            return
        }
        if let rescue = generation.path(of: .rescue) {
            target = SideLoadTarget(archive: rescue)
            return
        }
        let tree = generation.path(of: .tree).map { SideLoadTarget.Root.tree($0) }
        let root = tree ?? generation.path(of: .squashfs).map { .image($0) }
        target = SideLoadTarget(archive: try generation.requirePath(of: .initramfs), root: root)
    }

    private static func generation(_ name: String, _ common: CommonOptions) throws -> Generation? {
        if !name.contains("/") {
            do {
                return try LabelStore(label: try common.hostsFile().label(name)).current()
            } catch let error where error is ConfigError || error is HostsFileMissing {
                // A wrong hosts file, or none, is no reason not to look at a file.
                guard Files.exists(name) else { throw error }
            }
        }
        let path = try CommonOptions.absolute(name)
        return Files.isDirectory(path) ? try Generation(directory: path) : nil
    }

    func check(_ sideLoads: [String]) async throws -> SideLoadReport {
        let report = try await SideLoadCheck(target, image: name, sideLoads: sideLoads).run()
        withExtendedLifetime(hold) {}
        return report
    }
}

/// The words of `sideload check` and `sideload join`.
enum SideLoadText {
    static func changes(_ report: SideLoadReport) -> String {
        let rows = report.changes.map { change in
            let owner = change.uid.flatMap { uid in change.gid.map { "\(uid):\($0)" } } ?? ""
            let target = change.target.map { " -> \($0)" } ?? ""
            return [change.action.rawValue, change.mode ?? "", owner, change.path + target]
        }
        let widths = (0..<3).map { column in rows.map { $0[column].count }.max() ?? 0 }
        let lines = rows.map { row in
            (0..<3).map { row[$0] + String(repeating: " ", count: widths[$0] - row[$0].count) }
                .filter { !$0.isEmpty }.joined(separator: "  ") + "  " + row[3]
        }
        return lines.map { $0 + "\n" }.joined()
    }

    /// Tells what is no error.
    static func tell(_ notes: [String]) {
        for note in notes { FileWriter.standardError.write("netroot: \(TerminalText.line(note))\n") }
    }

    /// Tells every note and every reason; with a reason the command ends.
    /// - Throws: `ExitCode`.
    static func refuse(_ report: SideLoadReport) throws {
        tell(report.notes)
        for refusal in report.refusals {
            FileWriter.standardError.write("netroot: \(TerminalText.line(refusal.text))\n")
        }
        if !report.refusals.isEmpty { throw ExitCode(ExitStatus.failed.rawValue) }
    }
}
