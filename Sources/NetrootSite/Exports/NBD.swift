import NetrootConfig
import NetrootEntry
import NetrootStore

extension NBD: ExportedTransport {
    /// For nbd-server; `/etc/nbd-server/conf.d` is the `includedir` of Debian's configuration.
    func exports(_ offer: ExportOffer) throws -> [ExportFile] {
        let label = offer.label.name
        var files: [ExportFile] = []
        var authFile: String?
        if offer.clients != ["*"] {
            for client in offer.clients where AddressRange(client) == nil { throw ExportsFileError.badClient(client) }
            let name = "netroot-\(label).nbd-clients"
            files.append(ExportFile(name: name, text: offer.clients.joined(separator: "\n") + "\n"))
            authFile = "\(offer.label.netroot)/\(name)"
        }
        let config = NBDServerConfig(
            listen: nil,
            exports: offer.generations.compactMap { generation in
                generation.path(of: .squashfs).map {
                    .init(name: Self.exportName(label, generation.number), image: $0)
                }
            }, authFile: authFile)
        files.append(
            ExportFile(
                name: "netroot-\(label).nbd", text: try config.rendered(),
                system: (systemFolder, "netroot-\(label).conf")))
        return files
    }

    var systemFolder: String { "/etc/nbd-server/conf.d" }

    /// Debian's unit has no reload, and a restart would cut off running clients.
    var reload: String { "/etc/init.d/nbd-server reload" }
}
