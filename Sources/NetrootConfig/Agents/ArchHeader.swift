extension AgentHeader {
    /// The header keywords of the `arch` agent.
    public struct Arch: Sendable, Equatable {
        /// `MirrorURL`: the mirror, with pacman's `$repo` and `$arch` (pacman.conf(5), `Server`).
        public let mirror: String
        /// `ConfURL`: a pacman.conf(5) in place of netroot's own, as a URL or a path; nil where there is none.
        public let configuration: String?
        /// `Include`: packages and groups, in the recipe's order; without the keyword `base`.
        public let include: [String]
    }
}

extension RecipeHeader {
    func arch(_ bootstrap: Entry) throws(ConfigError) -> AgentHeader.Arch {
        try allow([.mirrorURL, .confURL, .include], agent: "arch")
        let packages = try include()
        return AgentHeader.Arch(
            mirror: try archMirror(), configuration: try pacmanConfiguration(),
            // As in Apptainer Include takes the place of base.
            include: packages.isEmpty ? ["base"] : packages)
    }

    private func archMirror() throws(ConfigError) -> String {
        // What the distribution's own mirrorlist begins with.
        guard let entry = self[.mirrorURL] else { return "https://geo.mirror.pkgbuild.com/$repo/os/$arch" }
        let value = try expanded(entry)
        let schemes = ["http://", "https://", "file:///"]
        guard schemes.contains(where: { value.lowercased().hasPrefix($0) }), value.blankSeparatedWords.count == 1 else {
            throw error(
                entry, "'\(excerpt(MirrorAddress(value).url))' is not a URL of a mirror",
                "such as MirrorURL: https://mirror.example.org/archlinux/$repo/os/$arch")
        }
        if value.contains("$repo") { return value }
        return (value.hasSuffix("/") ? String(value.dropLast()) : value) + "/$repo/os/$arch"
    }

    private func pacmanConfiguration() throws(ConfigError) -> String? {
        guard let entry = self[.confURL] else { return nil }
        let value = try expanded(entry)
        let schemes = ["http://", "https://", "file:///"]
        let isURL = schemes.contains { value.lowercased().hasPrefix($0) }
        guard isURL || !value.contains("://"), value.blankSeparatedWords.count == 1, !value.hasPrefix("-") else {
            throw error(
                entry, "'\(excerpt(MirrorAddress(value).url))' is not a URL of a pacman.conf",
                "such as ConfURL: file:///etc/netroot/pacman.conf")
        }
        return value
    }
}
