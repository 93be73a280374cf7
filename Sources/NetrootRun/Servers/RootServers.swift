import NetrootConfig
import NetrootSite
import NetrootSystem

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
    /// The name of an image beside the boot files.
    static let imageName = "root.squashfs"

    static let nginx = Tool("nginx", package: "nginx-light")

    /// Starts nginx over the boot files.
    /// - Returns: the daemon, its port and its access log.
    /// - Throws: `RunError.serverFailed`, `SystemError`, `SharedConfigError`.
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

    /// Starts a server and waits until it answers.
    /// - Throws: `RunError.serverFailed`, `CommandError.cannotStart`, `SystemError`.
    func start(
        _ argv: [String], name: String, port: Int, environment: [String: String] = [:]
    ) async throws -> Daemon {
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
            if let ending = try daemon.ending() { throw RunError.serverEnded(daemon, ending, "before it answered") }
            guard ContinuousClock.now < end else {
                throw RunError.serverFailed(
                    name: daemon.name, reason: "does not answer on port \(port) after \(Self.patience) s",
                    log: daemon.log)
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }
}
