import NetrootConfig
import NetrootStore
import NetrootSystem
import NetrootTree

/// The agent `zypper`: an RPM root by zypper.
struct Zypper: Agent {
    /// The agent's part of the recipe's header.
    let header: AgentHeader.Zypper

    var tools: [Tool] {
        [Tool("zypper", package: "zypper"), RPM.tool, RPM.lockTool] + RPMKeys.tools(for: header.source)
    }

    func check(_ allows: Allowances) throws { try RPM.check(header.source, allows) }

    /// What Apptainer puts before the recipe's own (conveyorPacker_zypper.go, 1.4).
    static let always = ["aaa_base"]

    /// The exit status that says that scriptlets failed (zypper(8), ZYPPER_EXIT_INF_RPM_SCRIPT_FAILED).
    static let scriptletFailed: Int32 = 107

    /// Fills the root.
    /// - Throws: `BuildError` where the reason is known, else `CommandError`.
    func run(in place: AgentPlace) async throws -> Manifest.Bootstrap {
        let rpm = RPM(source: header.source, place: place)
        try rpm.prepare()
        let keys = try await RPMKeys(source: header.source, directory: rpm.home + "/keys")
            .fetch(architecture: RPM.architecture())
        for key in keys {
            try await place.runner.run(rpm.command(["rpm", "--root", place.root, "--import", key]))
        }
        try Files.makeDirectory(rpm.home + "/repos", mode: 0o700)
        for repository in header.source.repositories {
            let text = Self.configuration(repository, isChecked: rpm.isChecked(repository))
            try Files.replace("\(rpm.home)/repos/\(repository.id).repo", with: Array(text.utf8), mode: 0o600)
        }
        try Files.replace(rpm.home + "/zypp.conf", with: Array("[main]\n".utf8))
        // In it zypper keeps each repository by its name, which is the same in all recipes.
        let urls = header.source.repositories.map(\.url) + [header.source.release ?? ""]
        let cache = try place.cacheDirectory("zypper/" + rpm.cacheName(keys: keys, urls))
        try await rpm.install(command(rpm, cache: cache), mayFail: [Self.scriptletFailed])
        try await rpm.finish([cache])
        return rpm.account(agent: "zypper")
    }

    /// The file of a repository.
    static func configuration(_ repository: AgentHeader.RPMSource.Repository, isChecked: Bool) -> String {
        let lines = [
            "[\(repository.id)]", "name=\(repository.id)", "enabled=1", "autorefresh=1", "type=rpm-md",
            "keeppackages=1", "baseurl=\(repository.url)", "gpgcheck=\(isChecked ? 1 : 0)",
        ]
        return lines.joined(separator: "\n") + "\n"
    }

    /// The command that fills the root.
    func command(_ rpm: RPM, cache: String) -> Command {
        let argv =
            [
                "zypper", "--non-interactive", "--no-color", "--root", rpm.place.root, "--reposd-dir",
                rpm.home + "/repos", "--cache-dir", cache, "--solv-cache-dir", rpm.home + "/solv", "--releasever",
                header.source.release ?? "none", "install", "--auto-agree-with-licenses", "--download-in-advance",
            ] + Self.always + header.source.include
        return rpm.command(
            RPM.alone(in: cache) + argv,
            environment: ["ZYPP_CONF": rpm.home + "/zypp.conf", "ZYPP_LOGFILE": rpm.logs + "/zypper.log"])
    }
}
