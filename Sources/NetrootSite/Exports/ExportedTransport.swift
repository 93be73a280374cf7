import NetrootConfig
import NetrootEntry
import NetrootStore

/// A transport with a server that has to be told of the root: what an install writes for it.
protocol ExportedTransport: Transport {
    /// The files that tell the server, in the order in which they are written, and those that must not be there.
    /// - Throws: `ExportsFileError`, `SharedConfigError` for what the server's syntax cannot hold.
    func exports(_ offer: ExportOffer) throws -> [ExportFile]
    /// The folder of the system in which its servers are told of roots.
    var systemFolder: String { get }
    /// Whether a server has to be told; netroot's own reads the generations themselves.
    func isTold(_ server: TransportServer) -> Bool
    /// The command with which the system's server reads its files anew.
    var reload: String { get }
}

extension ExportedTransport {
    func isTold(_ server: TransportServer) -> Bool { true }
}

/// What is offered to whom.
struct ExportOffer: Sendable {
    let label: Label
    /// Running clients keep the generation that they booted, so all of them are offered.
    let generations: [Generation]
    /// Which of the transport's servers has the root.
    let server: TransportServer
    /// As `InstallOptions.clients`, and at least one.
    let clients: [String]
}

/// A file that a server reads.
struct ExportFile: Sendable, Equatable {
    /// Its name beside the generations.
    let name: String
    /// Nil: there must be no such file. One that netroot wrote is removed.
    let text: String?
    /// The system's folder that the server reads, and the file's name there; nil: the file beside the generations is
    /// named by another one.
    var system: (folder: String, name: String)?

    static func == (one: ExportFile, other: ExportFile) -> Bool {
        one.name == other.name && one.text == other.text && one.system?.folder == other.system?.folder
            && one.system?.name == other.system?.name
    }
}
