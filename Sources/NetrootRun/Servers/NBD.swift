import Glibc
import NetrootConfig
import NetrootEntry
import NetrootSite
import NetrootStore
import NetrootSystem

extension NBD: ServedTransport {
    func tools(for server: TransportServer) -> [Tool] { [Tool("nbd-server", package: "nbd-server")] }

    /// Starts nbd-server with one export.
    /// - Throws: `RunError.serverFailed`, `SystemError`, `SharedConfigError`.
    func serve(_ run: ServerRun) async throws -> ServedRoot {
        let port = try LocalPort.free()
        let export = NBDServerConfig.Export(
            name: Self.exportName(run.label.name, run.generation.number),
            image: try run.generation.requirePath(of: run.artifact))
        let config = NBDServerConfig(listen: ("127.0.0.1", port), exports: [export])
        let directory = run.servers.directory
        let path = directory + "/nbd-server.conf"
        try Files.replace(path, with: Array(try config.rendered().utf8))
        // A PID namespace, since the server and the processes that it forks for clients have to end with netroot.
        let user = geteuid() == 0 ? [] : ["--user", "--map-current-user"]
        let argv =
            ["unshare"] + user + [
                "--pid", "--fork", "--kill-child=KILL", "--", run.servers.shipped.libexec + "/nbd-server-foreground",
                directory + "/nbd-server.pid", "-C", path,
            ]
        let daemon = try await run.servers.start(argv, name: "nbd-server", port: port)
        return ServedRoot(root: root(of: try run.offer(port: port)), daemons: [daemon])
    }
}
