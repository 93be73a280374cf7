import NetrootConfig
import NetrootStore
import NetrootSystem
import NetrootTree

/// The debootstrap agent: a Debian root by mmdebstrap.
struct Debootstrap: Agent {
    /// The agent's part of the recipe's header.
    let header: AgentHeader.Debootstrap

    var tools: [Tool] { [Tool("mmdebstrap", package: "mmdebstrap")] }

    /// The .debs of one suite and architecture. Of what is in it apt checks the size alone, so what nobody signed is kept apart.
    static func cacheDirectory(_ cache: String, suite: String, unsigned: Bool = false) -> String {
        "\(cache)/debootstrap\(unsigned ? "-unsigned" : "")/\(suite)"
    }

    /// The mmdebstrap command that fills an empty directory.
    /// - Parameter takesUnsigned: whether repositories that nobody signed are taken.
    func command(in place: AgentPlace, takesUnsigned: Bool = false) -> Command {
        var argv = [
            "mmdebstrap", "--mode=root", "--format=directory", "--variant=minbase",
            // Both would throw away the packages that the cache brings.
            "--skip=download/empty", "--skip=essential/unlink",
            "--setup-hook=\(place.shipped.libexec)/deb-cache-in",
            "--customize-hook=\(place.shipped.libexec)/deb-cache-out",
        ]
        if !header.include.isEmpty { argv.append("--include=" + header.include.joined(separator: ",")) }
        if takesUnsigned {
            argv += [
                "--aptopt=Acquire::AllowInsecureRepositories \"true\"",
                "--aptopt=APT::Get::AllowUnauthenticated \"true\"",
            ]
        }
        argv += [header.suite, place.root]
        if let mirror = header.mirror { argv.append(mirror) }
        return Command(
            [place.shipped.libexec + "/neutral-name", "--"] + argv,
            environment: [
                // The kernel package's hooks would build the initramfs once more for each of their runs.
                "INITRD": "No",
                "NETROOT_DEB_CACHE": Self.cacheDirectory(
                    place.cache, suite: header.suite, unsigned: takesUnsigned),
            ]
        ).contained
    }

    /// Fills the root. With `--allow-unsigned` too it is tried signed first: what is not can be named then.
    /// - Throws: `BuildError` where the reason is known, else `CommandError`, `SystemError`.
    func run(in place: AgentPlace) async throws -> Manifest.Bootstrap {
        try Files.makeDirectory(Self.cacheDirectory(place.cache, suite: header.suite))
        let start = try place.runner.logSize()
        var unsigned: [String] = []
        do {
            try await place.runner.run(command(in: place))
        } catch let error as CommandError {
            unsigned = Self.unsignedRepositories(in: try place.runner.logText(from: start))
            guard place.allows.unsigned, !unsigned.isEmpty else {
                throw Self.explained(error) ?? error
            }
            try Files.removeTree(place.root)
            try Files.makeDirectory(place.root)
            try Files.makeDirectory(Self.cacheDirectory(place.cache, suite: header.suite, unsigned: true))
            do {
                try await place.runner.run(command(in: place, takesUnsigned: true))
            } catch let error as CommandError {
                throw Self.explained(error) ?? error
            }
        }
        return Manifest.Bootstrap(
            agent: "debootstrap", from: header.suite, unsigned: unsigned.isEmpty ? nil : unsigned)
    }

    /// The repositories that apt refuses since nobody signed them whom it trusts, in its own words: URL, suite, file.
    static func unsignedRepositories(in output: String) -> [String] {
        output.split(whereSeparator: \.isNewline).compactMap { line in
            guard line.hasPrefix("E: The repository '"), let end = line.firstRange(of: "' is not signed.") else {
                return nil
            }
            return RPM.withoutCredentials(String(line[..<end.lowerBound].dropFirst("E: The repository '".count)))
        }.removingDuplicates()
    }

    /// The reason in apt's own words, where it is one that a user can act on.
    static func explained(_ error: CommandError) -> BuildError? {
        for line in error.lastLines {
            if let range = line.firstRange(of: "E: Unable to locate package ") {
                return .unknownPackage(name: String(line[range.upperBound...]))
            }
            if line.contains("has no installation candidate"), let name = line.split(separator: "'").dropFirst().first {
                return .unknownPackage(name: String(name))
            }
        }
        // In this order: the first says it in fewest words.
        for sign in [" is not signed.", "couldn't be verified", "NO_PUBKEY", "invalid signature", "EXPKEYSIG"] {
            guard let line = error.lastLines.first(where: { $0.contains(sign) }) else { continue }
            return .unsigned(reason: String(line.prefix(200)))
        }
        let signs = [
            "Temporary failure resolving", "Could not resolve", "Unable to connect", "Could not connect",
            "Network is unreachable", "Connection timed out", "Connection refused", "Cannot initiate the connection",
        ]
        for line in error.lastLines where signs.contains(where: line.contains) {
            return .noNetwork(detail: String(line.drop(while: \.isWhitespace)))
        }
        // mmdebstrap's and apt-get's own last words only say that something failed.
        let empty = ["mmdebstrap failed", "setup failed", "run_chroot failed", "apt-get "]
        let reason = error.lastLines.first { line in line.hasPrefix("E: ") && !empty.contains(where: line.contains) }
        return reason.map { .bootstrapFailed(reason: String($0.dropFirst(3).prefix(200))) }
    }
}
