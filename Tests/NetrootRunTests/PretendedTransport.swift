import NetrootConfig
import NetrootEntry
import NetrootStore
import NetrootSystem

@testable import NetrootRun
@testable import NetrootSite

/// A transport that no file of `Sources` knows: whatever is asked of a transport is asked of its type.
struct PretendedTransport: ExportedTransport, ServedTransport {
    let name = TransportName(rawValue: "pigeon")
    let needs = TransportNeeds(
        programs: [.init("pigeon-client", "pigeon-tools", [.rpm: "pigeon"])],
        dracutModules: [.init("pigeon", "dracut-pigeon")], kernelModules: ["rfc1149"])
    let servers = [TransportServer("loft", serves: [.squashfs]), TransportServer("aviary", serves: [.tree])]
    let standardPort: Int? = 1149

    struct Root: BootRoot {
        let text: String
        func arguments(for client: RootClient) -> [String] {
            ["root=pigeon:\(text)", client.rw ? "both-ways" : "one-way"]
        }
    }

    func root(of offer: RootOffer) -> any BootRoot {
        Root(text: "\(offer.address):\(offer.port ?? 0):\(offer.label)-\(offer.generation)")
    }

    func exports(_ offer: ExportOffer) -> [ExportFile] {
        let images = offer.generations.compactMap { $0.path(of: .squashfs) }
        let text = images.map { "carry \($0) to \(offer.clients.joined(separator: " "))\n" }.joined()
        return [
            ExportFile(name: "pigeon.conf", text: text, system: (systemFolder, "netroot-\(offer.label.name).conf"))
        ]
    }

    let systemFolder = "/etc/pigeon.d"
    let reload = "systemctl reload loft"

    func tools(for server: TransportServer) -> [Tool] { [Tool("true", package: "coreutils")] }

    func serve(_ run: ServerRun) async throws -> ServedRoot { ServedRoot(root: root(of: try run.offer(port: 7))) }
}
