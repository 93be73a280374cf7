import NetrootConfig
import NetrootStore
import NetrootSystem

/// The arch agent: an Arch Linux root by pacman, with a configuration, a keyring and hooks of its own: none of the host's.
struct Arch: Bootstrap {
    /// The agent's part of the recipe's header.
    let header: BootstrapAgent.Arch

    var tools: [Tool] {
        var tools = [
            Tool("pacman", package: "pacman-package-manager"), Tool("pacman-key", package: "pacman-package-manager"),
            Tool("gpg", package: "gnupg"), Tool("flock", package: "util-linux"),
        ]
        if header.configuration?.contains("://") == true { tools.append(Tool("curl", package: "curl")) }
        return tools
    }

    /// Where the distribution's keys are: Debian's place, and pacman's own.
    private static let keys = ["/usr/share/keyrings/archlinux.gpg", "/usr/share/pacman/keyrings/archlinux.gpg"]

    /// Fills the root: configuration, keyring, our part, the download into the cache, the installation out of it.
    /// - Throws: `BuildError` where the reason is known, else `CommandError`, `MissingError`, `SystemError`.
    func run(in place: BootstrapPlace) async throws -> Manifest.Bootstrap {
        let folder = place.scratch + "/pacman"
        try Files.makeDirectory(folder, mode: 0o700)
        let config = PacmanConfig(
            try await configuration(in: place, folder: folder), mirror: header.mirror,
            takesUnsigned: place.allows.unsigned)
        if let line = config.weakened, !place.allows.unsigned {
            throw BuildError.unsigned(
                reason: "\(header.configuration ?? "pacman.conf"):\(line)", recipe: place.recipe, log: place.log)
        }
        guard !config.repositories.isEmpty else {
            throw BuildError.bootstrapFailed(
                reason: "\(header.configuration ?? "pacman.conf") names no repository",
                recipe: place.recipe, log: place.log)
        }
        try Files.replace(folder + "/pacman.conf", with: Array(config.text.utf8))
        try await keyring(config, in: place, folder: folder)
        let cache = place.cache + "/arch"
        try Files.makeDirectory(cache)
        try prepareRoot(place)
        let pacman = Pacman(place: place, folder: folder, cache: cache)
        try await pacman.download(header.include)
        try await pacman.install(header.include)
        return Manifest.Bootstrap(
            agent: "arch", from: header.configuration ?? header.mirror,
            unsigned: place.allows.unsigned ? config.repositories : nil)
    }

    /// The text of `ConfURL`, or netroot's own.
    private func configuration(in place: BootstrapPlace, folder: String) async throws -> String {
        guard let given = header.configuration else { return PacmanConfig.standard() }
        guard given.contains("://") else {
            let folder = place.recipe.lastIndex(of: "/").map { String(place.recipe[...$0]) } ?? ""
            return try Files.text(given.hasPrefix("/") ? given : folder + given)
        }
        let file = folder + "/given.conf"
        do {
            try await place.runner.run(
                Command([
                    "curl", "--fail", "--silent", "--show-error", "--location", "--max-filesize", "1000000",
                    "--output", file, "--", given,
                ]))
        } catch let error as CommandError {
            throw BuildError.noNetwork(detail: error.lastLines.last ?? "curl: \(given)", log: place.log)
        }
        return try Files.text(file)
    }

    /// A copy of the configuration's own keyring, or one with the distribution's keys; empty where signatures do not count.
    private func keyring(_ config: PacmanConfig, in place: BootstrapPlace, folder: String) async throws {
        let keys = folder + "/gnupg"
        if let own = config.keyring, !place.allows.unsigned {
            try await place.runner.run(Command(["cp", "-R", "--", own, keys]))
        } else {
            try Files.makeDirectory(keys, mode: 0o700)
        }
        try await place.runner.run(Command(["chmod", "-R", "u=rwX,go=", "--", keys]))
        if config.keyring == nil, !place.allows.unsigned {
            guard Self.keys.contains(where: Files.exists) else {
                throw MissingError(things: [Self.keys[0]], packages: ["archlinux-keyring"])
            }
            for step in [["--init"], ["--populate", "archlinux"]] {
                try await place.runner.run(Command(["pacman-key", "--gpgdir", keys] + step).contained)
            }
        }
        // pacman would ask a key server for a key that is not there, and --noconfirm would say yes to what comes.
        try Files.replace(keys + "/dirmngr.conf", with: Array("disable-http\ndisable-ldap\n".utf8), mode: 0o600)
    }

