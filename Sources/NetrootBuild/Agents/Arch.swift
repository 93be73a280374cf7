import NetrootConfig
import NetrootStore
import NetrootSystem
import NetrootTree

/// The arch agent: an Arch Linux root by pacman, with a configuration, a keyring and hooks of its own: none of the host's.
struct Arch: Agent {
    /// The agent's part of the recipe's header.
    let header: AgentHeader.Arch

    var tools: [Tool] {
        var tools = [
            Tool("pacman", package: "pacman-package-manager"), Tool("pacman-key", package: "pacman-package-manager"),
            Tool("gpg", package: "gpg"), Tool("flock", package: "util-linux"),
        ]
        // pacman-key signs the distribution's keys.
        if header.configuration == nil { tools.append(Tool("gpg-agent", package: "gpg-agent")) }
        if header.configuration?.contains("://") == true { tools.append(Tool("curl", package: "curl")) }
        return tools
    }

    /// Where the distribution's keys are: Debian's place, and pacman's own.
    private static let keys = ["/usr/share/keyrings/archlinux.gpg", "/usr/share/pacman/keyrings/archlinux.gpg"]

    /// Fills the root: configuration, keyring, our part, the download into the cache, the installation out of it.
    /// - Throws: `BuildError` where the reason is known, else `CommandError`, `MissingError`, `SystemError`.
    func run(in place: AgentPlace) async throws -> Manifest.Bootstrap {
        let folder = place.scratch + "/pacman"
        try Files.makeDirectory(folder, mode: 0o700)
        let config = PacmanConfig(
            try await configuration(in: place, folder: folder), mirror: header.mirror,
            takesUnsigned: place.allows.unsigned)
        let name = MirrorAddress(header.configuration ?? "pacman.conf").url
        if let line = config.weakened, !place.allows.unsigned {
            throw BuildError.unsigned(
                reason: "\(name):\(line)")
        }
        if let line = config.included {
            throw BuildError.bootstrapFailed(
                reason:
                    "\(name):\(line) names another file, whose lines would not be looked at; "
                    + "put them here, the servers of a mirror list as Server = URL")
        }
        // A recipe is trusted, and what it names on this machine; not what a server sends.
        if let line = config.program, let url = header.configuration, url.contains("://"),
            !url.lowercased().hasPrefix("file://")
        {
            throw BuildError.bootstrapFailed(
                reason:
                    "\(name):\(line) would run a program on this machine; save the file, read it, and give ConfURL its path"
            )
        }
        guard !config.repositories.isEmpty else {
            throw BuildError.bootstrapFailed(
                reason: "\(name) names no repository")
        }
        // A server's URL may hold a password.
        try Files.replace(folder + "/pacman.conf", with: Array(config.text.utf8), mode: 0o600)
        try await keyring(config, in: place, folder: folder)
        let cache = try place.cacheDirectory("arch/" + Self.cacheName(source(in: place)))
        try prepareRoot(place)
        let pacman = Pacman(place: place, folder: folder, cache: cache)
        try await pacman.download(header.include)
        try await pacman.install(header.include)
        return Manifest.Bootstrap(
            agent: "arch", from: MirrorAddress(header.configuration ?? header.mirror).url,
            unsigned: place.allows.unsigned ? config.repositories : nil)
    }

    /// What names the repositories: `ConfURL`, a path of it as an absolute one, or the mirror.
    private func source(in place: AgentPlace) -> String {
        guard let given = header.configuration else { return header.mirror }
        return given.contains("://") ? given : Files.path(given, beside: place.recipePath)
    }

