import NetrootImage
import NetrootSystem

/// The modules of one kernel and what each needs, as depmod(8) writes it down.
public struct ModuleGraph: Sendable {
    /// A module that is a file.
    public struct Module: Sendable, Equatable {
        /// As modprobe(8) names it: with `_` for `-`.
        public let name: String
        /// From the directory of the kernel's modules: `kernel/drivers/net/virtio_net.ko.xz`.
        public let path: String
        /// The names of the modules that have to be there before.
        let needs: [String]
    }

    /// By name.
    public let modules: [String: Module]
    /// The paths of the modules that are built into the kernel, by name.
    public let builtin: [String: String]
    /// What modprobe loads with a module where it is there.
    private let soft: [String: [String]]
    /// The modules that a name stands for which is none of a module: `crypto-crc32c`.
    private let aliases: [String: [String]]

    /// The texts of the files of these names in the directory of the kernel's modules; empty where there is no such file.
    /// - Parameters:
    ///   - dep: `modules.dep` (modules.dep(5)): a path, a colon, the paths of what it needs.
    ///   - softdep: `modules.softdep` (modprobe.d(5)): `softdep NAME pre: NAMES post: NAMES`. Some modules leave out `pre:`.
    ///   - weakdep: `modules.weakdep`, of kmod 33 and later: `weakdep NAME NAMES`.
    ///   - alias: `modules.alias`: `alias PATTERN NAME`.
    ///   - builtin: `modules.builtin` (kbuild): a path a line.
    public init(dep: String, softdep: String = "", weakdep: String = "", alias: String = "", builtin: String = "") {
        var modules: [String: Module] = [:]
        for line in dep.split(separator: "\n") {
            guard let colon = line.firstIndex(of: ":"), let name = InitramfsContents.moduleName(String(line[..<colon]))
            else { continue }
            let needs = line[line.index(after: colon)...].split(separator: " ")
                .compactMap { InitramfsContents.moduleName(String($0)) }
            modules[name] = Module(name: name, path: String(line[..<colon]), needs: needs)
        }
        self.modules = modules
        var soft: [String: [String]] = [:]
        for line in (softdep + "\n" + weakdep).split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            guard words.count > 2, ["softdep", "weakdep"].contains(words[0]) else { continue }
            soft[Self.normal(words[1]), default: []] += words.dropFirst(2).filter { $0 != "pre:" && $0 != "post:" }
        }
        self.soft = soft
        // Most aliases are patterns for devices; of those that a soft dependency may name, a few have a colon.
        let wanted = Set(soft.values.joined())
        var aliases: [String: [String]] = [:]
        for line in alias.split(separator: "\n") where line.hasPrefix("alias ") {
            let words = line.split(separator: " ")
            guard words.count == 3, wanted.contains(String(words[1])) else { continue }
            aliases[String(words[1]), default: []].append(Self.normal(String(words[2])))
        }
        self.aliases = aliases
        self.builtin = Dictionary(
            builtin.split(separator: "\n").compactMap { line in
                InitramfsContents.moduleName(String(line)).map { ($0, String(line)) }
            }, uniquingKeysWith: { first, _ in first })
    }

    /// The names of all modules, also of those that are built in.
    public var names: [String] { modules.keys.sorted() + builtin.keys.sorted() }

    /// The directories of the modules, as patterns have them: `drivers/net/ethernet/`.
    public var directories: [String] {
        var found: Set<Substring> = []
        for module in modules.values {
            var path = ModulePattern.place(module.path)[...]
            while let slash = path.lastIndex(of: "/") {
                path = path[..<slash]
                guard found.insert(path).inserted else { break }
            }
        }
        return found.map { $0 + "/" }.sorted()
    }

    /// These modules with all that they need, also softly; names that are no modules' are left out.
    public func closure(of names: Set<String>) -> Set<String> {
        var found: Set<String> = []
        var pending = Array(names)
        while let name = pending.popLast() {
            guard let module = modules[name], found.insert(name).inserted else { continue }
            pending += module.needs
            for soft in soft[name] ?? [] {
                pending.append(Self.normal(soft))
                pending += aliases[soft] ?? []
            }
        }
        return found
    }

    /// The modules of a set that need this one, sorted.
    public func users(of name: String, among names: Set<String>) -> [String] {
        names.filter { modules[$0]?.needs.contains(name) ?? false }.sorted()
    }

    /// A name as modprobe takes it.
    static func normal(_ name: String) -> String { String(name.map { $0 == "-" ? "_" : $0 }) }
}
