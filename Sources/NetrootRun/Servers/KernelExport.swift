import NetrootSite
import NetrootSystem

/// An export of the host's kernel NFS server (exportfs(8)).
struct KernelExport: Sendable, Codable, Equatable {
    var directory: String
    /// Who may mount it.
    var client: String
    /// exports(5).
    var options: String

    static let tools = [
        Tool("exportfs", package: "nfs-kernel-server"), Tool("rpc.nfsd", package: "nfs-kernel-server"),
    ]

    /// The export that QEMU's user network needs: it comes from this host, from any port.
    static func local(_ directory: String, readWrite: Bool) -> KernelExport {
        KernelExport(
            directory: directory, client: "127.0.0.1",
            options: ExportsFile.options(rw: readWrite, unprivilegedPorts: true))
    }

    /// Whether this kernel has a running NFS server.
    /// - Throws: `RunError.noKernelServer`, `MissingError`.
    static func requireServer() throws {
        try Tool.require(tools)
        let threads = "/proc/fs/nfsd/threads"
        guard Files.exists(threads), try Files.text(threads).contains(where: { ("1"..."9").contains($0) }) else {
            throw RunError.noKernelServer(reason: "this kernel has no running nfsd (\(threads))")
        }
    }

    /// Exports the directory.
    /// - Throws: `CommandError`.
    func add() async throws {
        _ = try await CommandRunner().capture(Command(["exportfs", "-o", options, "\(client):\(directory)"]))
    }

    /// Takes the export back; one that is not there is no error.
    /// - Throws: `CommandError`.
    func remove() async throws {
        let active = try await CommandRunner().capture(Command(["exportfs", "-s"]))
        let mine = active.split(separator: "\n").contains { line in
            let words = line.split(whereSeparator: \.isWhitespace)
            return words.count > 1 && words[0] == directory && words[1].hasPrefix(client + "(")
        }
        guard mine else { return }
        _ = try await CommandRunner().capture(Command(["exportfs", "-u", "\(client):\(directory)"]))
    }
}
