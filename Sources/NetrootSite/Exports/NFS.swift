import NetrootConfig
import NetrootEntry
import NetrootStore

extension NFS: ExportedTransport {
    /// For the kernel's nfsd, which exports directories.
    func exports(_ offer: ExportOffer) throws -> [ExportFile] {
        let file = ExportsFile(
            label: offer.label.name,
            directories: offer.generations.filter { $0.artifact(.tree) != nil }.map(\.exportPath),
            clients: offer.clients, rw: offer.label.rw)
        return [
            ExportFile(name: file.fileName, text: try file.rendered(), system: ("/etc/exports.d", file.fileName))
        ]
    }

    var reload: String { "exportfs -ra" }
}
