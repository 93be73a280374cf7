extension AgentHeader {
    /// The header keywords of the `debootstrap` agent.
    public struct Debootstrap: Sendable, Equatable {
        /// `OSVersion`: the suite, such as `bookworm`.
        public let suite: String
        /// `MirrorURL`; nil leaves the choice to the tool.
        public let mirror: String?
        /// `Include`: names of packages, in the recipe's order.
        public let include: [String]
    }
}

extension RecipeHeader {
    func debootstrap(_ bootstrap: Entry) throws(ConfigError) -> AgentHeader.Debootstrap {
        try allow([.osVersion, .mirrorURL, .include], agent: "debootstrap")
        guard let version = self[.osVersion], !version.value.isEmpty else {
            throw error(
                self[.osVersion] ?? bootstrap, "agent 'debootstrap' needs OSVersion:",
                "name the suite, such as OSVersion: bookworm")
        }
        let suite = try expanded(version)
        guard suite.utf8.allSatisfy({ $0.isASCIILetter || $0.isASCIIDigit || ".-_/+".utf8.contains($0) }),
            suite.utf8.first?.isASCIILetter == true || suite.utf8.first?.isASCIIDigit == true
        else {
            throw error(version, "'\(excerpt(suite))' is not a name of a suite", "such as OSVersion: bookworm")
        }
        return AgentHeader.Debootstrap(suite: suite, mirror: try debianMirror(), include: try include())
    }

    private func debianMirror() throws(ConfigError) -> String? {
        guard let entry = self[.mirrorURL] else { return nil }
        let value = try expanded(entry)
        let schemes = ["http://", "https://", "file:", "copy:"]
        guard schemes.contains(where: { value.lowercased().hasPrefix($0) }),
            value.blankSeparatedWords.count == 1
        else {
            throw error(
                entry, "'\(excerpt(value))' is not a URL of a mirror",
                "such as MirrorURL: http://mirror.example.org/debian")
        }
        return value
    }
}
