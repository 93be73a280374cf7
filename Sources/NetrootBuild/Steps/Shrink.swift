import NetrootConfig
import NetrootStore
import NetrootSystem
import NetrootTree

/// What the label takes out of a root before anything is made of it: files, kernel modules, and the firmware that no
/// module wants any more.
struct Shrink: Sendable {
    let label: Label
    let inRoot: RootCommand
    let runner: CommandRunner
    /// Which kernel is booted, and by what.
    let pair: KernelPair
    /// Whether a pattern that means nothing is an error: what an earlier build removed is not there for a shell.
    var isStrict = true
    /// The modules that this machine has loaded (proc(5)).
    var loadedModules = "/proc/modules"
    let progress: Progress

    private var tree: RootTree { pair.tree }

    /// Removes it.
    /// - Returns: what the manifest says of it, nil where the label removes nothing; and the packages as they were before,
    ///   nil where no file is removed that could tell of them.
    /// - Throws: `ConfigError` for a pattern that means nothing, or what has to stay; `BuildError`, `CommandError`,
    ///   `RootPathError`, `TreeRemovalError`, `SystemError`, `CancellationError`.
    func run() async throws -> (shrunk: Manifest.Shrunk?, packages: PackageList.Listed?) {
        guard label.removeFiles != nil || label.kernelModules != nil else { return (nil, nil) }
        return try await progress.step("shrink") {
            let (choice, kernel) = try pair.kernel()
            var shrunk = Manifest.Shrunk()
            var packages: PackageList.Listed?
            if let words = label.removeFiles {
                packages = try await PackageList.listed(inRoot, runner: CommandRunner())
                shrunk.removeFiles = words.texts
                shrunk.files = try await removeFiles(words, choice.taken, kernel)
            }
            if let words = label.kernelModules {
                shrunk.kernelModules = words.texts
                try removeOtherKernels(but: choice.taken)
                (shrunk.modules, shrunk.firmware) = try await ModuleShrink(self, version: choice.taken).run(words)
            }
            return (shrunk, packages)
        }
    }

    /// Says it in the log and on standard error.
    func note(_ text: String) throws {
        progress.note(text)
        try runner.note(text)
    }

    // MARK: - Files

    private func removeFiles(
        _ words: Label.Words, _ version: String, _ kernel: String
    ) async throws -> Manifest.Shrunk.Count {
        let removal = FileRemoval(of: tree, patterns: words.texts)
        let plan = try removal.plan()
        if isStrict, let index = plan.unmatched.first { throw try unmatched(words, words.words[index]) }
        for (paths, what) in try protected(version, kernel) {
            guard let taken = plan.taking(anyOf: paths) else { continue }
            let word = words.words[taken.pattern]
            throw words.error(
                at: word,
                problem: "REMOVE_FILES: '\(word.text)' would remove /\(TerminalText.line(taken.path)), \(what)",
                hint: "write a narrower pattern")
        }
        try removal.run(plan)
        if plan.files > 0 {
            try note("removed \(Self.count(plan.files)) files, \(Self.size(plan.bytes)), by REMOVE_FILES")
        }
        if try plan.reaches(into: tree.way(to: "lib/modules/\(version)")) { try await depmod(version) }
        return Manifest.Shrunk.Count(removed: plan.files, bytes: plan.bytes)
    }

    private func unmatched(_ words: Label.Words, _ word: Label.Words.Word) throws -> ConfigError {
        let names = word.text.split(separator: "/").map(String.init)
        // The files of a merged /usr have one name that is theirs.
        for count in names.indices.dropFirst() {
            let above = names.prefix(count).joined(separator: "/")
            guard !above.contains(where: { "*?[\\".contains($0) }),
                try Files.linkTarget(try tree.resolve(above, followLast: false)) != nil
            else { continue }
            let place = String(try tree.resolve(above).dropFirst(tree.directory.count))
            let rest = names.dropFirst(count).joined(separator: "/")
            return words.error(
                at: word, problem: "REMOVE_FILES: '\(word.text)' matches no file of the root",
                hint: "/\(above) is a symlink; did you mean '\(place)/\(rest)'?")
        }
        return words.error(
            at: word, problem: "REMOVE_FILES: '\(word.text)' matches no file of the root",
            hint: "correct it, or remove it; netroot inspect --largest shows what there is")
    }

    /// The paths without which nothing boots, and what they are.
    private func protected(_ version: String, _ kernel: String) throws -> [(paths: [String], what: String)] {
        func ways(_ paths: [String]) throws -> [String] { try paths.flatMap { try tree.way(to: $0) } }
        let modules = try Files.names(in: inRoot.shipped.dracutModules).filter { $0.first?.isNumber == true }
            .map { "usr/lib/dracut/modules.d/\($0)" }
        let laid = try Self.files(below: inRoot.shipped.rootFiles + "/tree")
        return [
            (try ways(["sbin/init"]), "which starts the system"), (try ways([kernel]), "the kernel"),
            (try ways(["lib/modules/\(version)"]), "the modules of the kernel; KERNEL_MODULES chooses among them"),
            (try ways(modules + laid + [Customise.leaseProgram]), "which netroot needs"),
        ]
    }

    /// The files of a folder on the host, by their paths from it.
    private static func files(below folder: String) throws -> [String] {
        try Files.names(in: folder).flatMap { name in
            let path = "\(folder)/\(name)"
            guard Files.isDirectory(path), try Files.linkTarget(path) == nil else { return [name] }
            return try files(below: path).map { "\(name)/\($0)" }
        }
    }

    // MARK: - Kernels

    private func removeOtherKernels(but taken: String) throws {
        let others = try tree.names(in: "lib/modules").filter { $0 != taken }
        guard !others.isEmpty else { return }
        let bytes = try others.reduce(Int64(0)) { try $0 + tree.bytes(of: "lib/modules/\($1)") }
        for other in others { try tree.removeAll("lib/modules/\(other)") }
        try note(
            "removed the modules of kernels that are not booted, \(Self.size(bytes)): \(KernelChoice.list(others))")
    }

    /// Lets the root's depmod write anew which modules there are.
    /// - Throws: `BuildError.noDepmod`, `CommandError`, `RootPathError`, `SystemError`.
    func depmod(_ version: String) async throws {
        let places = ["usr/sbin", "sbin", "usr/bin", "bin"]
        guard try places.contains(where: { try tree.contains("\($0)/depmod") }) else { throw BuildError.noDepmod }
        try await runner.run(inRoot.command(["depmod", version]))
    }

    /// `244.1 MB`.
    static func size(_ bytes: Int64) -> String { Progress.decimal(Double(bytes) / 1_000_000) + " MB" }

    /// `4,023`.
    static func count(_ number: Int) -> String {
        let digits = Array("\(number)")
        return digits.indices.map { index in
            (index > 0 && (digits.count - index) % 3 == 0 ? "," : "") + String(digits[index])
        }.joined()
    }
}
