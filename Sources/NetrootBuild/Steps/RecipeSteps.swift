import Glibc
import NetrootConfig
import NetrootStore
import NetrootSystem
import NetrootTree

/// The sections of a recipe's stage, carried out on a root.
struct RecipeSteps: Sendable {
    let stage: Recipe.Stage
    let tree: RootTree
    let inRoot: RootCommand
    let runner: CommandRunner
    /// A directory beside the root for scripts and staged files.
    let scratch: String

    private var folder: String { Files.parent(stage.path) }

    /// `%environment`, where Apptainer keeps it, behind what an image has there (`insertEnvScript` in
    /// internal/pkg/build/metadata.go). As in Apptainer it comes after `%post`, which does not see it.
    func environment() throws {
        guard let script = stage.environment else { return }
        let path = ".singularity.d/env/90-environment.sh"
        let earlier = try tree.contains(path) ? tree.read(path, limit: 1 << 20) : Array("#!/bin/sh\n".utf8)
        try tree.write(path, earlier + Array("\n".utf8) + script.bytes, mode: 0o755)
    }

    /// `%labels` and `%help`, where Apptainer keeps them.
    func metadata() throws {
        if !stage.labels.isEmpty { try writeLabels(stage.labelValues) }
        if let help = stage.help { try tree.write(".singularity.d/runscript.help", help.bytes) }
    }

    private static let labelsFile = ".singularity.d/labels.json"

    /// Adds labels to those that an image brought with it; of a label that is there already the recipe's value counts.
    private func writeLabels(_ labels: [String: String]) throws {
        var all: [String: String] = [:]
        if try tree.contains(Self.labelsFile) {
            let bytes = try tree.read(Self.labelsFile, limit: 1 << 20)
            // What an image has there may be anything; what is no such list is replaced.
            do { all = try JSON.value([String: String].self, from: bytes) } catch is DecodingError {}
        }
        try tree.write(Self.labelsFile, try JSON.text(all.merging(labels) { $1 }))
    }

    /// `%pre`, on the host, before there is a root; its path is known already.
    func pre() async throws { try await runOnHost(.pre) }

    /// `%setup`, on the host.
    func setup() async throws { try await runOnHost(.setup) }

    /// With the caller's environment, and the root's path in `APPTAINER_ROOTFS` and `SINGULARITY_ROOTFS`
    /// (`runHostScript` in Apptainer's internal/pkg/build/stage.go).
    private func runOnHost(_ section: RecipeSection) async throws {
        guard let script = stage.scripts[section] else { return }
        let path = try staged(script.bytes, as: section.rawValue)
        let command = Command(
            try stage.interpreter(section) + [path],
            environment: RootCommand.environmentFile.merging(
                ["APPTAINER_ROOTFS": tree.directory, "SINGULARITY_ROOTFS": tree.directory]
            ) { $1 },
            workingDirectory: folder)
        try await run(section: "%\(section.rawValue)", script: script, command.contained)
    }

    /// `%files`: what earlier stages lend, then what comes from the host, as Apptainer has it.
    /// - Parameter stages: the roots of the earlier stages, by name.
    func files(from stages: [String: RootTree] = [:]) async throws {
        for section in stage.allFiles {
            guard let name = section.stage, let lender = stages[name] else { continue }
            for copy in section.copies { try await lend(copy, from: lender, stage: name) }
        }
        for copy in stage.files { try await bring(copy) }
    }

    /// Copies as `cp -fLR` does, the destination resolved inside the root.
    private func bring(_ copy: Recipe.FileCopy) async throws {
        let isAbsolute = copy.source.hasPrefix("/")
        for source in try expand(isAbsolute ? copy.source : "\(Self.literal(folder))/\(copy.source)", copy) {
            let own = isAbsolute ? source : String(source.dropFirst(folder.count + 1))
            let target = try destination(copy.destination ?? own)
            // A symlink that is replaced is not written through: it may lead out of the root.
            try await run(
                ["cp", "-fLR", "--no-preserve=ownership", "--remove-destination", "--", source, target], for: copy)
        }
    }

    /// Copies with owners and attributes; symlinks are followed only where the recipe names them.
    private func lend(_ copy: Recipe.FileCopy, from lender: RootTree, stage: String) async throws {
        let matches = try lender.glob(copy.source)
        guard !matches.isEmpty else { throw missing(copy, stage: stage) }
        for name in matches {
            var target = try destination(copy.destination ?? name)
            if Files.isDirectory(target), name != "/" { target += "/\(Files.name(name))" }
            var source = try lender.resolve(name)
            // A symlink to what is not there: kept where a pattern found it, a mistake where the recipe names it.
            if !Files.exists(source) {
                let named = matches == [RootTree.absolute(copy.source)]
                source = try lender.resolve(name, followLast: false)
                if named, let target = try Files.linkTarget(source) {
                    throw BuildError.danglingLink(
                        source: copy.source, line: copy.line, link: copy.source, target: target, stage: stage)
                }
                if named { throw missing(copy, stage: stage) }
            }
            try await run(
                ["cp", "-a", "--reflink=auto", "--remove-destination", "-T", "--", source, target], for: copy)
        }
    }

    /// The path on the host of a path in the root that is to be written, with the directories above it made.
    private func destination(_ path: String) throws -> String {
        let whole = path.hasPrefix("/") ? path : "/" + path
        // A destination with a slash at its end is a directory, made where it is missing.
        try tree.makeDirectory(whole.hasSuffix("/") ? whole : Files.parent(whole))
        let host = try tree.resolve(whole)
        // A symlink at the end may lead where no directory is yet.
        if host != tree.directory { try Files.makeDirectory(Files.parent(host)) }
        return host
    }

