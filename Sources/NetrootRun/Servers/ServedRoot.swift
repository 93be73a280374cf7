import NetrootEntry
import NetrootServe
import NetrootSystem

/// A root that is being served, and the servers of this run.
struct ServedRoot: Sendable {
    /// Where the client finds it.
    let root: any BootRoot
    /// netroot's own NFS server, where it serves.
    var server: NFSServer?
    /// Servers in processes of their own.
    var daemons: [Daemon] = []
    /// The log in which nginx counts what it sent; nil without nginx.
    var accessLog: String?
    /// The URL of the boot files as the client reaches them; nil without nginx.
    var httpBase: String?

    /// Stops every server.
    /// - Throws: `ServeError`.
    func stop() async throws {
        for daemon in daemons { await daemon.stop() }
        try await server?.stop()
    }

    /// The same after an error, which stays the one that is told.
    func stop(after error: any Error, note: @Sendable (String) -> Void) async {
        do {
            try await uncancelled { try await stop() }
        } catch let second {
            note("the NFS server did not stop: \(second)")
        }
    }

    /// Bytes that nginx has sent for requests whose path ends with one of these names.
    /// - Throws: `SystemError`.
    func httpBytes(where include: (Substring) -> Bool) throws -> Int64 {
        guard let accessLog, Files.exists(accessLog) else { return 0 }
        return try Files.text(accessLog).split(separator: "\n").reduce(0) { sum, line in
            let words = line.split(separator: " ", maxSplits: 2)
            guard words.count == 3, include(words[2]), let bytes = Int64(words[1]) else { return sum }
            return sum + bytes
        }
    }
}
