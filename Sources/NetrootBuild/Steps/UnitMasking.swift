import NetrootConfig
import NetrootSystem
import NetrootTree

/// Masks units in a root, as `UnitMasks` decides.
struct UnitMasking: Sendable {
    let tree: RootTree
    let inRoot: RootCommand
    let runner: CommandRunner
    /// The list: `root-files/masked-units`.
    let list: String
    /// The recipe's stage, which may ask for units.
    let stage: Recipe.Stage

    /// Where systemd looks for units that packages bring, in its order (systemd.unit(5)).
    private static let unitDirectories = [
        "usr/local/lib/systemd/system", "usr/lib/systemd/system", "lib/systemd/system",
    ]
    private static let directory = "etc/systemd/system"
    /// What was done, for a later build that begins with this root, and for whoever wonders.
    static let record = "usr/lib/netroot/masked-units"

    /// Masks what is to be masked, and gives back what the recipe asks for and an earlier build had masked.
    /// - Throws: `ConfigError`, `CommandError`, `MissingError`, `RootPathError`, `SystemError`.
    func apply() async throws -> [UnitMasks.Decision] {
        let candidates = try UnitMasks.candidates(try Files.text(list), path: list)
        let scripts = [stage.setup, stage.post].compactMap { $0?.text }
        let present = try await presence(of: candidates)
        let decisions = UnitMasks.decide(
            candidates, present: present, include: try stage.agent().include, scripts: scripts)
        for decision in decisions {
            let path = "\(Self.directory)/\(decision.unit)"
            switch decision.action {
            case .masked: try tree.link(path, to: "/dev/null")
            case .onDemand: try removeWants(decision.unit)
            case .left where present[decision.unit]?.earlier == .masked: try tree.remove(path)
            case .left: break
            }
        }
        return decisions
    }

    /// Says in the log and in the root what became of the units, when the recipe's scripts have run.
    /// - Throws: `RootPathError`, `SystemError`.
    func finish(_ decisions: [UnitMasks.Decision]) throws {
        let masked = try decisions.map(\.unit).filter { try isMasked($0) }
        let final = UnitMasks.after(decisions, masked: Set(masked))
        for line in UnitMasks.report(of: final) { try runner.note(line) }
        try tree.write(Self.record, UnitMasks.record(of: final))
    }

    private func isMasked(_ unit: String) throws -> Bool {
        try linkTarget(unit) == "/dev/null"
    }

    private func linkTarget(_ unit: String) throws -> String? {
        try Files.linkTarget(try tree.resolve("\(Self.directory)/\(unit)", followLast: false))
    }

    /// What the root has of the candidates.
    private func presence(of candidates: [UnitMasks.Candidate]) async throws -> [String: UnitMasks.Presence] {
        let earlier =
            try tree.contains(Self.record) ? UnitMasks.actions(inRecord: try tree.text(Self.record)) : [:]
        var present: [String: UnitMasks.Presence] = [:]
        var places: [String: String] = [:]
        for candidate in candidates {
            let unit = candidate.unit
            let place = try Self.unitDirectories.map { "\($0)/\(Self.file(of: unit))" }.first { try tree.contains($0) }
            let own = "\(Self.directory)/\(unit)"
            let masked = try isMasked(unit)
            let isSites = try !masked && (linkTarget(unit) != nil || tree.contains(own))
            guard place != nil || isSites else { continue }
            // A mask that is gone, `shell` or an image's owner took away: it is asked for.
            let before = earlier[unit] == .masked && !masked ? .left : earlier[unit]
            present[unit] = UnitMasks.Presence(isSites: isSites, earlier: before)
            if candidate.rule != .always, let place { places[unit] = place }
        }
        for (unit, owners) in try await UnitOwners(tree: tree, inRoot: inRoot).owners(of: places) {
            present[unit]?.owners = owners
        }
        return present
    }

    /// The file of a unit; of an instance that of its template.
    private static func file(of unit: String) -> String {
        guard let at = unit.firstIndex(of: "@"), let dot = unit.lastIndex(of: "."), at < dot else { return unit }
        return String(unit[...at] + unit[dot...])
    }

