import ArgumentParser
import NetrootRun
import NetrootSystem

/// A verb of one label.
protocol LabelVerb: ParsableCommand {
    var options: LabelOptions { get }
    /// Whether it was asked to change nothing.
    var dryRun: Bool { get }
}

extension LabelVerb {
    var dryRun: Bool { false }

    /// Clears away what runs of the label that were killed have left. What is wrong with the hosts file the verb itself tells.
    func removeLeftovers() async {
        guard !dryRun else { return }
        do {
            let leftovers = Leftovers(of: try options.load(), verb: Self.configuration.commandName ?? "netroot")
            await leftovers.remove { FileWriter.standardError.write("netroot: \($0)\n") }
        } catch {
            return
        }
    }
}

extension BuildCommand: LabelVerb {}
extension DiffCommand: LabelVerb {}
extension GCCommand: LabelVerb {}
extension GenerationsCommand: LabelVerb {}
extension InstallCommand: LabelVerb {}
extension RollbackCommand: LabelVerb {}
extension ServeCommand: LabelVerb {}
extension ShellCommand: LabelVerb {}
extension StartCommand: LabelVerb {}
extension TestCommand: LabelVerb {}
