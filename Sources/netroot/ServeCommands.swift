import ArgumentParser
import NetrootConfig
import NetrootEntry
import NetrootRun
import NetrootServe
import NetrootSite
import NetrootStore
import NetrootSystem

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Serve the label's generations by NFS until a signal.",
        discussion: """
            NFSv3 and MOUNT on one TCP port, read-only. A generation that is built later is served too, and a client
            keeps the one that it booted.

            Example:
              netroot serve debian12 --address 192.168.7.1 --client 192.168.7.0/24
            """)

    @OptionGroup var options: LabelOptions
    @Option(name: .long, help: "The IPv4 or IPv6 address to listen on.")
    var address = "127.0.0.1"
    @Option(name: .long, help: "The TCP port; 0 for any that is free.")
    var port = 2049
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Who may connect: an address, a network, or any (default: those of install); may be repeated."))
    var client: [String] = []
    @Option(
        name: .long,
        help: ArgumentHelp("MiB of replies that wait for clients, of all together.", valueName: "mib"))
    var replyMemory = NFSLimits().replyBytes >> 20
    @Option(
        name: .long,
        help: ArgumentHelp("Connections from one address.", valueName: "number"))
    var connectionsPerClient = NFSLimits().connectionsPerClient

    func validate() throws {
        guard (0...65535).contains(port) else { throw ValidationError("--port \(port) is not between 0 and 65535") }
        guard (4...65536).contains(replyMemory) else {
            throw ValidationError("--reply-memory \(replyMemory) is not between 4 and 65536 (MiB)")
        }
        guard (1...65536).contains(connectionsPerClient) else {
            throw ValidationError("--connections-per-client \(connectionsPerClient) is not between 1 and 65536")
        }
    }

    private var limits: NFSLimits {
        var limits = NFSLimits()
        limits.replyBytes = replyMemory << 20
        limits.connectionsPerClient = connectionsPerClient
        return limits
    }

    func run() async throws {
        let label = try options.load()
        let listen = address.hasPrefix("[") && address.hasSuffix("]") ? String(address.dropFirst().dropLast()) : address
        let serving = Serving(label: label, address: listen, port: port, clients: client, limits: limits)
        try await Interruption.cancelling { try await serving.run { FileWriter.standardOutput.write($0 + "\n") } }
    }
}

struct ProbeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "probe", abstract: "Mount an NFS export as a client would, walk it, and check it.",
        discussion: """
            Example:
              netroot probe 127.0.0.1:2049:/srv/netroots/debian12/generations/7/tree/root
            """)

    @OptionGroup var common: CommonOptions
    @Argument(help: "HOST:PORT:/PATH")
    var export: String
    @Option(name: .long, help: "A directory that the export is compared with, by a sample of files.")
    var tree: String?
    @OptionGroup var output: JSONOption

    func run() throws {
        let probe = NFSProbe(target: try NFSTarget(parsing: export), localTree: tree)
        let report = try probe.run()
        FileWriter.standardOutput.write(output.json ? try JSON.text(report) : Report.probe(report))
        if !report.passed { throw ExitCode(ExitStatus.failed.rawValue) }
    }
}
