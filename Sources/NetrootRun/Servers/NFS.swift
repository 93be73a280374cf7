import Glibc
import NetrootConfig
import NetrootEntry
import NetrootServe
import NetrootStore
import NetrootSystem

extension NFS: ServedTransport {
    func tools(for server: TransportServer) -> [Tool] { server == Self.kernel ? KernelExport.tools : [] }

    func check(_ server: TransportServer) throws {
        if server == Self.kernel { try KernelExport.requireServer() }
    }

    func hostExports(_ run: ServerRun) -> [KernelExport] {
        guard run.server == Self.kernel, run.running == nil else { return [] }
        return [.local(run.generation.exportPath, readWrite: run.label.rw)]
    }

    func serve(_ run: ServerRun) async throws -> ServedRoot {
        if let running = run.running {
            return ServedRoot(
                root: NFSRoot(
                    server: run.address, path: running.path ?? run.generation.exportPath, port: running.port,
                    mountPort: running.mountPort))
        }
        guard run.server == Self.own else {
            for export in hostExports(run) { try await export.add() }
            return ServedRoot(root: root(of: try run.offer(port: nil)))
        }
        let server = try await NFSServer.start(
            exports: [try Export(run.generation, run.artifact)], provider: nil, address: "127.0.0.1", port: 0)
        return ServedRoot(root: root(of: try run.offer(port: server.port)), server: server)
    }
}

extension Export {
    /// A generation as netroot's own server offers it. The path is the same for tree and image: it is what clients mount.
    /// - Throws: `StoreError.lacks`.
    init(_ generation: Generation, _ kind: ArtifactKind) throws {
        let path = try generation.requirePath(of: kind)
        if kind == .tree {
            self.init(path: generation.exportPath, directory: path, generation: UInt32(generation.number))
        } else {
            self.init(path: generation.exportPath, image: path, generation: UInt32(generation.number))
        }
    }

    /// A generation by the artifact that the server prefers of those that there are; nil where it can serve none.
    init?(_ generation: Generation) throws {
        let kinds = NFS.own.serves.filter { generation.artifact($0) != nil }
        // Only its owner enters a tree; a server of another user has the image, if there is one.
        let readable = kinds.first { kind in generation.path(of: kind).map { access($0, R_OK) == 0 } ?? false }
        guard let kind = readable ?? kinds.first else { return nil }
        try self.init(generation, kind)
    }
}
