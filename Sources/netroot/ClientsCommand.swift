import ArgumentParser
import FoundationEssentials
import NetrootConfig
import NetrootStore
import NetrootSystem

struct ClientsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clients", abstract: "List the clients that were seen, and with which generation.",
        discussion: """
            Those of netroot's own NFS server: netroot serve writes them down, and gc
            leaves their generations alone. Of the clients of other servers (the
            kernel's nfsd, nbd-server, nginx, tgt) nothing is known.

            Examples:
              netroot clients
              netroot clients debian12 --json
            """)

    @OptionGroup var common: CommonOptions
    @Argument(help: "The label, a section of the hosts file (default: all labels).")
    var label: String?
    @OptionGroup var output: JSONOption

    func run() throws {
        let hosts = try common.hostsFile()
        let labels = try label.map { [try hosts.label($0)] } ?? hosts.labels
        var rows: [ClientRow] = []
        var problem: (any Error)?
        for label in labels {
            let store = LabelStore(label: label)
            do {
                rows += try store.clients().entries.map { ClientRow($0, label: label.name) }
            } catch {
                problem = problem ?? error
            }
        }
        if let problem, labels.count == 1 { throw problem }
        FileWriter.standardOutput.write(output.json ? try JSON.text(rows) : Report.clients(rows))
        // After the others: one label whose record cannot be read hides none of them.
        if let problem { throw problem }
    }
}

/// A client and a generation, as `clients` shows them.
struct ClientRow: Encodable {
    let label: String
    /// Nil for all those that the record has no room for.
    let address: String?
    let generation: Int
    let firstSeen: String
    let lastSeen: String
    let transport: String
    /// How many clients the row stands for, at most.
    let clients: Int

    init(_ entry: ClientRecord.Entry, label: String) {
        self.label = label
        address = entry.address
        generation = entry.generation
        firstSeen = JSON.timestamp(entry.firstSeen)
        lastSeen = JSON.timestamp(entry.lastSeen)
        transport = ClientRecord.transport
        clients = entry.clients
    }
}
