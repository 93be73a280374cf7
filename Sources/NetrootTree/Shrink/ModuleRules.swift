import NetrootImage
import NetrootSystem

/// A pattern for modules: for their names where it has no slash, else for their paths, without `kernel/` at the beginning
/// and `.ko` at the end, or for a directory with all that is below it. `-` and `_` are the same.
public struct ModulePattern: Sendable, Equatable {
    private let pattern: PathPattern
    private let isPath: Bool

    /// Reads a pattern as it is written: `virtio_net`, `nvme*`, `drivers/net/ethernet/**`, `fs/`.
    public init(_ text: String) {
        isPath = text.contains("/")
        let path = text.hasPrefix("kernel/") ? text.dropFirst("kernel/".count) : text[...]
        pattern = PathPattern(Self.normal(path))
    }

    func matches(_ place: ModulePlace) -> Bool {
        isPath ? pattern.matches(names: place.names, orAbove: true) : pattern.matches(names: [place.name])
    }

    /// `drivers/net/virtio_net` of `kernel/drivers/net/virtio-net.ko.xz`.
    static func place(_ path: String) -> String {
        let below = path.hasPrefix("kernel/") ? String(path.dropFirst("kernel/".count)) : path
        let folder = below.lastIndex(of: "/").map { below[...$0] } ?? ""
        return ModuleGraph.normal(folder + (InitramfsContents.moduleName(below) ?? Files.name(below)))
    }

    /// In a set of characters a `-` is a range.
    private static func normal(_ text: Substring) -> String {
        var isSet = false
        return String(
            text.map { character in
                switch character {
                case "[": isSet = true
                case "]": isSet = false
                case "-" where !isSet: return "_"
                default: break
                }
                return character
            })
    }
}

/// A module's name and its path, as patterns are compared with them.
struct ModulePlace {
    let module: String
    let name: [UInt8]
    let names: [[UInt8]]

    init(_ module: String, path: String) {
        self.module = module
        name = Array(module.utf8)
        names = PathPattern.names(ModulePattern.place(path).utf8)
    }
}

/// Which modules stay: the last rule that means a module says so. Where the first rule excludes, all stay at first.
public struct ModuleRules: Sendable {
    /// What a rule means.
    public enum Meaning: Sendable {
        case pattern(ModulePattern)
        /// Names of modules, as modprobe(8) has them.
        case names(Set<String>)
    }

    /// One rule.
    public struct Rule: Sendable {
        let meaning: Meaning
        let excludes: Bool

        /// A list of names, none of which has to be there.
        public init(names: Set<String>) {
            meaning = .names(Set(names.map(ModuleGraph.normal)))
            excludes = false
        }

        /// A pattern as it is written, with `-` in front where it excludes.
        public init(_ text: String) {
            excludes = text.hasPrefix("-")
            meaning = .pattern(ModulePattern(excludes ? String(text.dropFirst()) : text))
        }

        func matches(_ place: ModulePlace) -> Bool {
            switch meaning {
            case .pattern(let pattern): pattern.matches(place)
            case .names(let names): names.contains(place.module)
            }
        }
    }

    /// What the rules make of a kernel's modules.
    public struct Choice: Sendable {
        /// The names of those that the rules keep.
        public var kept: Set<String> = []
        /// The names of those that a rule excludes.
        public var excluded: Set<String> = []
        /// The indexes of the rules that mean no module, and none that is built in.
        public var unmatched: [Int] = []
    }

    private let rules: [Rule]

    /// Rules in their order.
    public init(_ rules: [Rule]) { self.rules = rules }

    /// Applies the rules to the modules of a kernel.
    public func choice(of graph: ModuleGraph) -> Choice {
        var choice = Choice()
        var used: Set<Int> = []
        let keepsUnnamed = rules.first?.excludes ?? true
        for module in graph.modules.values {
            let place = ModulePlace(module.name, path: module.path)
            let meaning = rules.indices.filter { rules[$0].matches(place) }
            used.formUnion(meaning)
            let excludes = meaning.last.map { rules[$0].excludes }
            if excludes == true { choice.excluded.insert(module.name) }
            if !(excludes ?? !keepsUnnamed) { choice.kept.insert(module.name) }
        }
        let builtin = graph.builtin.map { ModulePlace($0.key, path: $0.value) }
        choice.unmatched = rules.indices.filter { index in
            if case .names = rules[index].meaning { return false }
            return !used.contains(index) && !builtin.contains(where: rules[index].matches)
        }
        return choice
    }
}
