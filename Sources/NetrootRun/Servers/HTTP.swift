import NetrootEntry
import NetrootStore
import NetrootSystem

extension HTTP: ServedTransport {
    /// The HTTP server of the boot files is asked for by `overHTTP`.
    func tools(for server: TransportServer) -> [Tool] { [] }

    /// Puts the image beside the boot files.
    /// - Throws: `SystemError`, `StoreError`.
    func serve(_ run: ServerRun) async throws -> ServedRoot {
        let image = try run.generation.requirePath(of: run.artifact)
        try Files.replaceLink("\(run.servers.bootFiles)/\(RootServers.imageName)", target: image)
        return ServedRoot(root: root(of: try run.offer(port: nil)))
    }
}
