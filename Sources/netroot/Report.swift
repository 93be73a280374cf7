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
    /// The least RAM with which a machine boots its rescue archive, in bytes.
    let leastRAM: Int64?
    /// Why the current generation cannot be read.
    let problem: (any Error)?

    private enum CodingKeys: CodingKey { case label, format, generation, kernel, built, netroot, leastRAM, problem }

    /// One label whose generation cannot be read is no reason to be silent about the others.
    init(label: Label) {
        let store = LabelStore(label: label)
        var number: Int?
        var current: Generation?
        do {
            number = try store.currentNumber()
            current = try number.map { try store.generation($0) }
            problem = nil
        } catch {
            problem = error
        }
        generation = number
        self.label = label.name
        format = label.formats.map(\.rawValue).joined(separator: " ")
        kernel = current?.manifest.kernelVersion
        built = current?.manifest.finished
        netroot = label.netroot
        leastRAM = current?.artifact(.rescue)?.archive?.leastRAM
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(label, forKey: .label)
        try container.encode(format, forKey: .format)
        try container.encodeIfPresent(generation, forKey: .generation)
        try container.encodeIfPresent(kernel, forKey: .kernel)
        try container.encodeIfPresent(built, forKey: .built)
        try container.encode(netroot, forKey: .netroot)
        try container.encodeIfPresent(leastRAM, forKey: .leastRAM)
        try container.encodeIfPresent(problem.map { "\($0)" }, forKey: .problem)
    }
}

/// A generation, as `generations` shows it.
struct GenerationRow: Encodable {
    let label: String
    let generation: Int
    let current: Bool
    let directory: String
    // What the manifest says, if it can be read.
    let format: String?
    let kernel: String?
    let packages: Int?
    let built: String?
    let origin: String?
    /// The least RAM with which a machine boots its rescue archive, in bytes.
    let leastRAM: Int64?
    /// Why it cannot be used; nil where it is whole.
    let problem: String?

    init(_ generation: Generation, current: Bool) {
        label = generation.manifest.label
        self.generation = generation.number
        self.current = current
        format = generation.manifest.formats.joined(separator: " ")
        kernel = generation.manifest.kernelVersion
        packages = generation.manifest.packages.count
        built = generation.manifest.finished
        origin = generation.manifest.origin.verb
        leastRAM = generation.artifact(.rescue)?.archive?.leastRAM
        directory = generation.directory
        problem = nil
    }

    /// One that is published, whole or not.
    init(_ number: Int, of store: LabelStore, current: Bool) throws {
        do {
            self.init(try store.generation(number), current: current)
        } catch let error as StoreError {
            self.init(damaged: number, of: store, current: current, problem: error.description)
        }
    }

    private init(damaged number: Int, of store: LabelStore, current: Bool, problem: String) {
        label = store.label
        generation = number
        self.current = current
        directory = "\(store.generationsDirectory)/\(number)"
        (format, kernel, packages, built, origin, leastRAM) = (nil, nil, nil, nil, nil, nil)
        self.problem = problem
    }
}

/// What `gc` did.
struct CollectedRow: Encodable {
    let label: String
    let removed: [Int]
    let inUse: [Int]
    let kept: [Int]
    /// The clients for which generations stay.
    let seen: [ClientRow]
    /// The generations that stay because no record says which clients run them.
    let unrecorded: [Int]
    /// Since when there is a record, where that is not long enough for `unrecorded`.
    let recordedSince: String?
    /// Whether nothing was removed.
    let dryRun: Bool
    /// Transports by which clients may run what is removed, without a trace.
    let unknown: [String]

    init(label: String, _ result: Collection, kept: [Int], dryRun: Bool, unknown: [String]) {
        self.label = label
        removed = result.removed
        inUse = result.inUse
        self.kept = kept
        seen = result.seen.map { ClientRow($0, label: label) }
        unrecorded = result.unrecorded
        recordedSince = result.recordedSince.map(JSON.timestamp)
        self.dryRun = dryRun
        self.unknown = unknown
    }
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

