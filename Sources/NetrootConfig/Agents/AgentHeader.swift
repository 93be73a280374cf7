/// What fills the root of a recipe's stage, with what it takes from the header.
///
/// One case an agent; `Sources/NetrootConfig/Agents` has a file for each, which reads the header.
public enum AgentHeader: Sendable, Equatable {
    /// A Debian or a derivative of it, from a package mirror.
    case debootstrap(Debootstrap)
    /// An RPM distribution by dnf; `yum` is the same.
    case dnf(DNF)
    /// An RPM distribution by zypper.
    case zypper(Zypper)
    /// Arch Linux by pacman.
    case arch(Arch)
    /// A root that is on this machine already.
    case localImage(LocalImage)
    /// The image of a container.
    case container(Container)
    /// Nothing: the sections fill the root.
    case scratch

    /// The `Bootstrap:` value that chooses this agent.
    public var name: String {
        switch self {
        case .debootstrap: "debootstrap"
        case .dnf: "dnf"
        case .zypper: "zypper"
        case .arch: "arch"
        case .localImage: "localimage"
        case .container(let header): header.source.rawValue
        case .scratch: "scratch"
        }
    }

    /// The words of `Include:`: what the recipe asks for by name; empty where the agent installs no packages.
    public var include: [String] {
        switch self {
        case .debootstrap(let header): header.include
        case .dnf(let header): header.source.include
        case .zypper(let header): header.source.include
        case .arch(let header): header.include
        case .localImage, .container, .scratch: []
        }
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
        guard !AgentHeader.known.contains(bootstrap.value.lowercased()) else { return }
        let nearest = nearestName(to: bootstrap.value, among: AgentHeader.known)
        throw error(
            bootstrap, "unknown agent '\(excerpt(bootstrap.value))'",
            nearest.map { "did you mean '\($0)'?" } ?? "use debootstrap")
    }

    /// The agent that `Bootstrap:` names, with its keywords checked.
    func agent() throws(ConfigError) -> AgentHeader {
        guard let bootstrap = self[.bootstrap] else {
            throw ConfigError(
                file: path, problem: "the recipe has no Bootstrap: keyword", hint: "begin with Bootstrap: debootstrap")
        }
        try checkAgentName(bootstrap)
        switch bootstrap.value.lowercased() {
        case "debootstrap": return .debootstrap(try debootstrap(bootstrap))
        case "yum", "dnf": return .dnf(try dnf(bootstrap))
        case "zypper": return .zypper(try zypper(bootstrap))
        case "arch": return .arch(try arch(bootstrap))
        case "localimage": return .localImage(try localImage(bootstrap))
        case "scratch":
            try allow([], agent: "scratch")
            return .scratch
        case let name:
            if let source = AgentHeader.Container.Source(rawValue: name) {
                return .container(try container(source, bootstrap))
            }
            throw error(bootstrap, "agent '\(name)' is not supported", "see the agents in docs/formats.md")
        }
    }

    /// Refuses the keywords that an agent would leave unread: each is a wish that the build would not fulfil.
    func allow(_ used: Set<RecipeKeyword>, agent: String) throws(ConfigError) {
        let used = used.union([.bootstrap, .stage])
        guard let unused = entries.first(where: { !used.contains($0.keyword) }) else { return }
        throw error(unused, "\(unused.spelling): is not supported with agent '\(agent)'", "remove the line")
    }

    /// The value of `From:`, which an agent cannot do without.
    func from(_ bootstrap: Entry, example: String) throws(ConfigError) -> String {
        guard let from = self[.from], !from.value.isEmpty else {
            throw error(
                self[.from] ?? bootstrap, "agent '\(bootstrap.value.lowercased())' needs From:", "such as \(example)")
        }
        return try expanded(from)
    }

    /// The words of `Include:`; blanks and, as debootstrap's own list has them, commas separate them.
    func include() throws(ConfigError) -> [String] {
        guard let entry = self[.include] else { return [] }
        let packages = try expanded(entry).blankSeparatedWords.flatMap { $0.split(separator: ",").map(String.init) }
        // Such a word would reach the tool as an option of its own.
        if let option = packages.first(where: { $0.hasPrefix("-") }) {
            throw error(
                entry, "'\(excerpt(option))' is not a name of a package", "Include: takes names of packages only")
        }
        return packages
    }
}
