import NetrootConfig
import NetrootEntry
import NetrootStore

extension ISCSI: ExportedTransport {
    /// For tgt; Debian's configuration includes `/etc/tgt/conf.d`.
    func exports(_ offer: ExportOffer) throws -> [ExportFile] {
        let label = offer.label.name
        let config = try TargetConfig.rendered(
            images: offer.generations.compactMap { generation in
                generation.path(of: .squashfs).map { (Self.targetName(label, generation.number), $0) }
            }, clients: offer.clients)
        return [
            ExportFile(
                name: "netroot-\(label).tgt", text: config, system: (systemFolder, "netroot-\(label).conf"))
        ]
    }

    var systemFolder: String { "/etc/tgt/conf.d" }

    var reload: String { "tgt-admin --execute" }
}