    /// Shown once, and kept nowhere: the root has only the hash.
    static func rootPassword(_ password: String) -> String { "root's password: \(password)\n" }

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
        var blocks = ""
        if let all = row.blocks, let cached = row.cachedBlocks {
            blocks = "\(all) blocks, \(cached) of them from the cache; "
        }
        return """
            \(row.image)
            \(row.bytes) bytes, \(Progress.decimal(percent)) % of \(row.unpackedBytes); \(row.files) files
            \(blocks)\(Progress.decimal(row.seconds)) s

            """
    }

    static func labels(_ rows: [LabelRow]) -> String {
        table(
            [["LABEL", "GENERATION", "FORMAT", "KERNEL", "BUILT"]]
                + rows.map {
                    [
                        $0.label, $0.generation.map(String.init) ?? "-", $0.format,
                        $0.kernel ?? ($0.problem == nil ? "-" : "damaged"), $0.built ?? "-",
                    ]
                })
    }

    static func generations(_ rows: [GenerationRow]) -> String {
        table(
            [["GENERATION", "KERNEL", "PACKAGES", "BY", "BUILT"]]
                + rows.map {
                    let number = "\($0.generation)\($0.current ? " *" : "")"
                    guard $0.problem == nil else { return [number, "damaged", "-", "-", "-"] }
                    return [
                        number, $0.kernel ?? "-", $0.packages.map(String.init) ?? "-", $0.origin ?? "-",
                        $0.built ?? "-",
                    ]
                })
    }

    static func collected(_ row: CollectedRow) -> String {
        let (removed, kept) = row.dryRun ? ("would remove", "keep") : ("removed", "kept")
        let text =
            "\(row.label): \(removed) \(words(row.removed)), \(kept) \(words(row.kept))"
            + (row.inUse.isEmpty ? "" : ", in use \(words(row.inUse))") + "\n"
        return text + seen(row) + unrecorded(row)
    }

    private static func unrecorded(_ row: CollectedRow) -> String {
        guard !row.unrecorded.isEmpty else { return "" }
        let why =
            row.recordedSince.map { "netroot serve has recorded its clients only since \($0), less than a day" }
            ?? "netroot serve has not recorded its clients"
        return "\(words(row.unrecorded)) stay, because clients may run them: \(why)\n"
            + "--force removes them all the same\n"
    }

    private static func seen(_ row: CollectedRow) -> String {
        guard !row.seen.isEmpty else { return "" }
        // The last one of each generation says it.
        var told = Set<Int>()
        let lines = row.seen.filter { told.insert($0.generation).inserted }.map { client in
            let others = Set(row.seen.filter { $0.generation == client.generation }.map(\.address)).count - 1
            return
                "generation \(client.generation) stays for \(client.address ?? "others"), last seen \(client.lastSeen)"
                + (others > 0 ? ", and \(others) more" : "") + "\n"
        }
        return lines.joined()
            + "netroot clients \(row.label) lists the clients; --force removes their generations all the same\n"
    }

    /// What `gc` cannot know of what it removes.
    static func unknownClients(_ row: CollectedRow) -> String {
        let known = "nobody knows the clients by \(row.unknown.joined(separator: ", "))"
        let numbers = words(row.removed)
        return row.dryRun
            ? "\(known): before gc removes \(numbers), make sure that none of them runs one of these"
            : "\(known): boot those anew that still run one of \(numbers)"
    }

    private static func words(_ numbers: [Int]) -> String {
        numbers.isEmpty ? "none" : numbers.map(String.init).joined(separator: " ")
    }

    static func clients(_ rows: [ClientRow]) -> String {
        table(
            [["LABEL", "ADDRESS", "GENERATION", "TRANSPORT", "FIRST SEEN", "LAST SEEN"]]
                + rows.map {
                    [
                        $0.label, $0.address ?? "(\($0.clients) others)", "\($0.generation)", $0.transport,
                        $0.firstSeen,
                        $0.lastSeen,
                    ]
                })
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
