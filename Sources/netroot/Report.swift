import NetrootBuild
import NetrootConfig
import NetrootEntry
import NetrootRun
import NetrootServe
import NetrootSite
import NetrootStore
import NetrootSystem

/// A label, as `list` shows it.
struct LabelRow: Encodable {
    let label: String
    let format: String
    let generation: Int?
    let kernel: String?
    let built: String?
    let netroot: String
    /// Why the current generation cannot be read.
    let problem: StoreError?

    private enum CodingKeys: CodingKey { case label, format, generation, kernel, built, netroot }

    /// One label whose generation cannot be read is no reason to be silent about the others.
    init(label: Label) throws {
        let store = LabelStore(label: label)
        generation = try store.currentNumber()
        let current: Generation?
        do {
            current = try generation.map { try store.generation($0) }
            problem = nil
        } catch let error as StoreError {
            current = nil
            problem = error
        }
        self.label = label.name
        format = label.formats.map(\.rawValue).joined(separator: " ")
        kernel = current?.manifest.kernelVersion
        built = current?.manifest.finished
        netroot = label.netroot
    }
}

/// A generation, as `generations` shows it.
struct GenerationRow: Encodable {
    let label: String
    let generation: Int
    let current: Bool
    let format: String
    let kernel: String
    let packages: Int
    let built: String
    let origin: String
    let directory: String

    init(_ generation: Generation, current: Bool) {
        label = generation.manifest.label
        self.generation = generation.number
        self.current = current
        format = generation.manifest.formats.joined(separator: " ")
        kernel = generation.manifest.kernelVersion
        packages = generation.manifest.packages.count
        built = generation.manifest.finished
        origin = generation.manifest.origin.verb
        directory = generation.directory
    }
}

/// What `gc` did.
struct CollectedRow: Encodable {
    let label: String
    let removed: [Int]
    let inUse: [Int]
    let kept: [Int]
}

/// The words of the plain output.
enum Report {
    static func built(_ label: String, _ generation: Generation) -> String {
        let seconds = generation.manifest.steps.reduce(0) { $0 + $1.seconds }
        return """
            \(label): generation \(generation.number) is current
            kernel \(TerminalText.line(generation.manifest.kernelVersion)), \(generation.manifest.packages.count) packages, \
            \(Progress.decimal(seconds)) s
            \(generation.directory)
            next: netroot install \(label)

            """
    }

    static func upToDate(_ label: String, _ generation: Generation) -> String {
        """
        \(label): generation \(generation.number) is current, and the recipe has not changed since
        \(generation.directory)

        """
    }

    static func shell(_ label: String, _ outcome: Shell.Outcome) -> String {
        switch outcome {
        case .published(let generation): built(label, generation)
        case .dropped(let termination): "\(label): dropped, the shell ended with \(termination)\n"
        case .edited(let generation, _, let rebuilt):
            "\(label): generation \(generation.number) edited in place"
                + (rebuilt ? ", initramfs made anew; netroot install \(label)" : "") + "\n"
        }
    }

    static func packed(_ row: PackRow) -> String {
        let percent = row.unpackedBytes > 0 ? Double(row.bytes) * 100 / Double(row.unpackedBytes) : 100
        return """
            \(row.image)
            \(row.bytes) bytes, \(Progress.decimal(percent)) % of \(row.unpackedBytes); \(row.files) files
            \(row.blocks) blocks, \(row.cachedBlocks) of them from the cache; \(Progress.decimal(row.seconds)) s

            """
    }

    static func labels(_ rows: [LabelRow]) -> String {
        table(
            [["LABEL", "GENERATION", "FORMAT", "KERNEL", "BUILT"]]
                + rows.map {
                    [$0.label, $0.generation.map(String.init) ?? "-", $0.format, $0.kernel ?? "-", $0.built ?? "-"]
                })
    }

    static func generations(_ rows: [GenerationRow]) -> String {
        table(
            [["GENERATION", "KERNEL", "PACKAGES", "BY", "BUILT"]]
                + rows.map {
                    ["\($0.generation)\($0.current ? " *" : "")", $0.kernel, "\($0.packages)", $0.origin, $0.built]
                })
    }