    /// What pacman expects of an empty root, as pacstrap makes it.
    private func prepareRoot(_ place: BootstrapPlace) throws {
        let tree = RootTree(directory: place.root)
        for path in ["var/lib/pacman", "var/log", "dev", "run", "etc/pacman.d/hooks"] { try tree.makeDirectory(path) }
        try Files.makeDirectory(place.root + "/tmp", mode: 0o1777)
        for path in ["proc", "sys"] { try Files.makeDirectory("\(place.root)/\(path)", mode: 0o555) }
        try place.customise?.beforePackages()
    }
}

/// pacman(8) on one root.
struct Pacman: Sendable {
    let place: BootstrapPlace
    /// Holds `pacman.conf` and `gnupg`.
    let folder: String
    /// Where packages are kept between builds.
    let cache: String

    /// Fetches into the cache what it lacks. One build at a time: two would write to one file.
    func download(_ packages: [String]) async throws {
        let argv = ["flock", cache + "/.lock"] + self.argv(["-Syw"], packages)
        try await explained { try await place.runner.run(Command(argv).contained) }
    }

    /// Installs out of the cache; the packages' scripts and hooks run in the root.
    func install(_ packages: [String]) async throws {
        let before = try place.runner.log.map { Files.exists($0) ? try Files.size($0) : 0 }
        let argv = [place.shipped.libexec + "/enter-root", "--outside", place.root] + self.argv(["-S"], packages)
        try await explained { try await place.runner.run(Command(argv).contained) }
        guard let log = place.runner.log, let before else { return }
        if let reason = Self.failedScript(in: Array(try Files.text(log).utf8.dropFirst(Int(before)))) {
            throw failed(reason)
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

    /// The words before pacman's one line on a script or hook that failed, for which it ends with status 0.
    static func failedScript(in output: [UInt8]) -> String? {
        let lines = String(decoding: output, as: UTF8.self).split(whereSeparator: \.isNewline)
        guard let index = lines.firstIndex(where: { $0.hasPrefix("error: command ") }) else { return nil }
        let step = lines[..<index].last {
            $0.hasPrefix("installing ") || $0.hasPrefix("upgrading ") || $0.hasPrefix("(")
                || $0.hasPrefix("reinstalling ")
        }
        let words = lines[..<index].last.map { $0 == step ? "" : ", which said: \($0)" } ?? ""
        return "a script failed in '\(step ?? "")'\(words)"
    }

    private func explained(_ body: () async throws -> Void) async throws {
        do {
            try await body()
        } catch let error as CommandError {
            throw Self.reason(error, recipe: place.recipe, log: place.log) ?? error
        }
    }

    private func failed(_ reason: String) -> BuildError {
        .bootstrapFailed(reason: String(reason.prefix(300)), recipe: place.recipe, log: place.log)
    }

    /// The reason in pacman's own words, where it is one that a user can act on.
    static func reason(_ error: CommandError, recipe: String, log: String) -> BuildError? {
        let lines = error.lastLines.filter { $0.hasPrefix("error: ") }.map { String($0.dropFirst(7)) }
        for line in lines {
            if let range = line.firstRange(of: "target not found: ") {
                return .unknownPackage(name: String(line[range.upperBound...]), recipe: recipe)
            }
        }
        let untrusted = [
            "signature from", "missing required signature", "invalid or corrupted package (PGP signature)",
            "required key missing from keyring", "could not be looked up remotely", "could not be imported",
            "invalid or corrupted database (PGP signature)",
        ]
        for line in lines where untrusted.contains(where: line.contains) {
            return .unsigned(reason: String(line.prefix(200)), recipe: recipe, log: log)
        }
        let signs = ["failed retrieving file", "failed to synchronize all databases", "failed to retrieve"]
        for line in lines where signs.contains(where: line.contains) {
            return .noNetwork(detail: line, log: log)
        }
        return lines.last.map {
            .bootstrapFailed(reason: String($0.prefix(200)), recipe: recipe, log: log)
        }
    }
}
