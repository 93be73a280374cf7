import Glibc
import NetrootConfig

/// Which units of a root a build keeps from starting, and why: decisions without effects.
///
/// A recipe has the last word. A unit is left as it is where the recipe asks for it: `Include` names its package, or a
/// script of the recipe names the unit or its package. A unit that comes later, with a package of `%post`, is not in the
/// root yet when this is decided, and so is never masked.
enum UnitMasks {
    /// What a line of `root-files/masked-units` says of a unit.
    enum Rule: String, Sendable {
        /// Masked, unless the recipe names its package.
        case unlessNamed = ""
        /// Masked whoever names its package, because it does harm, or because every root has the package.
        case always
        /// Not started at boot, and not masked: a socket or another unit may start it.
        case onDemand = "on-demand"
    }

    /// A line of `root-files/masked-units`.
    struct Candidate: Sendable, Equatable {
        let unit: String
        let rule: Rule
    }

    /// What is done with a unit; a record of it in the root tells a later build that begins with this root.
    enum Action: String, Sendable {
        case masked
        case onDemand = "on-demand"
        case left
    }

    /// What was decided of a unit.
    struct Decision: Sendable, Equatable {
        let unit: String
        var action: Action
        /// In words, for the build's log.
        var reason: String
    }

    /// What a root has of a candidate.
    struct Presence: Sendable, Equatable {
        /// The packages that own the unit's file; empty where none does.
        var owners: [String] = []
        /// `/etc/systemd/system` has a file or a symlink of this name that is not a mask.
        var isSites = false
        /// What an earlier build that made this root did with it; nil where there was none.
        var earlier: Action?
    }

    /// The lines of the list: a unit, and perhaps a rule; `#` begins a comment.
    /// - Throws: `ConfigError` for an unknown rule.
    static func candidates(_ text: String, path: String) throws(ConfigError) -> [Candidate] {
        var candidates: [Candidate] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let words = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace).map(String.init)
            guard let unit = words.first else { continue }
            guard words.count <= 2, let rule = Rule(rawValue: words.dropFirst().first ?? "") else {
                throw ConfigError(
                    file: path, line: index + 1, problem: "'\(line)' is not a unit with a rule",
                    hint: "a rule is one of always, on-demand")
            }
            candidates.append(Candidate(unit: unit, rule: rule))
        }
        return candidates
    }

    /// Decides.
    /// - Parameters:
    ///   - present: the candidates that the root has.
    ///   - include: the words of the recipe's `Include`.
    ///   - scripts: the texts of the recipe's `%setup` and `%post`.
    /// - Returns: a decision for each candidate that the root has, in the order of the list.
    static func decide(
        _ candidates: [Candidate], present: [String: Presence], include: [String], scripts: [String]
    ) -> [Decision] {
        let words = scripts.reduce(into: Set<Substring>()) { $0.formUnion(Self.words(of: $1)) }
        return candidates.compactMap { candidate in
            present[candidate.unit].map { decide(candidate, $0, include, words) }
        }
    }

    private static func decide(
        _ candidate: Candidate, _ presence: Presence, _ include: [String], _ words: Set<Substring>
    ) -> Decision {
        func left(_ reason: String) -> Decision { Decision(unit: candidate.unit, action: .left, reason: reason) }
        let unit = candidate.unit
        if presence.isSites { return left("the root has its own in /etc/systemd/system") }
        if presence.earlier == .left { return left("the root that this one begins with has it") }
        if words.contains(unit[...]) || words.contains(stem(of: unit)) {
            return left("a script of the recipe names it")
        }
        if candidate.rule != .always {
            for owner in presence.owners {
                if let word = include.first(where: { names($0, owner) }) { return left("Include names \(word)") }
                if words.contains(owner[...]) { return left("a script of the recipe names \(owner)") }
            }
        }
        if candidate.rule == .onDemand {
            return Decision(unit: unit, action: .onDemand, reason: "started when something asks for it")
        }
        let owner = presence.owners.first.map { "of \($0), " } ?? ""
        let reason =
            candidate.rule == .always
            ? "in every root, unless the recipe names it" : "\(owner)which the recipe does not name"
        return Decision(unit: unit, action: .masked, reason: reason)
    }

    /// A unit's name without its type: what systemctl(1) takes for a service, and people for a socket.
    private static func stem(of unit: String) -> Substring {
        unit.lastIndex(of: ".").map { unit[..<$0] } ?? unit[...]
    }

    /// The words of a script that can be names of units or packages; quotes, slashes and the like divide them.
    private static func words(of script: String) -> Set<Substring> {
        Set(
            script.split { character in
                !(character.isLetter || character.isNumber || "-_.@:+\\".contains(character))
            }.map { word in
                // The end of a sentence, or of a label.
                word.last == "." || word.last == ":" ? word.dropLast() : word
            })
    }

    /// Whether a word of `Include` names a package: by its name, with a version, a release or an architecture, or by a
    /// pattern (`name=1.2`, `name/suite`, `name:amd64`, `name-1.2-3.x86_64`, `kernel*`). A group names no package.
    static func names(_ word: String, _ package: String) -> Bool {
        if word == package { return true }
        if word.contains(where: { "*?[".contains($0) }) { return fnmatch(word, package, 0) == 0 }
        guard word.hasPrefix(package) else { return false }
        let rest = word.dropFirst(package.count)
        switch rest.first {
        case "=", "<", ">", "/", ":": return true
        // rpm: the architecture; a name may go on with a dot, but not with one of these.
        case ".": return ["x86_64", "noarch", "aarch64", "i686", "ppc64le", "s390x"].contains(rest.dropFirst())
        case "-": return rest.dropFirst().first?.isNumber == true
        default: return false
        }
    }

    /// What becomes of decisions when `%post` has run.
    /// - Parameter masked: the units that are masked now.
    static func after(_ decisions: [Decision], masked: Set<String>) -> [Decision] {
        decisions.map { decision in
            guard decision.action == .masked, !masked.contains(decision.unit) else { return decision }
            return Decision(unit: decision.unit, action: .left, reason: "a script of the recipe unmasked it")
        }
    }

    /// The record in the root: a line a unit.
    static func record(of decisions: [Decision]) -> String {
        decisions.map { "\($0.unit) \($0.action.rawValue)\n" }.joined()
    }

    /// Reads a record; a line that it cannot be from us is left out.
    static func actions(inRecord text: String) -> [String: Action] {
        var actions: [String: Action] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            if words.count == 2, let action = Action(rawValue: words[1]) { actions[words[0]] = action }
        }
        return actions
    }

    /// Lines for the build's log.
    static func report(of decisions: [Decision]) -> [String] {
        decisions.map { decision in
            switch decision.action {
            case .masked: "masked \(decision.unit): \(decision.reason)"
            case .onDemand: "not started at boot \(decision.unit): \(decision.reason)"
            case .left: "not masked \(decision.unit): \(decision.reason)"
            }
        }
    }
}
