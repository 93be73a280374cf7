import NetrootConfig
import NetrootEntry
import NetrootStore

extension NFS: ExportedTransport {
    /// For the kernel's nfsd, which exports directories. netroot's own server reads no file, and what nfsd would export
    /// beside it, it would export to whoever asks.
    func exports(_ offer: ExportOffer) throws -> [ExportFile] {
        let file = ExportsFile(
            label: offer.label.name,
            directories: offer.generations.filter { $0.artifact(.tree) != nil }.map(\.exportPath),
            clients: offer.clients, rw: offer.label.rw)
        return [
            ExportFile(
                name: file.fileName, text: isTold(offer.server) ? try file.rendered() : nil,
                system: (systemFolder, file.fileName))
        ]
    }

    var systemFolder: String { "/etc/exports.d" }

    func isTold(_ server: TransportServer) -> Bool { server == Self.kernel }

    var reload: String { "exportfs -ra" }
}
