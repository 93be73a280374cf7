import NetrootConfig
import NetrootEntry
import NetrootStore

/// A transport with a server that has to be told of the root: what an install writes for it.
protocol ExportedTransport: Transport {
    /// The files that tell the server, in the order in which they are written.
    /// - Throws: `ExportsFileError`, `SharedConfigError` for what the server's syntax cannot hold.
    func exports(_ offer: ExportOffer) throws -> [ExportFile]
    /// The command with which the system's server reads its files anew.
    var reload: String { get }
}

/// What is offered to whom.
struct ExportOffer: Sendable {
    let label: Label
    /// Running clients keep the generation that they booted, so all of them are offered.
    let generations: [Generation]
    /// As `InstallOptions.clients`.
    let clients: [String]
}

/// A file that a server reads.
struct ExportFile: Sendable, Equatable {
    /// Its name beside the generations.
    let name: String
    let text: String
    /// The system's folder that the server reads, and the file's name there; nil: the file beside the generations is
    /// named by another one.
    var system: (folder: String, name: String)?

    static func == (one: ExportFile, other: ExportFile) -> Bool {
        one.name == other.name && one.text == other.text && one.system?.folder == other.system?.folder
            && one.system?.name == other.system?.name
    }
}