    /// `%post`, inside the root, in the environment of the image that the root began with.
    func post() async throws {
        guard let script = stage.post else { return }
        try tree.makeDirectory(".singularity.d/env")
        let path = try staged(script.bytes, as: "post")
        var command = inRoot
        command.binds.append((source: path, target: "/run/netroot-script"))
        let labels = [
            "APPTAINER_LABELS": "/\(Self.addedLabels)", "SINGULARITY_LABELS": "/\(Self.addedLabels)",
        ]
        try await run(
            section: "%post", script: script,
            try command.commandInEnvironment(
                stage.interpreter(.post) + ["/run/netroot-script"], environment: labels))
        try addLabels()
    }

    /// Where `%post` adds labels: lines of `NAME VALUE`.
    private static let addedLabels = ".build.labels"

    private func addLabels() throws {
        guard try tree.contains(Self.addedLabels) else { return }
        var labels: [String: String] = [:]
        for line in try tree.text(Self.addedLabels).split(whereSeparator: \.isNewline) {
            let words = line.split(maxSplits: 1, whereSeparator: \.isWhitespace)
            guard let name = words.first else { continue }
            labels[String(name)] = words.count > 1 ? String(words[1].drop(while: \.isWhitespace)) : ""
        }
        try writeLabels(labels)
        try tree.remove(Self.addedLabels)
    }

    /// `%test`, inside the root, in the environment of the image with the recipe's `%environment`: a program of its own, as
    /// in Apptainer (`test` in internal/pkg/util/fs/files/action_script.sh).
    func test() async throws {
        guard let script = stage.test else { return }
        var bytes = script.bytes
        var argv = ["/run/netroot-script"]
        switch try stage.testProgram() {
        case .file(let whole, let interpreter):
            bytes = whole
            if try !tree.contains(interpreter) {
                throw BuildError.sectionFailed(
                    section: "%test", line: script.line, termination: .exited(127),
                    lines: ["the root has no \(interpreter), which the first line of %test names"])
            }
        case .argument(of: let words): argv = words + argv
        }
        var command = inRoot
        command.binds.append((source: try staged(bytes, as: "test"), target: "/run/netroot-script"))
        try await run(
            section: "%test", script: script,
            try command.commandInEnvironment(argv))
    }

    private func staged(_ bytes: [UInt8], as name: String) throws -> String {
        let path = "\(scratch)/\(name).script"
        try Files.replace(path, with: bytes, mode: 0o755)
        return path
    }

    private func run(section: String, script: Recipe.Script, _ command: Command) async throws {
        do {
            try await runner.run(command)
        } catch let error as CommandError {
            guard case .failed(_, let termination, let lines, _) = error else { throw error }
            throw BuildError.sectionFailed(
                section: section, line: script.line, termination: termination, lines: lines)
        }
    }

    /// Runs cp(1) for a line of `%files`.
    private func run(_ argv: [String], for copy: Recipe.FileCopy) async throws {
        do {
            try await runner.run(Command(argv))
        } catch CommandError.failed(_, .exited, let lines, _) where !lines.isEmpty {
            let root = tree.directory + "/"
            if let reason = try Self.unreadable(lines, copy, folder: folder) { throw reason }
            throw BuildError.copyFailed(
                source: copy.source, line: copy.line, reason: lines[lines.count - 1].replacing(root, with: "/"))
        }
    }

    /// The reason where it is the source's: a symlink to nothing, or a file that this user may not read.
    static func unreadable(_ lines: [String], _ copy: Recipe.FileCopy, folder: String) throws -> BuildError? {
        for line in lines {
            for sign in ["cannot stat '", "cannot open '", "cannot access '"] {
                guard let start = line.firstRange(of: sign)?.upperBound, let end = line.lastIndex(of: "'"), start <= end
                else { continue }
                let path = String(line[start..<end])
                let link = path.hasPrefix(folder + "/") ? String(path.dropFirst(folder.count + 1)) : path
                if access(path, F_OK) != 0, let target = try Files.linkTarget(path) {
                    let own = copy.source.hasPrefix("/") ? path : link
                    return .danglingLink(source: copy.source, line: copy.line, link: own, target: target, stage: nil)
                }
                if line.hasSuffix(": Permission denied") {
                    return .unreadable(source: copy.source, line: copy.line, reason: line)
                }
            }
        }
        return nil
    }

    private func missing(_ copy: Recipe.FileCopy, stage: String?) -> BuildError {
        .fileMissing(source: copy.source, line: copy.line, stage: stage)
    }

    /// A path as a pattern that means itself: only what the recipe writes is a pattern, not the name of its folder.
    static func literal(_ path: String) -> String {
        path.reduce(into: "") { pattern, character in
            if "\\*?[]{}".contains(character) { pattern.append("\\") }
            pattern.append(character)
        }
    }

    /// The files that a pattern of `%files` names (glob(7), and braces), sorted.
    private func expand(_ pattern: String, _ copy: Recipe.FileCopy) throws -> [String] {
        var matches = glob_t()
        defer { globfree(&matches) }
        let status = glob(pattern, GLOB_BRACE, nil, &matches)
        guard status == 0, let paths = matches.gl_pathv else { throw missing(copy, stage: nil) }
        return (0..<Int(matches.gl_pathc)).compactMap { paths[$0].map { String(cString: $0) } }
    }
}

extension Recipe.Stage {
    /// `%labels` by name; of a name that is named twice the last.
    fileprivate var labelValues: [String: String] { Dictionary(labels.map { ($0.name, $0.value) }) { $1 } }
}
