import NetrootConfig
import NetrootStore
import NetrootSystem
import NetrootTree

/// The agents `dnf` and `yum`: an RPM root by dnf.
struct DNF: Agent {
    /// The agent's part of the recipe's header.
    let header: AgentHeader.DNF

    var tools: [Tool] {
        [Tool("dnf", package: "dnf"), RPM.tool, RPM.lockTool] + RPMKeys.tools(for: header.source)
    }

    func check(_ allows: Allowances) throws { try RPM.check(header.source, allows) }

    /// What Apptainer puts before the recipe's own (conveyorPacker_yum.go, 1.4).
    static let always = ["/etc/redhat-release", "coreutils"]

    /// Fills the root.
    /// - Throws: `BuildError` where the reason is known, else `CommandError`.
    func run(in place: AgentPlace) async throws -> Manifest.Bootstrap {
        let rpm = RPM(source: header.source, place: place)
        try rpm.prepare()
        let keys = try await RPMKeys(source: header.source, directory: rpm.home + "/keys")
            .fetch(architecture: RPM.architecture())
        let configuration = rpm.home + "/dnf.conf"
        try Files.replace(configuration, with: Array(self.configuration(rpm, keys: keys).utf8), mode: 0o600)
        // In it dnf keeps each repository by its URL.
        let trust = header.options.filter { $0.name.contains("gpg") }.map { "\($0.name)=\($0.value)" }
        let cache = try place.cacheDirectory("dnf/" + rpm.cacheName(keys: keys, trust))
        try await rpm.install(
            command(rpm, configuration: configuration, cache: cache, architecture: RPM.architecture()))
        try await rpm.finish([cache])
        return rpm.account(agent: "dnf")
    }

    /// The configuration, dnf.conf(5): nothing of the host's, and every repository needed.
    func configuration(_ rpm: RPM, keys: [String]) -> String {
        var lines = [
            "[main]", "gpgcheck=1", "keepcache=1", "plugins=0", "deltarpm=0", "color=never", "reposdir=\(rpm.empty)",
            "varsdir=\(rpm.empty)",
        ]
        lines += secrets { !$0.contains(".") }
        for repository in header.source.repositories {
            lines += [
                "", "[\(repository.id)]", "name=\(repository.id)", "baseurl=\(repository.url)",
                "gpgcheck=\(rpm.isChecked(repository) ? 1 : 0)", "skip_if_unavailable=0",
            ]
            lines += secrets { $0.contains(".") && $0.hasPrefix("\(repository.id).") }
            if !keys.isEmpty { lines.append("gpgkey=" + keys.map { "file://\($0)" }.joined(separator: " ")) }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Options that hold passwords, or may. They are not for the command line, which everybody sees, and which the root's own
    /// history of transactions keeps.
    private static let secret: Set<String> = ["username", "password", "proxy", "proxy_username", "proxy_password"]

    private static func isSecret(_ option: AgentHeader.ToolOption) -> Bool {
        secret.contains(option.name.split(separator: ".").last.map(String.init) ?? "")
    }

    /// The lines of those options whose names, with a repository's before a dot, pass.
    private func secrets(_ isHere: (String) -> Bool) -> [String] {
        let names = header.options.filter { Self.isSecret($0) && isHere($0.name) }
        return names.map { "\($0.name.split(separator: ".").last ?? "")=\($0.value)" }
    }

    /// The command that fills the root.
    func command(_ rpm: RPM, configuration: String, cache: String, architecture: String) -> Command {
        let argv =
            [
                "dnf", "--assumeyes", "--refresh", "--noplugins", "--config=\(configuration)",
                "--installroot=\(rpm.place.root)", "--releasever=\(header.source.release ?? "none")",
                "--forcearch=\(architecture)",
                // In the file these would be directories inside the root. Not persistdir: what was asked for, and what came
                // along, is the root's own dnf's to know.
                "--setopt=cachedir=\(cache)", "--setopt=logdir=\(rpm.logs)",
            ] + header.options.filter { !Self.isSecret($0) }.map { "--setopt=\($0.name)=\($0.value)" } + ["install"]
            + Self.always
            + header.source.include
        // Else its errors come before what it said earlier, and scroll out of sight.
        return rpm.command(RPM.alone(in: cache) + argv, environment: ["PYTHONUNBUFFERED": "1"])
    }
}
