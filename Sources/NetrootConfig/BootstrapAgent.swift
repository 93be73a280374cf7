/// What installs the base system of a recipe, with what it takes from the header.
///
/// One case an agent; `RecipeHeader.agent` reads each from the header.
public enum BootstrapAgent: Sendable, Equatable {
    /// A Debian or a derivative of it, from a package mirror.
    case debootstrap(Debootstrap)

    /// The `Bootstrap:` value that chooses this agent.
    public var name: String {
        switch self {
        case .debootstrap: "debootstrap"
        }
    }

    /// The header keywords of the `debootstrap` agent.
    public struct Debootstrap: Sendable, Equatable {
        /// `OSVersion`: the suite, such as `bookworm`.
        public let suite: String
        /// `MirrorURL`; nil leaves the choice to the tool.
        public let mirror: String?
        /// `Include`: names of packages, in the recipe's order.
        public let include: [String]
    }

    /// The agents of Apptainer 1.4 ("Preferred bootstrap agents" in its user guide).
    static let known = [
        "arch", "busybox", "debootstrap", "dnf", "docker", "docker-archive", "docker-daemon", "library", "localimage",
        "oci", "oci-archive", "oras", "scratch", "shub", "yum", "zypper",
    ]
}

extension RecipeHeader {
    /// A mistyped agent is wrong whatever is done with the recipe.
    func checkAgentName(_ bootstrap: Entry) throws(ConfigError) {
        guard !bootstrap.value.isEmpty else {
            throw error(bootstrap, "Bootstrap: names no agent", "write Bootstrap: debootstrap")
        }
        guard !BootstrapAgent.known.contains(bootstrap.value.lowercased()) else { return }
        let nearest = nearestName(to: bootstrap.value, among: BootstrapAgent.known)
        throw error(
            bootstrap, "unknown agent '\(excerpt(bootstrap.value))'",
            nearest.map { "did you mean '\($0)'?" } ?? "use debootstrap")
    }
}

extension RecipeHeader {
    /// The agent that `Bootstrap:` names, with its keywords checked.
    func agent() throws(ConfigError) -> BootstrapAgent {
        guard let bootstrap = self[.bootstrap] else {
            throw ConfigError(
                file: path, problem: "the recipe has no Bootstrap: keyword", hint: "begin with Bootstrap: debootstrap")
        }
        try checkAgentName(bootstrap)
        switch bootstrap.value.lowercased() {
        case "debootstrap": return .debootstrap(try debootstrap(bootstrap))
        case let name: throw error(bootstrap, "agent '\(name)' is not supported yet", "use debootstrap")
        }
    }

    private func debootstrap(_ bootstrap: Entry) throws(ConfigError) -> BootstrapAgent.Debootstrap {
        // A keyword that this agent would leave unread is a wish that the build would not fulfil.
        let used: Set<RecipeKeyword> = [.bootstrap, .osVersion, .mirrorURL, .include, .stage]
        if let unused = entries.first(where: { !used.contains($0.keyword) }) {
            throw error(
                unused, "\(unused.spelling): is not supported yet with agent 'debootstrap'", "remove the line")
        }
        guard let version = self[.osVersion], !version.value.isEmpty else {
            throw error(
                self[.osVersion] ?? bootstrap, "agent 'debootstrap' needs OSVersion:",
                "name the suite, such as OSVersion: bookworm")
        }
        let suite = try expanded(version)
        guard suite.utf8.allSatisfy({ $0.isASCIILetter || $0.isASCIIDigit || ".-_/+".utf8.contains($0) }),
            suite.utf8.first?.isASCIILetter == true || suite.utf8.first?.isASCIIDigit == true
        else {
            throw error(version, "'\(excerpt(suite))' is no name of a suite", "such as OSVersion: bookworm")
        }
        return BootstrapAgent.Debootstrap(suite: suite, mirror: try mirror(), include: try include())
    }

    private func mirror() throws(ConfigError) -> String? {
        guard let entry = self[.mirrorURL] else { return nil }
        let value = try expanded(entry)
        let schemes = ["http://", "https://", "file:", "copy:"]
        guard schemes.contains(where: { value.lowercased().hasPrefix($0) }),
            value.blankSeparatedWords.count == 1
        else {
            throw error(
                entry, "'\(excerpt(value))' is no URL of a mirror",
                "such as MirrorURL: http://mirror.example.org/debian")
        }
        return value
    }

    /// Blanks and, as debootstrap's own list has them, commas separate the packages.
    private func include() throws(ConfigError) -> [String] {
        guard let entry = self[.include] else { return [] }
        let packages = try expanded(entry).blankSeparatedWords.flatMap { $0.split(separator: ",").map(String.init) }
        // Such a word would reach the tool as an option of its own.
        if let option = packages.first(where: { $0.hasPrefix("-") }) {
            throw error(entry, "'\(excerpt(option))' is no name of a package", "Include: takes names of packages only")
        }
        return packages
    }
}
