import NetrootConfig
import NetrootSite
import NetrootSystem

extension InstallCommand {
    /// What stands in the place of a transport.
    static let grubWord = "grub"

    var isForGRUB: Bool { transport.contains { $0.rawValue == Self.grubWord } }

    /// Throws for options that do not go with GRUB, or with anything else.
    func checkGRUBOptions() throws {
        let example = "netroot install \(options.label) grub --boot /boot"
        guard isForGRUB else {
            guard boot == nil, !remove else {
                throw OptionError(problem: "\(remove ? "--remove" : "--boot") is for grub", hint: example)
            }
            return
        }
        guard transport.count == 1, short.transport == nil else {
            throw OptionError(problem: "grub goes with no transport", hint: example)
        }
        guard boot != nil else {
            throw OptionError(problem: "grub needs the directory that holds GRUB's", hint: example)
        }
        let given: [(String, Bool)] = [
            ("--address", address != nil), ("--port", port != nil), ("--server", server != nil),
            ("--http-port", httpPort != nil), ("--client", !client.isEmpty), ("--no-default", noDefault),
            ("--system", system), ("--append", remove && !append.isEmpty), ("--no-append", remove && noAppend),
        ]
        for (option, isGiven) in given where isGiven {
            throw OptionError(
                problem: "\(option) is not for grub\(remove ? " --remove" : "")", hint: "leave it out")
        }
    }

    /// Puts the label beside a GRUB, or takes it away, and says how the machine boots it.
    func runGRUB(_ label: Label) async throws {
        let appended = noAppend || !append.isEmpty ? try append.map(CommonOptions.absolute) : nil
        var once = GRUBOnce(label: label, boot: try CommonOptions.absolute(boot ?? ""), append: appended)
        once.memory = try Self.memory()
        let ready = once
        let plan =
            if remove {
                try await dryRun ? ready.removal() : Interruption.cancelling { try await ready.remove() }
            } else {
                try await dryRun ? ready.plan() : Interruption.cancelling { try await ready.install() }
            }
        for note in plan.notes { FileWriter.standardError.write("netroot: \(note)\n") }
        FileWriter.standardOutput.write(try await plan.report(dryRun: dryRun))
        if !remove, !dryRun { FileWriter.standardOutput.write("next: \(try ready.next())\n") }
    }

    /// This machine's RAM in bytes (proc(5), `/proc/meminfo`); nil where it does not say.
    private static func memory() throws -> Int64? {
        let words = try Files.text("/proc/meminfo").split(separator: "\n").first { $0.hasPrefix("MemTotal:") }?
            .split(separator: " ")
        return words.flatMap { $0.count > 1 ? Int64($0[1]) : nil }.map { $0 << 10 }
    }
}
