import Glibc
import NetrootConfig
import NetrootStore
import NetrootSystem

/// The sections of a recipe's stage, carried out on a root.
struct RecipeSteps: Sendable {
    let recipe: Recipe.Stage
    let tree: RootTree
    let inRoot: RootCommand
    let runner: CommandRunner
    /// A directory beside the root for scripts and staged files.
    let scratch: String
    let log: String

    private var folder: String {
        guard let slash = recipe.path.lastIndex(of: "/") else { return "." }
        return slash == recipe.path.startIndex ? "/" : String(recipe.path[..<slash])
    }

    /// `%environment`, `%labels` and `%help`, where Apptainer keeps them; logins read the environment too, and what
    /// `%post` adds to it through `APPTAINER_ENVIRONMENT`.
    func metadata() throws {
        if let script = recipe.environment {
            try tree.write(
                ".singularity.d/env/90-environment.sh", Array("#!/bin/sh\n".utf8) + script.bytes, mode: 0o755)
        }
        if recipe.environment != nil || recipe.post != nil {
            try tree.write(
                "etc/profile.d/netroot-environment.sh",
                """
                # from the recipe's %environment section, and what %post added to it
                for netroot_file in /.singularity.d/env/*.sh; do
                    if [ -r "$netroot_file" ]; then . "$netroot_file"; fi
                done
                unset netroot_file

                """)
        }
        if !recipe.labels.isEmpty {
            var labels: [String: String] = [:]
            for label in recipe.labels { labels[label.name] = label.value }
            try tree.write(".singularity.d/labels.json", try JSON.text(labels))
        }
        if let help = recipe.help { try tree.write(".singularity.d/runscript.help", help.bytes) }
    }

    /// `%pre`, on the host, before there is a root; its path is known already.
    func pre() async throws { try await runOnHost(.pre) }

    /// `%setup`, on the host.
    func setup() async throws { try await runOnHost(.setup) }

    /// With the root's path in `APPTAINER_ROOTFS` and `SINGULARITY_ROOTFS`.
    private func runOnHost(_ section: RecipeSection) async throws {
        guard let script = recipe.scripts[section] else { return }
        let path = try stage(script, as: section.rawValue)
        let command = Command(
            try recipe.interpreter(section) + [path],
            environment: ["APPTAINER_ROOTFS": tree.directory, "SINGULARITY_ROOTFS": tree.directory],
            workingDirectory: folder)
        try await run(section: "%\(section.rawValue)", script: script, command.contained)
    }

    /// `%files`: copied as `cp -fLR` does, the destination resolved inside the root.
    func files() async throws {
        for (number, copy) in recipe.files.enumerated() {
            let place = "\(recipe.path):\(copy.line)"
            let sources = try expand(copy.source, place: place)
            // Staged first: the host's symlinks are followed on the host, the root's only inside the root.
            let staged = "\(scratch)/files-\(number)"
            try Files.makeDirectory(staged)
            try await runner.run(Command(["cp", "-fLR", "--"] + sources + [staged + "/"]))
            let destination = copy.destination ?? copy.source
            let whole = destination.hasPrefix("/") ? destination : "/" + destination
            try tree.makeDirectory(String(whole[...(whole.lastIndex(of: "/") ?? whole.startIndex)]))
            var copying = inRoot
            copying.binds.append((source: staged, target: "/run/netroot-files"))
            let names = try Files.names(in: staged).map { "/run/netroot-files/\($0)" }
            try await runner.run(copying.command(["cp", "-fR", "--no-preserve=ownership", "--"] + names + [whole]))
        }
    }

    /// `%post`, inside the root.
    func post() async throws {
        guard let script = recipe.post else { return }
        try tree.makeDirectory(".singularity.d/env")
        let path = try stage(script, as: "post")
        var command = inRoot
        command.binds.append((source: path, target: "/run/netroot-script"))
        let environment = [
            "APPTAINER_ENVIRONMENT": "/.singularity.d/env/91-environment.sh",
            "SINGULARITY_ENVIRONMENT": "/.singularity.d/env/91-environment.sh",
        ]
        try await run(
            section: "%post", script: script,
            command.command(try recipe.interpreter(.post) + ["/run/netroot-script"], environment: environment))
    }

    /// `%test`, inside the root.
    func test() async throws {
        guard let script = recipe.test else { return }
        let path = try stage(script, as: "test")
        var command = inRoot
        command.binds.append((source: path, target: "/run/netroot-script"))
        try await run(
            section: "%test", script: script,
            command.command(try recipe.interpreter(.test) + ["/run/netroot-script"]))
    }

    private func stage(_ script: Recipe.Script, as name: String) throws -> String {
        let path = "\(scratch)/\(name).script"
        try Files.replace(path, with: script.bytes, mode: 0o755)
        return path
    }

    private func run(section: String, script: Recipe.Script, _ command: Command) async throws {
        do {
            try await runner.run(command)
        } catch let error as CommandError {
            guard case .failed(_, let termination, let lines, _) = error else { throw error }
            throw BuildError.sectionFailed(
                section: section, place: "\(recipe.path):\(script.line)", termination: termination, lines: lines,
                log: log)
        }
    }

    /// The files that a `%files` source names, by glob(7), relative to the recipe's folder.
    private func expand(_ source: String, place: String) throws -> [String] {
        let pattern = source.hasPrefix("/") ? source : folder + "/" + source
        var matches = glob_t()
        defer { globfree(&matches) }
        let status = glob(pattern, 0, nil, &matches)
        guard status == 0, let paths = matches.gl_pathv else {
            throw BuildError.fileMissing(source: source, place: place)
        }
        return (0..<Int(matches.gl_pathc)).compactMap { paths[$0].map { String(cString: $0) } }
    }
}
