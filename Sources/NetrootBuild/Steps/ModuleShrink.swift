import NetrootConfig
import NetrootEntry
import NetrootStore
import NetrootSystem
import NetrootTree

/// `KERNEL_MODULES`: which modules of the kernel that is booted stay in the root, and with them which firmware.
struct ModuleShrink: Sendable {
    private let shrink: Shrink
    private let version: String

    /// What `/init` and dracut need of every kernel, besides what the transports do.
    private static let always = ["overlay", "squashfs", "loop", "af_packet"]

    init(_ shrink: Shrink, version: String) {
        self.shrink = shrink
        self.version = version
    }

    /// Removes what the words do not keep.
    /// - Returns: what the manifest says of modules and of firmware.
    /// - Throws: as `Shrink.run`.
    func run(
        _ words: Label.Words
    ) async throws -> (modules: Manifest.Shrunk.Count, firmware: Manifest.Shrunk.Count) {
        let tree = shrink.pair.tree
        let files = ModuleFiles(of: tree, version: version)
        let graph = try await graph(files)
        let names = try kept(words, graph)
        let modules = try files.remove(keeping: names, of: graph)
        try await shrink.depmod(version)
        let needs = try files.firmware(of: names, in: graph)
        let firmware = try FirmwareFiles(of: tree).remove(allBut: needs, version: version)
        try shrink.note(
            "kept \(Shrink.count(modules.kept)) of \(Shrink.count(modules.kept + modules.removed)) modules, removed "
                + "\(Shrink.size(modules.bytes)) of modules, \(Shrink.size(firmware.bytes)) of firmware")
        return (Manifest.Shrunk.Count(modules), Manifest.Shrunk.Count(firmware))
    }

    private func graph(_ files: ModuleFiles) async throws -> ModuleGraph {
        if let graph = try files.graph() { return graph }
        try await shrink.depmod(version)
        guard let graph = try files.graph() else {
            throw RootPathError(path: "/lib/modules/\(version)/modules.dep", reason: "depmod wrote none")
        }
        return graph
    }

    /// The names of the modules that stay: by the words, and what these and netroot need.
    func kept(_ words: Label.Words, _ graph: ModuleGraph) throws -> Set<String> {
        let rules = try words.words.map { try rule($0, of: words, graph) }
        let choice = ModuleRules(rules).choice(of: graph)
        if shrink.isStrict, let index = choice.unmatched.first { throw unmatched(words.words[index], of: words, graph) }
        let wanted = graph.closure(of: choice.kept)
        let own = Set(Self.always + shrink.pair.transports.flatMap(\.needs.kernelModules))
        let names = graph.closure(of: choice.kept.union(own))
        let added = own.filter { graph.modules[$0] != nil && !wanted.contains($0) }
        if !added.isEmpty { try shrink.note("kept \(Self.list(added)), which netroot needs") }
        for name in names.intersection(choice.excluded).subtracting(own).sorted().prefix(8) {
            let users = graph.users(of: name, among: names)
            try shrink.note("kept the module \(name) though it is excluded: \(Self.list(users, or: "others")) need it")
        }
        return names
    }

    // MARK: - Words

    private func rule(_ word: Label.Words.Word, of words: Label.Words, _ graph: ModuleGraph) throws -> ModuleRules.Rule
    {
        switch word.text {
        case "host": ModuleRules.Rule(names: try loaded(word, of: words, graph))
        case "default":
            ModuleRules.Rule(
                names: ModuleRules(try shrink.inRoot.shipped.words(of: "default-modules").map { ModuleRules.Rule($0) })
                    .choice(of: graph).kept)
        default: ModuleRules.Rule(word.text)
        }
    }

    /// The modules that this machine has loaded: the first word of each line of `/proc/modules`.
    private func loaded(_ word: Label.Words.Word, of words: Label.Words, _ graph: ModuleGraph) throws -> Set<String> {
        let text = Files.exists(shrink.loadedModules) ? try Files.text(shrink.loadedModules) : ""
        let names = Set(text.split(separator: "\n").compactMap { $0.split(separator: " ").first.map(String.init) })
        guard !names.isEmpty else {
            throw words.error(
                at: word,
                problem: "KERNEL_MODULES: 'host': this machine has no modules loaded (\(shrink.loadedModules))",
                hint: "write default, or name the modules")
        }
        let foreign = names.filter { graph.modules[$0] == nil && graph.builtin[$0] == nil }
        if !foreign.isEmpty {
            try shrink.note("of this machine's modules the kernel \(version) lacks \(Self.list(foreign))")
        }
        return names
    }

    private func unmatched(_ word: Label.Words.Word, of words: Label.Words, _ graph: ModuleGraph) -> ConfigError {
        let pattern = word.text.hasPrefix("-") ? String(word.text.dropFirst()) : word.text
        let nearest = nearestName(to: pattern, among: pattern.contains("/") ? graph.directories : graph.names)
        return words.error(
            at: word, problem: "KERNEL_MODULES: '\(word.text)' means no module of the kernel \(version)",
            hint: nearest.map { "did you mean '\(word.text.hasPrefix("-") ? "-" : "")\($0)'?" }
                ?? "correct it, or remove it")
    }

    private static func list(_ names: some Swift.Collection<String>, or nothing: String = "") -> String {
        let shown = names.sorted().prefix(8).map { TerminalText.line($0) }.joined(separator: ", ")
        if names.isEmpty { return nothing }
        return names.count > 8 ? shown + " and \(names.count - 8) more" : shown
    }
}

extension Manifest.Shrunk.Count {
    init(_ files: RemovedFiles) { self.init(kept: files.kept, removed: files.removed, bytes: files.bytes) }
}

extension ShippedFiles {
    /// The words of a list in `root-files`; `#` begins a comment.
    /// - Throws: `SystemError`.
    func words(of list: String) throws -> [String] {
        try words(in: "\(rootFiles)/\(list)")
    }

    /// The words of the file of a list; `#` begins a comment.
    /// - Throws: `SystemError`.
    func words(in file: String) throws -> [String] {
        try Files.text(file).split(separator: "\n")
            .flatMap { line in line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace).map(String.init) }
    }
}
