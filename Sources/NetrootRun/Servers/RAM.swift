import NetrootEntry
import NetrootSystem

extension RAM: ServedTransport {
    var demanded: DemandedChecks { .inRAM }

    func tools(for server: TransportServer) -> [Tool] { [] }

    /// The root comes with the boot files.
    func serve(_ run: ServerRun) async throws -> ServedRoot { ServedRoot(root: root(of: try run.offer(port: nil))) }
}