    static func collected(_ row: CollectedRow) -> String {
        func words(_ numbers: [Int]) -> String {
            numbers.isEmpty ? "none" : numbers.map(String.init).joined(separator: " ")
        }
        return "\(row.label): removed \(words(row.removed)), kept \(words(row.kept))"
            + (row.inUse.isEmpty ? "" : ", in use \(words(row.inUse))") + "\n"
    }

    static func boot(_ report: BootReport) -> String {
        var text = "\(report.label): generation \(report.generation), \(report.transport) \(report.form), "
        text += "\(report.firmware) \(report.loader)\n"
        for check in report.checks {
            text +=
                "\(check.passed ? "pass" : "FAIL")  \(check.name.rightPadded(to: 16)) \(TerminalText.line(check.detail))\n"
        }
        for name in ["kernel", "root", "multiUser", "ssh"] {
            if let value = report.seconds[name] {
                text += "\(Progress.decimal(value).leftPadded(to: 6)) s  \(name)\n"
            }
        }
        if let value = report.seconds["server"] {
            text += "\(Progress.decimal(value).leftPadded(to: 6)) s  server CPU\n"
        }
        for (name, value) in report.bytes.sorted(by: { $0.key > $1.key }) { text += "\(value) bytes  \(name)\n" }
        if let console = report.console { text += "console: \(console)\n" }
        return text + "\(report.label): \(report.passed ? "passed" : "FAILED")\n"
    }

    /// The boots of a label by every way: seconds to root and ssh, MiB, and RAM in use.
    static func matrix(_ label: String, _ rows: [BootMatrix.Row]) -> String {
        func seconds(_ value: Double?) -> String { value.map { Progress.decimal($0) } ?? "-" }
        func mebibytes(_ value: Int64?) -> String { value.map { Progress.decimal(Double($0) / 1_048_576) } ?? "-" }
        let header = [
            "TRANSPORT", "ROOT", "FIRMWARE", "LOADER", "RESULT", "KERNEL s", "ROOT s", "SSH s", "BOOT MiB", "ROOT MiB",
            "RAM MiB",
        ]
        let cells = rows.map { row in
            let bytes = row.report?.bytes ?? [:]
            let boot = bytes["tftp"].map { $0 + (bytes["http"] ?? 0) }
            return [
                row.transport, row.form, row.firmware, row.report?.loader ?? "-", row.passed ? "pass" : "FAIL",
                seconds(row.report?.seconds["kernel"]), seconds(row.report?.seconds["root"]),
                seconds(row.report?.seconds["ssh"]), mebibytes(boot), mebibytes(bytes["root"]), mebibytes(bytes["ram"]),
            ]
        }
        var text = table([header] + cells)
        for row in rows where !row.passed {
            for failure in row.failures {
                text += "FAIL  \(row.transport) \(row.form) \(row.firmware): \(TerminalText.line(failure))\n"
            }
            if let console = row.report?.console { text += "console: \(console)\n" }
        }
        let passed = rows.filter(\.passed).count
        return text + "\(label): \(passed) of \(rows.count) passed\n"
    }

    static func probe(_ report: NFSProbe.Report) -> String {
        var text = """
            \(report.server):\(report.path)
            \(report.entries) entries: \(report.directories) directories, \(report.files) files, \
            \(report.symlinks) symlinks; \(report.bytes) bytes
            init: \(TerminalText.line(report.initPath ?? "none"))
            /etc/os-release: \(report.hasOSRelease ? "there" : "missing")

            """
        if report.compared > 0 { text += "compared: \(report.compared) files\n" }
        for difference in report.differences { text += "FAIL  \(TerminalText.line(difference))\n" }
        return text + "\(report.passed ? "passed" : "FAILED"), \(Progress.decimal(report.seconds)) s\n"
    }

    /// Columns as wide as their widest cell.
    static func table(_ given: [[String]]) -> String {
        let rows = given.map { $0.map(TerminalText.line) }
        let columns = rows.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
        return rows.map { row in
            var line = row.enumerated().map { $1.rightPadded(to: widths[$0] + 2) }.joined()
            while line.last == " " { line.removeLast() }
            return line + "\n"
        }.joined()
    }
}
