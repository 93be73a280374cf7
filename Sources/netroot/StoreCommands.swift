import ArgumentParser
import FoundationEssentials
import NetrootConfig
import NetrootEntry
import NetrootRun
import NetrootSite
import NetrootStore
import NetrootSystem

struct ListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the labels and their current generations.",
        discussion: "Example:\n  netroot list --json")

    @OptionGroup var common: CommonOptions
    @OptionGroup var output: JSONOption

    func run() throws {
        let rows = try common.hostsFile().labels.map(LabelRow.init(label:))
        FileWriter.standardOutput.write(output.json ? try JSON.text(rows) : Report.labels(rows))
        // After the others: one label whose generation cannot be read hides none of them.
        if let problem = rows.lazy.compactMap(\.problem).first { throw problem }
    }
}

struct GenerationsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generations", abstract: "List the generations of a label.",
        discussion: "Example:\n  netroot generations debian12")

    @OptionGroup var options: LabelOptions
    @OptionGroup var output: JSONOption

    func run() throws {
        let store = LabelStore(label: try options.load())
        // After the rows: a link that leads nowhere hides none of them.
        let current = Result { try store.currentNumber() }
        var number: Int?
        if case .success(let found) = current { number = found }
        let rows = try store.numbers().map { try GenerationRow($0, of: store, current: $0 == number) }
        FileWriter.standardOutput.write(output.json ? try JSON.text(rows) : Report.generations(rows))
        for row in rows where !row.current { row.problem.map { FileWriter.standardError.write("netroot: \($0)\n") } }
        if let number = try current.get() { _ = try store.generation(number) }
    }
}

struct RollbackCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollback", abstract: "Make an earlier generation the current one.",
        discussion: "Example:\n  netroot rollback debian12      the one before\n  netroot rollback debian12 3")

    @OptionGroup var options: LabelOptions
    @OptionGroup var output: JSONOption
    @Argument(help: "The generation; by default the newest before the current one.")
    var generation: Int?

    func run() throws {
        let label = try options.load()
        let store = LabelStore(label: label)
        let lock = try store.lock(verb: "rollback")
        defer { withExtendedLifetime(lock) {} }
        let target = try store.rollbackTarget(generation) { FileWriter.standardError.write("netroot: \($0)\n") }
        try store.makeCurrent(target)
        let row = GenerationRow(target, current: true)
        FileWriter.standardOutput.write(
            output.json
                ? try JSON.text(row)
                : "\(label.name): generation \(target.number) is current\nnext: netroot install \(label.name)\n")
    }
}

struct GCCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gc", abstract: "Remove old generations.",
        discussion: """
            The current generation stays, and so do the installed one, those in use, and
            those that clients of netroot's own NFS server were last seen with: netroot
            clients LABEL lists them. Of the clients of other servers nothing is known.

            Examples:
              netroot gc debian12 --keep 2 --dry-run
              netroot gc debian12 --keep 2
            """)

    @OptionGroup var options: LabelOptions
    @OptionGroup var output: JSONOption
    @Option(name: .long, help: "How many of the newest generations stay.")
    var keep: Int
    @Option(
        name: .long,
        help: ArgumentHelp(
            "For how long after a client was last seen its generation stays (default: KEEP_CLIENTS of the hosts file, 30).",
            valueName: "days"))
    var keepClients: Int?
    @Flag(name: .long, help: "Print what would be removed, and remove nothing.")
    var dryRun = false
    @Flag(name: .long, help: "Remove what clients were seen with too, also if their record is damaged, missing or new.")
    var force = false

    func validate() throws {
        guard keep >= 0 else { throw ValidationError("--keep has to be 0 or more, not \(keep)") }
        guard keepClients.map(Label.keepClientsRange.contains) ?? true else {
            throw ValidationError(
                "--keep-clients is not a number of days from 0 to \(Label.keepClientsRange.upperBound)")
        }
    }

    func run() async throws {
        let label = try options.load()
        let store = LabelStore(label: label)
        let lock = try store.lock(verb: "gc")
        defer { withExtendedLifetime(lock) {} }
        let days = keepClients ?? label.keepClients
        let rule = CollectionRule(
            keep: keep, keeping: try Installed(label).generations,
            seenSince: days == 0 ? nil : Date(timeIntervalSinceNow: -86_400 * Double(days)),
            expectsRecord: try expectsRecord(label), force: force, dryRun: dryRun)
        let result = try await Interruption.cancelling { try await store.collect(rule, CommandRunner()) }
        let unknown = try unknownServers(of: result, label)
        let row = CollectedRow(
            label: label.name, result, kept: try store.numbers().filter { !result.removed.contains($0) },
            dryRun: dryRun,
            unknown: unknown)
        FileWriter.standardOutput.write(output.json ? try JSON.text(row) : Report.collected(row))
        if !unknown.isEmpty { FileWriter.standardError.write("netroot: \(Report.unknownClients(row))\n") }
    }

    /// Whether the label was installed for the server that records its clients. One that was only built and tested was not.
    private func expectsRecord(_ label: Label) throws -> Bool {
        guard let options = try InstallOptions.last(label) else { return false }
        return try options.server(of: NFS()).recordsClients
    }

    /// How clients may have got what is removed without leaving a trace: by transports whose server keeps no record of them.
    private func unknownServers(of result: Collection, _ label: Label) throws -> [String] {
        let options = try InstallOptions.last(label) ?? InstallOptions()
        return try Transports.shipped.known.filter { result.transports.contains($0.name.rawValue) }
            .filter { try $0.needsServerWhileRunning && !options.server(of: $0).recordsClients }.map {
                $0.name.rawValue
            }
    }
}
