import NetrootConfig
import NetrootEntry
import NetrootStore
import NetrootSystem

extension ISCSI: ServedTransport {
    func tools(for server: TransportServer) -> [Tool] {
        [Tool("tgtd", package: "tgt"), Tool("tgtadm", package: "tgt")]
    }

    /// Starts tgtd with one read-only target (tgtd(8), tgtadm(8)), on a control socket of its own.
    /// - Throws: `RunError.serverFailed`, `CommandError`, `SystemError`.
    func serve(_ run: ServerRun) async throws -> ServedRoot {
        let image = try run.generation.requirePath(of: run.artifact)
        let port = try LocalPort.free()
        // tgtd of the system keeps 0; the number only has to differ on one socket.
        let control = ["-C", "7"]
        let environment = ["TGT_IPC_SOCKET": run.servers.directory + "/tgtd"]
        let daemon = try await run.servers.start(
            ["tgtd", "-f"] + control + ["--iscsi", "portal=127.0.0.1:\(port)"], name: "tgtd", port: port,
            environment: environment)
        let target = ["--mode", "target", "--tid", "1"]
        let unit = ["--mode", "logicalunit", "--tid", "1", "--lun", "\(ISCSIRoot.unit)"]
        let steps = [
            ["--op", "new"] + target + ["-T", Self.targetName(run.label.name, run.generation.number)],
            ["--op", "new"] + unit + ["-b", image],
            ["--op", "update"] + unit + ["--params", "readonly=1"],
            ["--op", "bind"] + target + ["-I", "ALL"],
        ]
        do {
            for step in steps {
                _ = try await CommandRunner().capture(
                    Command(["tgtadm"] + control + ["--lld", "iscsi"] + step, environment: environment))
            }
        } catch {
            await daemon.stop()
            throw error
        }
        return ServedRoot(root: root(of: try run.offer(port: port)), daemons: [daemon])
    }
}
