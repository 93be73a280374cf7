extension AgentHeader {
    /// The header keywords of the `zypper` agent.
    public struct Zypper: Sendable, Equatable {
        /// Repositories, packages, keys.
        public let source: RPMSource
    }
}

extension RecipeHeader {
    func zypper(_ bootstrap: Entry) throws(ConfigError) -> AgentHeader.Zypper {
        let registration: Set<RecipeKeyword> = [.product, .user, .regCode, .productPGP, .registerURL, .modules]
        if let entry = entries.first(where: { registration.contains($0.keyword) }) {
            throw error(
                entry, "\(entry.spelling): registers with SUSE, which netroot does not do",
                "name a repository that needs no registration in MirrorURL:, such as one of an RMT server")
        }
        try allow(
            [.osVersion, .mirrorURL, .updateURL, .otherURL, .include, .setOpt, .fingerprints], agent: "zypper")
        let options = try toolOptions()
        if let option = options.first(where: { !["gpgcheck", "gpgkey"].contains($0.base) }) {
            throw optionError("zypper has no option '\(excerpt(option.name))'", "there are gpgkey=URL and gpgcheck=0")
        }
        return AgentHeader.Zypper(source: try rpmSource(bootstrap, options: options))
    }
}