    /// Removes the symlinks by which targets would start it at boot (`systemctl disable`, for this unit alone).
    private func removeWants(_ unit: String) throws {
        for name in try tree.names(in: Self.directory) where name.hasSuffix(".wants") {
            let path = "\(Self.directory)/\(name)/\(unit)"
            if try Files.linkTarget(try tree.resolve(path, followLast: false)) != nil { try tree.remove(path) }
        }
    }
}

/// Whose files units are, by the database of packages that a root has.
struct UnitOwners: Sendable {
    let tree: RootTree
    let inRoot: RootCommand

    /// The packages that own each file.
    /// - Parameter places: paths in the root without a slash at the beginning, by unit.
    /// - Throws: `CommandError`, `MissingError`, `RootPathError`, `SystemError`.
    func owners(of places: [String: String]) async throws -> [String: [String]] {
        guard !places.isEmpty else { return [:] }
        switch try PackageFamily.of(tree) {
        case .dpkg: return try await dpkg(places)
        case .rpm, .suse: return try await rpm(places)
        case .pacman: return try pacman(places)
        case nil: return [:]
        }
    }

    /// dpkg's lists have the paths as the packages have them: with or without `/usr` in front of `/lib`.
    private func dpkg(_ places: [String: String]) async throws -> [String: [String]] {
        let paths = places.values.sorted().flatMap { place in
            ["/" + place] + (place.hasPrefix("usr/lib/") ? ["/" + place.dropFirst(4)] : [])
        }
        // 1: one of them is nobody's.
        let output = try await CommandRunner().captureBytes(
            inRoot.command(["dpkg-query", "-S"] + paths), accepting: [0, 1])
        let owners = Self.parseDpkg(String(decoding: output, as: UTF8.self))
        return places.compactMapValues { place in
            let other = place.hasPrefix("usr/lib/") ? String(place.dropFirst(4)) : place
            return owners["/" + place] ?? owners["/" + other]
        }
    }

    /// The lines of `dpkg-query -S`: `PACKAGE, PACKAGE:ARCHITECTURE: PATH`; a diversion, of a package (`diversion by P
    /// from`) or of the administrator (`local diversion from`), is not an owner.
    static func parseDpkg(_ text: String) -> [String: [String]] {
        var owners: [String: [String]] = [:]
        for line in text.split(separator: "\n")
        where !line.hasPrefix("diversion by ") && !line.hasPrefix("local diversion ") {
            guard let colon = line.firstRange(of: ": ") else { continue }
            let packages = line[..<colon.lowerBound].split(separator: ",").map { package in
                String(package.filter { $0 != " " }.prefix { $0 != ":" })
            }
            owners[String(line[colon.upperBound...])] = packages
        }
        return owners
    }

    private func rpm(_ places: [String: String]) async throws -> [String: [String]] {
        var owners: [String: [String]] = [:]
        for (unit, place) in places.sorted(by: { $0.key < $1.key }) {
            let query = ["-q", "--whatprovides", "--queryformat", "%{NAME}\\n", "/" + place]
            // 1: it is nobody's, which rpm says in words.
            let output = try await CommandRunner().captureBytes(
                try PackageList.rpmQuery(query, inRoot, tree), accepting: [0, 1])
            owners[unit] = Self.parseRPM(String(decoding: output, as: UTF8.self))
        }
        return owners
    }

    /// The lines of rpm's answer that are names.
    static func parseRPM(_ text: String) -> [String] {
        text.split(separator: "\n").filter { !$0.contains(" ") }.map(String.init)
    }

    /// pacman's database: a directory `NAME-VERSION-RELEASE` a package, whose `files` lists paths without a slash.
    private func pacman(_ places: [String: String]) throws -> [String: [String]] {
        let database = "var/lib/pacman/local"
        var owners: [String: [String]] = [:]
        for entry in try tree.names(in: database) where try tree.contains("\(database)/\(entry)/files") {
            let files = Set(try tree.text("\(database)/\(entry)/files").split(separator: "\n"))
            let name = entry.split(separator: "-").dropLast(2).joined(separator: "-")
            for (unit, place) in places where files.contains(place[...]) { owners[unit, default: []].append(name) }
        }
        return owners
    }
}
