import NetrootConfig
import NetrootStore
import NetrootSystem
import NetrootTree

/// The debootstrap agent: a Debian root by mmdebstrap.
struct Debootstrap: Agent {
    /// The agent's part of the recipe's header.
    let header: AgentHeader.Debootstrap

    var tools: [Tool] { [Tool("mmdebstrap", package: "mmdebstrap")] }

    /// The folder of the .debs of one mirror and suite, below the cache. What nobody signed is kept apart: of its indexes
    /// nothing says that they are the repository's.
    /// - Throws: `DigestError`.
    static func cacheName(mirror: String?, suite: String, unsigned: Bool = false) throws -> String {
        let key = try Digest.of(Array("\(mirror.map { MirrorAddress($0).url } ?? "")\n\(suite)".utf8)).hexadecimal
        let name = suite.replacing("/", with: "_")
        return "debootstrap\(unsigned ? "-unsigned" : "")/\(name)-\(key.prefix(16))"
    }

    /// Files that the hooks are told of.
    struct HookFiles: Sendable {
        /// A directory that only this user can read.
        let directory: String
        /// The folder of the cache.
        let cache: String

        /// More configuration of apt, apt.conf(5).
        var configuration: String { directory + "/apt.conf" }
        /// The mirror's user and password, apt_auth.conf(5).
        var authentication: String { directory + "/auth.conf" }
        /// What was wrong with the cache, a line each.
        var notes: String { directory + "/notes" }
    }

    /// The mmdebstrap command that fills an empty directory.
    func command(in place: AgentPlace, files: HookFiles) -> Command {
        var argv = [
            "mmdebstrap", "--mode=root", "--format=directory", "--variant=minbase",
            // Both would throw away the packages that the cache brings.
            "--skip=download/empty", "--skip=essential/unlink",
            "--setup-hook=\(place.shipped.libexec)/deb-cache-in",
            "--customize-hook=\(place.shipped.libexec)/deb-cache-out",
        ]
        if !header.include.isEmpty { argv.append("--include=" + header.include.joined(separator: ",")) }
        argv += [header.suite, place.root]
        if let mirror = header.mirror { argv.append(MirrorAddress(mirror).url) }
        return Command(
            [place.shipped.libexec + "/neutral-name", "--"] + argv,
            environment: [
                // The kernel package's hooks would build the initramfs once more for each of their runs.
                "INITRD": "No",
                "NETROOT_DEB_CACHE": files.cache, "NETROOT_APT_CONFIG": files.configuration,
                "NETROOT_DEB_NOTES": files.notes,
            ]
        ).contained
    }

    /// What apt is told beside mmdebstrap's own words, as long as the build runs: the root keeps none of it.
    /// - Parameter takesUnsigned: whether repositories that nobody signed are taken.
    func configuration(_ files: HookFiles, takesUnsigned: Bool) -> String {
        var options = header.options.map { ($0.name, $0.value) }
        if header.mirror.flatMap({ MirrorAddress($0).login }) != nil {
            options.append(("Dir::Etc::netrc", files.authentication))
        }
        if takesUnsigned {
            options += [("Acquire::AllowInsecureRepositories", "true"), ("APT::Get::AllowUnauthenticated", "true")]
        }
        return options.map { "\($0) \"\($1)\";\n" }.joined()
    }

    /// The line of apt_auth.conf(5); nil where the mirror's URL gives no user.
    var authentication: String? {
        guard let mirror = header.mirror, let login = MirrorAddress(mirror).login else { return nil }
        return "machine \(MirrorAddress(mirror).url) login \(login.user) password \(login.password)\n"
    }

    /// Fills the root. With `--allow-unsigned` too it is tried signed first: what is not can be named then.
    /// - Throws: `BuildError` where the reason is known, else `CacheError`, `CommandError`, `SystemError`.
    func run(in place: AgentPlace) async throws -> Manifest.Bootstrap {
        var unsigned: [String] = []
        let start = try place.runner.logSize()
        do {
            try await fill(place, takesUnsigned: false)
        } catch let error as BuildError {
            guard case .unsigned = error, place.allows.unsigned else { throw error }
            unsigned = AptLog(try place.runner.logText(from: start)).unsignedRepositories
            guard !unsigned.isEmpty else { throw error }
            try Files.removeTree(place.root)
            try Files.makeDirectory(place.root)
            try await fill(place, takesUnsigned: true)
        }
        return Manifest.Bootstrap(
            agent: "debootstrap", from: header.suite, unsigned: unsigned.isEmpty ? nil : unsigned)
    }

    private func fill(_ place: AgentPlace, takesUnsigned: Bool) async throws {
        let files = HookFiles(
            directory: place.scratch + "/apt",
            cache: try place.cacheDirectory(
                Self.cacheName(mirror: header.mirror, suite: header.suite, unsigned: takesUnsigned)))
        try Files.makeDirectory(files.directory, mode: 0o700)
        let texts = [
            (files.configuration, configuration(files, takesUnsigned: takesUnsigned)), (files.notes, ""),
            (files.authentication, authentication ?? ""),
        ]
        for (path, text) in texts { try Files.replace(path, with: Array(text.utf8), mode: 0o600) }
        let start = try place.runner.logSize()
        do {
            try await place.runner.run(command(in: place, files: files))
        } catch let error as CommandError {
            guard case .failed = error else { throw error }
            throw AptLog(try place.runner.logText(from: start), proxies: AptLog.proxies()).reason ?? error
        }
        for note in try Files.text(files.notes).split(separator: "\n") { place.progress.note(String(note)) }
    }
}