    /// A folder for each source: two repositories may have different packages in files of one name.
    static func cacheName(_ source: String) throws -> String {
        let url = MirrorAddress(source).url
        let name = url.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "." || $0 == "-") ? $0 : "_" }
        return String(String(name).suffix(100)) + "-" + (try Digest.of(Array(url.utf8)).hexadecimal.prefix(16))
    }

    /// The text of `ConfURL`, or netroot's own.
    private func configuration(in place: AgentPlace, folder: String) async throws -> String {
        guard header.configuration != nil else { return PacmanConfig.standard() }
        let given = source(in: place)
        guard given.contains("://") else { return try Files.text(given) }
        let file = folder + "/given.conf"
        do {
            // By standard input: a URL may hold a password.
            _ = try await CommandRunner().capture(
                Command(["curl", "--config", "-"]),
                input: Array(RPMKeys.curlConfiguration(given, to: file, redirections: "=http,https").utf8))
        } catch let error as CommandError {
            let words = error.lastLines.last ?? "curl: \(MirrorAddress(given).url)"
            throw MirrorFault.ofCurl(words).map { BuildError.mirror($0, reason: words) } ?? .noNetwork(detail: words)
        }
        return try Files.text(file)
    }

    /// A copy of the configuration's own keyring, or one with the distribution's keys; empty where signatures do not count.
    private func keyring(_ config: PacmanConfig, in place: AgentPlace, folder: String) async throws {
        let keys = folder + "/gnupg"
        if place.allows.unsigned {
            try Files.makeDirectory(keys, mode: 0o700)
        } else if let own = config.keyring {
            try await place.runner.run(Command(["cp", "-R", "--", own, keys]))
        } else {
            try await distributionKeys(keys, runner: place.runner)
        }
        try await place.runner.run(Command(["chmod", "-R", "u=rwX,go=", "--", keys]))
        // pacman would ask a key server for a key that is not there, and --noconfirm would say yes to what comes.
        try Files.replace(keys + "/dirmngr.conf", with: Array("disable-http\ndisable-ldap\n".utf8), mode: 0o600)
    }

    /// A keyring with the keys of the distribution, each signed by a key that is made here, as pacman-key does it.
    private func distributionKeys(_ keys: String, runner: CommandRunner) async throws {
        guard Self.keys.contains(where: Files.exists) else {
            throw MissingError(things: [Self.keys[0]], packages: ["archlinux-keyring"])
        }
        // Elsewhere, since the name of gpg-agent's socket has at most 107 bytes.
        try await Files.withTemporaryDirectory { short in
            for step in [["--init"], ["--populate", "archlinux"]] {
                try await runner.run(Command(["pacman-key", "--gpgdir", short] + step).contained)
            }
            try await runner.run(Command(["cp", "-R", "--", short, keys]))
        }
    }

    /// What pacman expects of an empty root, as pacstrap makes it.
    private func prepareRoot(_ place: AgentPlace) throws {
        let tree = RootTree(directory: place.root)
        for path in ["var/lib/pacman", "var/log", "dev", "run", "etc/pacman.d/hooks"] { try tree.makeDirectory(path) }
        try Files.makeDirectory(place.root + "/tmp", mode: 0o1777)
        for path in ["proc", "sys"] { try Files.makeDirectory("\(place.root)/\(path)", mode: 0o555) }
        try place.customise?.beforePackages()
    }
}

/// pacman(8) on one root.
struct Pacman: Sendable {
    let place: AgentPlace
    /// Holds `pacman.conf` and `gnupg`.
    let folder: String
    /// Where packages are kept between builds.
    let cache: String

    /// Fetches into the cache what it lacks. One build at a time: two would write to one file.
    func download(_ packages: [String]) async throws {
        let command = ["flock", cache + "/.lock"] + argv(["-Syw"], packages)
        let start = try place.runner.logSize()
        let hadPackages = try Files.names(in: cache).contains { $0.contains(".pkg.tar") }
        do {
            _ = try await run(command)
        } catch let error as BuildError {
            // pacman has removed what it found damaged in the cache, or signed anew since.
            guard hadPackages, try place.runner.logText(from: start).contains(" is corrupted (") else { throw error }
            place.progress.note("packages in \(cache) were not those of the repository: they are fetched again")
            _ = try await run(command)
        }
    }

    /// Installs out of the cache; the packages' scripts and hooks run in the root.
    func install(_ packages: [String]) async throws {
        let output = try await run(
            [place.shipped.libexec + "/enter-root", "--outside", place.root] + argv(["-S"], packages))
        if let failure = Self.failedScript(in: output) {
            guard failure.isHook else {
                throw BuildError.scriptletFailed(
                    package: failure.step, scriptlet: ".INSTALL", reason: failure.reason)
            }
            throw BuildError.bootstrapFailed(
                reason: "the hook '\(failure.step)' failed: \(failure.reason)")
        }
    }

