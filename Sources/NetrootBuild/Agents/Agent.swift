import NetrootConfig
import NetrootStore
import NetrootSystem

/// What fills an empty root.
protocol Agent: Sendable {
    /// The host's programs that it needs; checked before anything is changed.
    var tools: [Tool] { get }

    /// The line of the recipe that names where the root comes from; nil where no single line does.
    var line: Int? { get }

    /// What can be said before anything is changed: a file that is not there, a label without a generation, no key.
    func check(_ allows: Allowances) throws

    /// Whether a build would take the root from the same as the one that a manifest tells of, as far as the agent can tell.
    func isUnchanged(since manifest: Manifest.Bootstrap) async throws -> Bool

    /// Whether the root is as another build published it: what tells machines apart and is in it, a recipe brought.
    func isPublished() throws -> Bool

    /// Fills the root.
    ///
    /// Errors are the bare reason and the next step: the build adds recipe, line, step and log (`BuildFailure`).
    /// - Returns: what the manifest says of it.
    func run(in place: AgentPlace) async throws -> Manifest.Bootstrap
}

extension Agent {
    var line: Int? { nil }
    func check(_ allows: Allowances) throws {}
    func isPublished() throws -> Bool { false }
    func isUnchanged(since manifest: Manifest.Bootstrap) async throws -> Bool { true }
}

/// Where a root is filled, and by whose leave.
struct AgentPlace: Sendable {
    /// The root's directory; it exists and is empty.
    let root: String
    /// A private directory beside the root, removed at the end of the build.
    let scratch: String
    /// The directory of all caches; an agent has a folder of its own name in it.
    let cache: String
    /// The recipe's path: what it names is relative to its folder.
    let recipePath: String
    let shipped: ShippedFiles
    let runner: CommandRunner
    let allows: Allowances
    /// What lays netroot's part into the root; nil in a stage that only lends files.
    let customise: Customise?
    let progress: Progress

    /// A folder of the cache, which only its owner can write.
    /// - Throws: `CacheError`, `SystemError`.
    func cacheDirectory(_ name: String) throws -> String { try CacheDirectory.make(name, in: cache) }
}

extension AgentHeader {
    /// How a recipe of the agent brings one more package.
    var packageSource: PackageSource {
        switch self {
        case .debootstrap, .dnf, .zypper, .arch: .include
        case .container, .localImage: .post
        case .scratch: .sections
        }
    }
}

/// What is refused unless the build was told to take it.
public struct Allowances: Sendable, Equatable {
    /// Packages and repositories that nobody signed.
    public var unsigned: Bool
    /// Device nodes in images, archives and local trees.
    public var devices: Bool

    /// Nothing is allowed unless it is said.
    public init(unsigned: Bool = false, devices: Bool = false) {
        self.unsigned = unsigned
        self.devices = devices
    }
}

extension Recipe.Stage {
    /// What fills the root of the stage, ready to run.
    /// - Parameters:
    ///   - hosts: the labels that `From: label:NAME` can mean.
    ///   - label: the one that is built.
    /// - Throws: `ConfigError`.
    func makeAgent(hosts: HostsFile, building label: Label) throws -> any Agent {
        switch try agent() {
        case .debootstrap(let header): return Debootstrap(header: header)
        case .localImage(let header):
            return LocalImage(header: header, hosts: hosts, building: label)
        case .scratch: return Scratch()
        case .dnf(let header): return DNF(header: header)
        case .zypper(let header): return Zypper(header: header)
        case .container(let header): return Container(header: header)
        case .arch(let header): return Arch(header: header)
        }
    }
}

/// The scratch agent: nothing; the recipe's sections fill the root.
struct Scratch: Agent {
    var tools: [Tool] { [] }

    func run(in place: AgentPlace) async throws -> Manifest.Bootstrap { Manifest.Bootstrap(agent: "scratch") }
}
