import NetrootConfig
import NetrootSystem

/// The debootstrap agent: a Debian root by mmdebstrap.
struct Debootstrap: Sendable {
    /// The agent's part of the recipe's header.
    let header: BootstrapAgent.Debootstrap
    /// The recipe's path, for messages.
    let recipe: String
    /// Where packages are kept between builds.
    let cache: String
    let shipped: ShippedFiles

    /// What must be installed on the host.
    static let tools = [
        Tool("mmdebstrap", package: "mmdebstrap"), Tool("unshare", package: "util-linux"),
        Tool("setpriv", package: "util-linux"), Tool("zstd", package: "zstd"),
    ]

    /// The .debs of one suite and architecture.
    static func cacheDirectory(_ cache: String, suite: String) -> String { "\(cache)/debootstrap/\(suite)" }

    /// The mmdebstrap command that fills an empty directory.
    func command(root: String) -> Command {
        var argv = [
            "mmdebstrap", "--mode=root", "--format=directory", "--variant=minbase",
            // Both would throw away the packages that the cache brings.
            "--skip=download/empty", "--skip=essential/unlink",
            "--setup-hook=\(shipped.libexec)/deb-cache-in", "--customize-hook=\(shipped.libexec)/deb-cache-out",
        ]
        if !header.include.isEmpty { argv.append("--include=" + header.include.joined(separator: ",")) }
        argv += [header.suite, root]
        if let mirror = header.mirror { argv.append(mirror) }
        return Command(
            argv,
            environment: [
                // The kernel package's hooks would build the initramfs once more for each of their runs.
                "INITRD": "No", "NETROOT_DEB_CACHE": Self.cacheDirectory(cache, suite: header.suite),
            ]
        ).contained
    }

    /// Fills the root.
    /// - Throws: `BuildError` where the reason is known, else `CommandError`.
    func run(root: String, log: String, runner: CommandRunner) async throws {
        try Files.makeDirectory(Self.cacheDirectory(cache, suite: header.suite))
        do {
            try await runner.run(command(root: root))
        } catch let error as CommandError {
            throw Self.explained(error, recipe: recipe, log: log) ?? error
        }
    }

    /// The reason in apt's own words, where it is one that a user can act on.
    static func explained(_ error: CommandError, recipe: String, log: String) -> BuildError? {
        for line in error.lastLines {
            if let range = line.firstRange(of: "E: Unable to locate package ") {
                return .unknownPackage(name: String(line[range.upperBound...]), recipe: recipe)
            }
            if line.contains("has no installation candidate"), let name = line.split(separator: "'").dropFirst().first {
                return .unknownPackage(name: String(name), recipe: recipe)
            }
        }
        let signs = [
            "Temporary failure resolving", "Could not resolve", "Unable to connect", "Could not connect",
            "Network is unreachable", "Connection timed out", "Connection refused", "Cannot initiate the connection",
        ]
        for line in error.lastLines where signs.contains(where: line.contains) {
            return .noNetwork(detail: String(line.drop(while: \.isWhitespace)), log: log)
        }
        // mmdebstrap's and apt-get's own last words only say that something failed.
        let empty = ["mmdebstrap failed", "setup failed", "run_chroot failed", "apt-get "]
        let reason = error.lastLines.first { line in line.hasPrefix("E: ") && !empty.contains(where: line.contains) }
        return reason.map { .bootstrapFailed(reason: String($0.dropFirst(3).prefix(200)), recipe: recipe, log: log) }
    }
}
