import NetrootConfig
import NetrootEntry
import NetrootStore
import Testing

@testable import NetrootBuild

@Suite struct PacmanTests {
    static let level = "SigLevel = Required DatabaseOptional TrustedOnly"

    @Test func withoutConfURLItIsArchLinux() {
        let config = PacmanConfig(PacmanConfig.standard(), mirror: "https://m/$repo", takesUnsigned: false)
        let parts = ["core", "extra"].map { "[\($0)]\nServer = https://m/$repo\n" }
        #expect(
            config.text == "[options]\n\(Self.level)\nArchitecture = auto\nParallelDownloads = 4\n\n"
                + parts.joined(separator: "\n") + "\n")
        #expect(config.repositories == ["core", "extra"])
        #expect(config.keyring == nil && config.weakened == nil)
    }

    /// Paths, hooks and the checks of signatures are the build's own; the rest stays.
    @Test func nothingOfTheHostIsTaken() {
        let given = """
            # comment
            [options]
            RootDir = /
            DBPath=/var/lib/pacman/
            HookDir = /etc/pacman.d/hooks  # the host's
            GPGDir = /srv/keys
            CheckSpace
            NoExtract = usr/share/doc/*
            siglevel = Required
            [site]
            SigLevel = PackageRequired
            Include = /etc/pacman.d/mirrorlist
            Include = /srv/other

            """
        let config = PacmanConfig(given, mirror: "file:///m", takesUnsigned: false)
        let lines = config.text.split(separator: "\n").map(String.init)
        #expect(
            lines == [
                "[options]", Self.level, "NoExtract = usr/share/doc/*", "siglevel = Required", "[site]",
                "SigLevel = PackageRequired", "Server = file:///m", "Include = /srv/other",
            ])
        #expect(config.included == "13: Include = /srv/other")
        #expect(PacmanConfig(PacmanConfig.standard(), mirror: "m", takesUnsigned: false).included == nil)
        #expect(config.keyring == "/srv/keys")
        #expect(config.repositories == ["site"])
    }

    @Test(arguments: ["Never", "Optional TrustAll", "Required PackageTrustAll", "packageoptional", "Required  Never"])
    func aWeakenedSignatureIsFound(words: String) {
        let given = "[options]\n[site]\nSigLevel = \(words)\nServer = file:///x\n"
        let config = PacmanConfig(given, mirror: "m", takesUnsigned: false)
        #expect(config.weakened == "3: SigLevel = \(words)")
        #expect(!config.text.contains(words))
        let taken = PacmanConfig(given, mirror: "m", takesUnsigned: true)
        #expect(taken.text.hasPrefix("[options]\nSigLevel = Never\n[site]\nServer"))
    }

    @Test(arguments: ["Required", "DatabaseNever", "Required DatabaseOptional", "Required DatabaseTrustAll"])
    func aDatabaseNeedsNoSignature(words: String) {
        #expect(PacmanConfig("[options]\nSigLevel = \(words)", mirror: "m", takesUnsigned: false).weakened == nil)
    }

    @Test func aProgramOfThisMachineIsFound() {
        let given = "[options]\n# XferCommand = a\nxfercommand = /usr/bin/curl -o %o %u\n[site]\nServer = x\n"
        let config = PacmanConfig(given, mirror: "m", takesUnsigned: false)
        #expect(config.program == "3: xfercommand = /usr/bin/curl -o %o %u")
        #expect(config.text.contains("\nxfercommand = "))
        #expect(PacmanConfig(PacmanConfig.standard(), mirror: "m", takesUnsigned: false).program == nil)
    }

    @Test func optionsAreThereInAnyCase() {
        let config = PacmanConfig("[a]\nServer = x\n", mirror: "m", takesUnsigned: false)
        #expect(config.text == "[options]\n\(Self.level)\n[a]\nServer = x\n\n")
    }

    static let reasons: [(output: [String], words: [String])] = [
        (["error: target not found: nosuch"], ["no package 'nosuch'"]),
        (
            ["error: failed retrieving file 'a.pkg.tar.zst.sig' from disk : Couldn't open file"],
            ["not signed", "--allow-unsigned"]
        ),
        (
            [#"error: a: signature from "B <b@c>" is unknown trust"#, "error: failed to commit"],
            ["not signed", "unknown"]
        ),
        (
            [
                "error: failed retrieving file 'core.db' from m : Could not resolve host: m",
                "error: failed to synchronize",
            ],
            ["the mirror cannot be reached", "Could not resolve host: m"]
        ),
        (
            ["Do you want to skip? [y/N] error: failed to prepare (unsatisfied)", ":: unable to satisfy 'x'"],
            ["failed to prepare (unsatisfied): :: unable to satisfy 'x'"]
        ),
        (
            [
                "error: failed to commit (conflicting files)", "a: /etc/x exists",
                "Errors occurred, no packages were upgraded.",
            ],
            ["conflicting files): a: /etc/x exists"]
        ),
    ]

    @Test(arguments: reasons.indices) func theReasonIsSaid(index: Int) throws {
        let row = Self.reasons[index]
        let error = try #require(Pacman.reason(row.output))
        for word in row.words { #expect(error.description.contains(word), "\(error)") }
    }

    @Test func noErrorIsNoReason() { #expect(Pacman.reason(["warning: x"]) == nil) }

    @Test func aScriptThatFailsIsFoundInTheOutput() throws {
        let start = "installing base...\nwarning: x\n"
        #expect(Pacman.failedScript(in: start) == nil)
        let script = try #require(
            Pacman.failedScript(in: start + "installing a-b...\nits words\nerror: command failed\n"))
        #expect(script == (step: "a-b", isHook: false, reason: "its words"))
        let hook = try #require(
            Pacman.failedScript(in: start + "(1/2) Doing this...\nerror: command failed to execute\n"))
        #expect(hook == (step: "(1/2) Doing this...", isHook: true, reason: "command failed to execute"))
    }

    @Test func theDatabaseIsRead() {
        let text = "%NAME%\nlinux\n\n%VERSION%\n1:6.1-2\n\n%BASE%\nlinux\n\n%ARCH%\nx86_64\n\n"
        #expect(
            PackageList.parsePacman(text) == Manifest.Package(name: "linux", version: "1:6.1-2", architecture: "x86_64")
        )
        #expect(PackageList.parsePacman("%NAME%\nlinux\n%VERSION%") == nil)
    }

    @Test func packagesAreCalledAsArchLinuxCallsThem() {
        let needs = Transports.shipped.known.filter { $0.loads == .initramfs }.map(\.needs)
        let names = needs.map { need in (need.programs + need.dracutModules).map { $0.package(.pacman) } }
        #expect(
            names == [
                ["nfs-utils", "dracut"], ["nbd", "perl", "dracut"], ["curl", "dracut", "dracut"],
                ["open-iscsi", "open-iscsi", "dracut"],
            ])
    }

    @Test func aCacheForEachSource() throws {
        #expect(try Arch.cacheName("https://m/$repo").hasPrefix("https___m__repo-"))
        #expect(try Arch.cacheName("https://m/a/b") != Arch.cacheName("https://m/a_b"))
        #expect(try Arch.cacheName("https://u:word@m/$repo") == Arch.cacheName("https://m/$repo"))
        #expect(try Arch.cacheName(String(repeating: "../", count: 200)).utf8.count == 117)
    }
}
