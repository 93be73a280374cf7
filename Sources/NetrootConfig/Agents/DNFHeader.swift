extension AgentHeader {
    /// The header keywords of the `dnf` agent, and of `yum`, which is the same.
    public struct DNF: Sendable, Equatable {
        /// Repositories, packages, keys.
        public let source: RPMSource
        /// `Setopt`, but for what is in `source`: dnf.conf(5).
        public let options: [ToolOption]
    }
}

extension RecipeHeader {
    /// The options that say where dnf works; a recipe that set one would work elsewhere.
    private static let ownOptions: Set<String> = [
        "installroot", "cachedir", "system_cachedir", "logdir", "persistdir", "reposdir", "varsdir", "keepcache",
        "config_file_path", "baseurl", "plugins", "pluginpath", "pluginconfpath",
    ]

    func dnf(_ bootstrap: Entry) throws(ConfigError) -> AgentHeader.DNF {
        try allow(
            [.osVersion, .mirrorURL, .updateURL, .otherURL, .include, .setOpt, .fingerprints],
            agent: bootstrap.value.lowercased())
        let options = try toolOptions()
        if let own = options.first(where: { Self.ownOptions.contains($0.base) }) {
            throw optionError("netroot itself sets \(own.base)", "remove it")
        }
        return AgentHeader.DNF(
            source: try rpmSource(bootstrap, options: options),
            options: options.filter { !["gpgcheck", "gpgkey"].contains($0.base) })
    }
}