    /// Every path is given: pacman's own defaults are the host's, but for database and log, which follow `--root`.
    func argv(_ operation: [String], _ packages: [String]) -> [String] {
        ["pacman"] + operation + [
            "--root", place.root, "--config", folder + "/pacman.conf", "--gpgdir", folder + "/gnupg", "--cachedir",
            cache, "--hookdir", place.root + "/etc/pacman.d/hooks", "--noconfirm", "--noprogressbar", "--color",
            "never", "--",
        ] + packages
    }

    /// The first script of a package, or hook, that failed: for that pacman has one line, and ends with status 0.
    static func failedScript(in output: String) -> (step: String, isHook: Bool, reason: String)? {
        let lines = output.split(whereSeparator: \.isNewline).map(String.init)
        guard let end = lines.firstIndex(where: { $0.hasPrefix("error: command ") }) else { return nil }
        let isStep = { (line: String) in line.hasSuffix("...") || line.hasPrefix("(") }
        guard let begin = lines[..<end].lastIndex(where: isStep) else { return ("?", true, lines[end]) }
        let reason = begin + 1 < end ? lines[end - 1] : String(lines[end].dropFirst("error: ".count))
        if lines[begin].hasPrefix("(") { return (lines[begin], true, reason) }
        let package = lines[begin].dropLast(3).split(separator: " ").last.map(String.init) ?? lines[begin]
        return (package, false, reason)
    }

    /// Runs pacman; where it fails the reason may stand far above its last lines.
    private func run(_ argv: [String]) async throws -> String {
        let start = try place.runner.logSize()
        do {
            try await place.runner.run(Command(argv).contained)
        } catch let error as CommandError {
            let output = try place.runner.logText(from: start).split(whereSeparator: \.isNewline).map(String.init)
            throw Self.reason(output) ?? error
        }
        return try place.runner.logText(from: start)
    }

    /// The reason in pacman's own words, where it is one that a user can act on.
    static func reason(_ output: [String]) -> BuildError? {
        // pacman's questions end without a line feed.
        let errors = output.indices.filter { output[$0].contains("error: ") }
        func words(_ index: Int) -> String {
            output[index].firstRange(of: "error: ").map { String(output[index][$0.upperBound...]) } ?? output[index]
        }
        let untrusted = [
            "signature from", "missing required signature", "(PGP signature)", "required key missing from keyring",
            "could not be looked up remotely", "could not be imported",
        ]
        // pacman goes from one server of a mirror list to the next: a failure counts where it gave up.
        let hasGivenUp = errors.contains { index in
            ["failed to synchronize", "failed to retrieve", "failed to commit"].contains(where: words(index).contains)
        }
        let failed = errors.map(words).filter { $0.contains("failed retrieving file") }
        // In the order in which one follows from the other.
        if let line = errors.map(words).first(where: { line in untrusted.contains(where: line.contains) }) {
            return .unsigned(reason: String(line.prefix(200)))
        }
        if let line = failed.last, hasGivenUp || failed.count == errors.count {
            let reason = String(line.prefix(300))
            let fault = MirrorFault.ofCurl(line)
            // A mirror that has packages and no signatures.
            if line.contains(".sig'"), fault == .missing || line.contains("Couldn't open file") {
                return .unsigned(reason: String(line.prefix(200)))
            }
            return fault.map { .mirror($0, reason: reason) } ?? .noNetwork(detail: reason)
        }
        for line in errors.map(words) {
            if let range = line.firstRange(of: "target not found: ") {
                return .unknownPackage(name: String(line[range.upperBound...]))
            }
        }
        if let index = errors.first(where: {
            words($0).contains("is corrupted") || words($0).contains("(invalid or corrupted")
        }) {
            return .mirror(.changed, reason: String(words(index).prefix(300)))
        }
        guard let last = errors.last else { return nil }
        // What could not be satisfied, or which file is there already, is said in the next line.
        let more = output[(last + 1)...].first { !$0.hasPrefix("Errors occurred") }
        let reason = words(last) + (more.map { ": \($0)" } ?? "")
        return .bootstrapFailed(reason: String(reason.prefix(300)))
    }
}
