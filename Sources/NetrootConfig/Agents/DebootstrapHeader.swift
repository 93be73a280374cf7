extension AgentHeader {
    /// The header keywords of the `debootstrap` agent.
    public struct Debootstrap: Sendable, Equatable {
        /// `OSVersion`: the suite, such as `bookworm`.
        public let suite: String
        /// `MirrorURL`; nil leaves the choice to the tool.
        public let mirror: String?
        /// `Include`: names of packages, in the recipe's order.
        public let include: [String]
        /// `AptOpt`: apt.conf(5), as long as the build runs.
        public let options: [ToolOption]
    }
}

extension RecipeHeader {
    func debootstrap(_ bootstrap: Entry) throws(ConfigError) -> AgentHeader.Debootstrap {
        try allow([.osVersion, .mirrorURL, .include, .aptOpt], agent: "debootstrap")
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
        return AgentHeader.Debootstrap(
            suite: suite, mirror: try debianMirror(), include: try include(), options: try aptOptions())
    }

    /// What says where apt works, and what runs programs of this machine.
    private static let ownAptOptions = [
        "dir", "rootdir", "dpkg", "apt::update", "apt::architecture", "apt::architectures", "apt::key",
        // For one program, it would say what is refused here once more.
        "binary",
    ]
    /// What `--allow-unsigned` is for.
    private static let weakAptOptions: Set<String> = [
        "acquire::allowinsecurerepositories", "acquire::allowweakrepositories",
        "acquire::allowdowngradetoinsecurerepositories", "apt::get::allowunauthenticated",
    ]

    /// `AptOpt:`, in the form of `Setopt:`.
    private func aptOptions() throws(ConfigError) -> [AgentHeader.ToolOption] {
        guard let entry = self[.aptOpt] else { return [] }
        let options = try toolOptions(entry, more: ":", example: "Acquire::Check-Valid-Until=false")
        for option in options {
            let name = option.name.lowercased()
            guard name.utf8.allSatisfy({ $0.isASCIILetter || $0.isASCIIDigit || ":-_".utf8.contains($0) }) else {
                throw error(
                    entry, "AptOpt: '\(excerpt(option.name))' is not a name of an option", "they are in apt.conf(5)")
            }
            if Self.ownAptOptions.contains(where: { name == $0 || name.hasPrefix($0 + "::") }) {
                throw error(entry, "AptOpt: netroot itself sets \(excerpt(option.name))", "remove it")
            }
            if Self.weakAptOptions.contains(name) {
                throw error(
                    entry, "AptOpt: \(option.name) takes what nobody signed", "remove it; build with --allow-unsigned")
            }
            // It ends an option's value (apt.conf(5)).
            guard !option.value.utf8.contains(where: { $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") }) else {
                throw error(
                    entry, "AptOpt: the value of \(option.name) holds a quotation mark or a backslash", "remove it")
            }
        }
        return options
    }

    private func debianMirror() throws(ConfigError) -> String? {
        guard let entry = self[.mirrorURL] else { return nil }
        let value = try expanded(entry)
        let schemes = ["http://", "https://", "file:", "copy:"]
        guard schemes.contains(where: { value.lowercased().hasPrefix($0) }),
            value.blankSeparatedWords.count == 1
        else {
            throw error(
                entry, "'\(excerpt(MirrorAddress(value).url))' is not a URL of a mirror",
                "such as MirrorURL: http://mirror.example.org/debian")
        }
        let address = MirrorAddress(value)
        guard address.user != nil else { return value }
        // What apt_auth.conf(5) can say: words that blanks end.
        guard let login = address.login, !login.user.isEmpty,
            (login.user + login.password).unicodeScalars.allSatisfy({ $0.value > 0x20 && $0.value != 0x7F })
        else {
            throw error(
                entry, "the user or the password of MirrorURL: cannot be told to apt",
                "they hold no blanks, and %25 stands for a percent sign")
        }
        return value
    }
}
