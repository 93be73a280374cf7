import ArgumentParser
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
        let current = try store.currentNumber()
        let stored = try store.usable()
        let rows = stored.generations.map { GenerationRow($0, current: $0.number == current) }
        FileWriter.standardOutput.write(output.json ? try JSON.text(rows) : Report.generations(rows))
        if let current { _ = try store.generation(current) }
        for error in stored.damaged { FileWriter.standardError.write("netroot: \(error)\n") }
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
        let target = try store.rollbackTarget(generation)
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
            The current generation stays, and so do the installed one and those in use.

            Example:
              netroot gc debian12 --keep 2
            """)

    @OptionGroup var options: LabelOptions
    @OptionGroup var output: JSONOption
    @Option(name: .long, help: "How many of the newest generations stay.")
    var keep: Int

    func validate() throws {
        guard keep >= 0 else { throw ValidationError("--keep has to be 0 or more, not \(keep)") }
    }

    func run() async throws {
        let label = try options.load()
        let store = LabelStore(label: label)
        let lock = try store.lock(verb: "gc")
        defer { withExtendedLifetime(lock) {} }
        let installed = try Installed(label).generations
        let keep = keep
        let result = try await Interruption.cancelling {
            try await store.collect(keep: keep, keeping: installed, CommandRunner())
        }
        let row = CollectedRow(
            label: label.name, removed: result.removed, inUse: result.inUse, kept: try store.numbers())
        FileWriter.standardOutput.write(output.json ? try JSON.text(row) : Report.collected(row))
    }
}
