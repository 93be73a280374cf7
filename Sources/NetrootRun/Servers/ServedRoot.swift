import Glibc
import NetrootConfig
import NetrootEntry
import NetrootServe
import NetrootSite
import NetrootStore
import NetrootSystem

/// An NFS server that listens on 127.0.0.1 already and serves the label's root.
public struct RunningServer: Sendable, Equatable {
    /// Its port.
    public var port: Int
    /// The port of its MOUNT service; nil: the same.
    public var mountPort: Int?
    /// The path by which it exports the root; nil: the generation's own.
    public var path: String?

    /// Nothing is asked yet whether it answers.
    public init(port: Int, mountPort: Int? = nil, path: String? = nil) {
        self.port = port
        self.mountPort = mountPort
        self.path = path
    }
}

/// Who serves an NFS root.
enum NFSSource: Sendable, Equatable {
    /// netroot's own server, in this process.
    case embedded
    /// The kernel's nfsd.
    case kernel
    /// A server that runs already.
    case running(RunningServer)
}

/// A root that is being served, and the servers of this run.
struct ServedRoot: Sendable {
    /// Where the client finds it.
    let root: BootRoot
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
            try await Task { try await stop() }.value
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

extension Export {
    /// An artifact of a generation. The path is the same for both: it is what the client mounts.
    /// - Throws: `StoreError.lacks`.
    init(_ generation: Generation, form: ArtifactKind) throws {
        let path = try generation.requirePath(of: form)
        if form == .tree {
            self.init(path: generation.exportPath, directory: path, generation: UInt32(generation.number))
        } else {
            self.init(path: generation.exportPath, image: path, generation: UInt32(generation.number))
        }
    }

    /// A generation as it is kept: its tree where it has one.
    init(_ generation: Generation) throws {
        try self.init(generation, form: generation.artifact(.tree) != nil ? .tree : .squashfs)
    }
}

/// Starting the servers of one run, on loopback.
struct RootServers: Sendable {
    let label: Label
    /// The data that netroot ships.
    let shipped: ShippedFiles
    /// A directory of this run: configurations, logs of access, pid files.
    let directory: String
    /// The directory with the boot files, which nginx serves.
    let bootFiles: String
    /// The most seconds that a server may take until it answers.
    static let patience = 15

    static let nginx = Tool("nginx", package: "nginx-light")
    static let tgt = [Tool("tgtd", package: "tgt"), Tool("tgtadm", package: "tgt")]
    static let nbdServer = Tool("nbd-server", package: "nbd-server")

    /// Starts nginx over the boot files.
    /// - Returns: the daemon, its port and its access log.
    /// - Throws: `BootError.serverFailed`, `SystemError`, `SharedConfigError`.
    func startNginx() async throws -> (daemon: Daemon, port: Int, log: String) {
        let port = try LocalPort.free()
        let config = directory + "/nginx.conf"
        try Files.replace(
            config,
            with: Array(try NginxConfig.own(root: bootFiles, port: port, directory: directory).utf8))
        let daemon = try await start(
            ["nginx", "-p", directory, "-e", "stderr", "-c", config], name: "nginx", port: port)
        return (daemon, port, directory + "/nginx-access.log")
    }

    /// Starts nbd-server with one export.
    /// - Throws: `BootError.serverFailed`, `SystemError`, `SharedConfigError`.
    func startNBD(_ export: NBDServerConfig.Export) async throws -> (daemon: Daemon, port: Int) {
        let port = try LocalPort.free()
        let config = NBDServerConfig(listen: ("127.0.0.1", port), exports: [export])
        let path = directory + "/nbd-server.conf"
        try Files.replace(path, with: Array(try config.rendered().utf8))
        // A PID namespace, since the server and the processes that it forks for clients have to end with netroot.
        let user = geteuid() == 0 ? [] : ["--user", "--map-current-user"]
        let argv =
            ["unshare"] + user + [
                "--pid", "--fork", "--kill-child=KILL", "--", shipped.libexec + "/nbd-server-foreground",
            ]
        let daemon = try await start(
            argv + [directory + "/nbd-server.pid", "-C", path], name: "nbd-server", port: port)
        return (daemon, port)
    }

    /// Starts tgtd with one read-only target (tgtd(8), tgtadm(8)), on a control socket of its own.
    /// - Throws: `BootError.serverFailed`, `CommandError`, `SystemError`.
    func startTGT(
        target: String, image: String
    ) async throws -> (daemon: Daemon, port: Int) {
        let port = try LocalPort.free()
        // tgtd of the system keeps 0; the number only has to differ on one socket.
        let control = ["-C", "7"]
        let environment = ["TGT_IPC_SOCKET": directory + "/tgtd"]
        let daemon = try await start(
            ["tgtd", "-f"] + control + ["--iscsi", "portal=127.0.0.1:\(port)"], name: "tgtd", port: port,
            environment: environment)
        let target = ["--mode", "target", "--tid", "1", "-T", target]
        let unit = ["--mode", "logicalunit", "--tid", "1", "--lun", "\(ISCSIRoot.unit)"]
        let steps = [
            ["--op", "new"] + target, ["--op", "new"] + unit + ["-b", image],
            ["--op", "update"] + unit + ["--params", "readonly=1"],
            ["--op", "bind", "--mode", "target", "--tid", "1", "-I", "ALL"],
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
        return (daemon, port)
    }

    private func start(_ argv: [String], name: String, port: Int, environment: [String: String] = [:]) async throws
        -> Daemon
    {
        let log = "\(label.netroot)/\(name).log"
        let daemon = Daemon(Command(argv, environment: environment), name: name, log: log)
        do {
            try await waitUntilItAnswers(daemon, port: port)
        } catch {
            await daemon.stop()
            throw error
        }
        return daemon
    }

    private func waitUntilItAnswers(_ daemon: Daemon, port: Int) async throws {
        let end = ContinuousClock.now + .seconds(Self.patience)
        while try !LocalPort.answers(port) {
            if let ending = try daemon.ending() { throw BootError.serverEnded(daemon, ending, "before it answered") }
            guard ContinuousClock.now < end else {
                throw BootError.serverFailed(
                    name: daemon.name, reason: "does not answer on port \(port) after \(Self.patience) s",
                    log: daemon.log)
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }
}

extension BootError {
    /// A server that ended by itself.
    static func serverEnded(_ daemon: Daemon, _ ending: Daemon.Ending, _ when: String) -> BootError {
        let how = ending.termination.map { "ended with \($0)" } ?? "was stopped"
        let line = ending.lastLines.last.map { ": \($0)" } ?? ""
        return .serverFailed(name: daemon.name, reason: "\(how) \(when)\(line)", log: daemon.log)
    }
}
