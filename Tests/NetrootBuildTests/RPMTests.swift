import NetrootConfig
import NetrootEntry
import NetrootStore
import NetrootSystem
import NetrootTree
import TestSupport
import Testing

@testable import NetrootBuild

@Suite struct RPMTests {
    private func place(_ allows: Allowances = Allowances()) -> AgentPlace {
        AgentPlace(
            root: "/r", scratch: "/s", cache: "/c", recipePath: "a.def",
            shipped: ShippedFiles(directory: "/share"),
            runner: CommandRunner(), allows: allows, customise: nil, progress: Progress())
    }

    private func agent(_ header: String) throws -> AgentHeader {
        try Recipe(bytes: Array(header.utf8), path: "a.def").built.agent()
    }

    private func dnf(_ lines: String) throws -> DNF {
        guard case .dnf(let header) = try agent("Bootstrap: dnf\nMirrorURL: https://u:secret@a/9/$basearch\n" + lines)
        else { throw ConfigError(file: "", problem: "no dnf") }
        return DNF(header: header)
    }

    @Test func theConfigurationOfDNF() throws {
        let agent = try dnf("OSVersion: 9\nUpdateURL: https://a/u\nSetopt: updates.gpgcheck=0 gpgkey=https://a/k\n")
        let rpm = RPM(source: agent.header.source, place: place())
        #expect(
            agent.configuration(rpm, keys: ["/s/rpm/keys/1.asc"]) == """
                [main]
                gpgcheck=1
                keepcache=1
                plugins=0
                deltarpm=0
                color=never
                reposdir=/s/rpm/empty
                varsdir=/s/rpm/empty

                [base]
                name=base
                baseurl=https://u:secret@a/9/$basearch
                gpgcheck=1
                skip_if_unavailable=0
                gpgkey=file:///s/rpm/keys/1.asc

                [updates]
                name=updates
                baseurl=https://a/u
                gpgcheck=0
                skip_if_unavailable=0
                gpgkey=file:///s/rpm/keys/1.asc

                """)
        #expect(
            rpm.account(agent: "dnf") == .init(agent: "dnf", from: "https://a/9/$basearch", unsigned: ["https://a/u"]))
    }

    @Test func theCommandOfDNF() throws {
        let agent = try dnf("OSVersion: 9\nInclude: kernel-core @core\nSetopt: best=0 gpgcheck=0\n")
        let rpm = RPM(source: agent.header.source, place: place())
        let command = agent.command(rpm, configuration: "/s/rpm/dnf.conf", cache: "/c/dnf/x", architecture: "x86_64")
        let start = try #require(command.argv.firstIndex(of: "/share/libexec/enter-root"))
        #expect(
            Array(command.argv[start...]) == [
                "/share/libexec/enter-root", "--outside", "/r", "flock", "--no-fork", "/c/dnf/x/.lock", "dnf",
                "--assumeyes", "--refresh", "--noplugins",
                "--config=/s/rpm/dnf.conf", "--installroot=/r", "--releasever=9", "--forcearch=x86_64",
                "--setopt=cachedir=/c/dnf/x", "--setopt=logdir=/s/rpm/log", "--setopt=best=0", "install",
                "/etc/redhat-release", "coreutils", "kernel-core", "@core",
            ])
        #expect(command.argv.prefix(start).contains("--mount") && command.argv.prefix(start).contains("--pid"))
        #expect(command.environment["HOME"] == "/s/rpm")
        #expect(!command.argv.joined(separator: " ").contains("secret"))
    }

    @Test func theCommandAndRepositoryOfZypper() throws {
        guard
            case .zypper(let header) = try agent(
                "Bootstrap: zypper\nMirrorURL: http://a/15\nOSVersion: 15.6\nInclude: kernel-default\n")
        else { throw ConfigError(file: "", problem: "no zypper") }
        let rpm = RPM(source: header.source, place: place())
        let command = Zypper(header: header).command(rpm, cache: "/c/zypper/x")
        let start = try #require(command.argv.firstIndex(of: "zypper"))
        #expect(
            Array(command.argv[start...]) == [
                "zypper", "--non-interactive", "--no-color", "--root", "/r", "--reposd-dir", "/s/rpm/repos",
                "--cache-dir",
                "/c/zypper/x", "--solv-cache-dir", "/s/rpm/solv", "--releasever", "15.6", "install",
                "--auto-agree-with-licenses", "--download-in-advance", "aaa_base", "kernel-default",
            ])
        #expect(
            Zypper.configuration(header.source.repositories[0], isChecked: false)
                == "[base]\nname=base\nenabled=1\nautorefresh=1\ntype=rpm-md\nkeeppackages=1\nbaseurl=http://a/15\ngpgcheck=0\n"
        )
    }

    @Test func toolsAreAskedForWhereTheyAreNeeded() throws {
        #expect(try dnf("").tools.map(\.name) == ["dnf", "rpm", "flock"])
        let print = String(repeating: "A", count: 40)
        #expect(
            try dnf("Setopt: gpgkey=https://a/k\nFingerprints: \(print)\n").tools.map(\.package) == [
                "dnf", "rpm", "util-linux", "curl", "gpg",
            ])
    }

    @Test func nothingIsTakenWithoutAKey() throws {
        let agent = try dnf("")
        let error = #expect(throws: BuildError.self) { try agent.check(Allowances()) }
        #expect(error == .noKey(repository: "https://a/9/$basearch"))
        #expect(error?.exitStatus == .usage)
        try agent.check(Allowances(unsigned: true))
        let rpm = RPM(source: agent.header.source, place: place(Allowances(unsigned: true)))
        #expect(!rpm.isChecked(agent.header.source.repositories[0]))
        #expect(rpm.account(agent: "dnf").unsigned == ["https://a/9/$basearch"])
    }

    /// Checked otherwise is kept otherwise.
    @Test func cachesAreApart() async throws {
        let scratch = try ScratchDirectory()
        let keys = scratch.path
        for name in ["one", "two"] { try scratch.write(name, name) }
        let source = try dnf("").header.source
        let signed = RPM(source: source, place: place())
        let unsigned = RPM(source: source, place: place(Allowances(unsigned: true)))
        let names = [
            try signed.cacheName(keys: [keys + "/one"], []),
            try signed.cacheName(keys: [keys + "/two"], []),
            try unsigned.cacheName(keys: [keys + "/one"], []), try unsigned.cacheName(keys: [], []),
            try signed.cacheName(keys: [keys + "/one"], ["repo_gpgcheck=1"]),
        ]
        #expect(Set(names).count == names.count)
        #expect(try signed.cacheName(keys: [keys + "/one"], []) == names[0])
        #expect(names.allSatisfy { $0.count == 16 })
    }

    @Test func failedScriptletsAreFound() {
        let output = """
              Running scriptlet: a-1.0-1.x86_64
            warning: %post(a-b-1:1.0-1.x86_64) scriptlet failed, exit status 3
            error: %prein(c-1.0-1.noarch) scriptlet failed, signal 9
            warning: %transfiletriggerin(glibc-common-2-3.x86_64) scriptlet failed, exit status 127
            warning: %post(a-b-1:1.0-1.x86_64) scriptlet failed, exit status 3
            Warning: kernel-default-1.0-1.x86_64.rpm %posttrans script failed (returned 1)
            error: lua script failed: [string "%pretrans(filesystem-3.18-1.x86_64)"]:2: no (words) here
            a line that says scriptlet failed
            """
        typealias Scriptlet = RPM.Scriptlet
        #expect(
            Scriptlet.failures(in: output) == [
                Scriptlet(name: "%post", package: "a-b-1:1.0-1.x86_64", reason: "exit status 3"),
                Scriptlet(name: "%prein", package: "c-1.0-1.noarch", reason: "signal 9"),
                Scriptlet(name: "%transfiletriggerin", package: "glibc-common-2-3.x86_64", reason: "exit status 127"),
                Scriptlet(name: "%posttrans", package: "kernel-default-1.0-1.x86_64", reason: "returned 1"),
                Scriptlet(
                    name: "%pretrans", package: "filesystem-3.18-1.x86_64", reason: "2: no (words) here"),
            ])
    }

    @Test(arguments: [
        ("%posttrans", "kernel-core-5.14.0-1.el9.x86_64", true), ("%post", "kernel-1-1.x86_64", true),
        ("%posttrans", "grub2-common-2.06-1.noarch", true), ("%post", "shim-x64-15-1.x86_64", true),
        ("%prein", "kernel-core-5.14.0-1.el9.x86_64", false), ("%post", "kernelshark-1-1.x86_64", false),
        ("%post", "glibc-2-3.x86_64", false), ("%posttrans", "shadow-utils-1-1.x86_64", false),
    ])
    func onlyABootFromDiskMayFail(name: String, package: String, expected: Bool) {
        #expect(RPM.Scriptlet(name: name, package: package, reason: "x").isHarmless == expected)
    }

    @Test func theReasonIsTheToolsOwn() {
        func explained(_ output: String) -> BuildError? { RPM.explained(output) }
        #expect(
            explained("No match for argument: x\nError: Unable to find a match: x")
                == .unknownPackage(name: "x"))
        #expect(
            explained("'x' not found in package names.\nNo provider of 'x' found.")
                == .unknownPackage(name: "x"))
        #expect(
            explained(
                "Repository 'base' is invalid.\nError message: Connection refused\nWarning: Skipping repository 'base'\n"
                    + "No provider of 'x' found.") == .noNetwork(detail: "Error message: Connection refused"))
        #expect(
            explained(" - Signature verification failed for repomd.xml\nWarning: Skipping repository 'base'\n")
                == .unsigned(reason: "- Signature verification failed for repomd.xml"))
        #expect(
            explained("Package a.rpm is not signed\nError: GPG check FAILED")
                == .unsigned(reason: "Package a.rpm is not signed"))
        #expect(
            explained("Error: \n Problem: conflicting requests\n  - nothing provides b needed by a\n")
                == .bootstrapFailed(reason: "- nothing provides b needed by a"))
        #expect(explained("some words") == nil)
    }

    @Test func credentialsAreTakenOut() {
        #expect(RPM.withoutCredentials("https://u:p@a.b/c@d") == "https://a.b/c@d")
        #expect(RPM.withoutCredentials("http://a/b@c") == "http://a/b@c")
        #expect(RPM.withoutCredentials("file:///a@b") == "file:///a@b")
    }

    @Test func whereRPMLooksForItsDatabase() {
        #expect(RPM.databasePath(inMacros: "# c\n%_dbpath\t\t%{_var}/lib/rpm\n") == "/var/lib/rpm")
        #expect(RPM.databasePath(inMacros: "%_dbpath %{_usr}/lib/sysimage/rpm") == "/usr/lib/sysimage/rpm")
        #expect(RPM.databasePath(inMacros: "%_dbpath %{other}/rpm") == nil)
        #expect(RPM.databasePath(inMacros: "%_dbpath_rebuild %{_dbpath}\n") == nil)
    }

    @Test func fingerprintsAreThoseOfPrimaryKeys() {
        let listing =
            "pub:-:2048:1:AA:1:2::-:::scESC::::::23::0:\nfpr:::::::::FIRST:\nuid:-::::1::X::F::::::::::0:\n"
            + "sub:-:2048:1:BB:1:2:::::s::::::23:\nfpr:::::::::SUB:\npub:-:2048:1:CC:1:2::-:::sc:\nfpr:::::::::SECOND:\n"
        #expect(RPMKeys.fingerprints(inColons: listing) == ["FIRST", "SECOND"])
    }

    @Test func curlIsToldInQuotes() {
        let text = RPMKeys.curlConfiguration("https://a/\"\\", to: "/s/1")
        #expect(text.contains("url = \"https://a/\\\"\\\\\"\n"))
        #expect(text.contains("proto-redir = \"=https\"\n"))
    }

    @Test func packagesOfRPM() {
        let text = "bash\t5.1-1\tx86_64\ngpg-pubkey\t1-2\t(none)\nacl\t2:2.3-1\tnoarch\nbroken line\n"
        #expect(
            PackageList.parseRPM(text) == [
                .init(name: "acl", version: "2:2.3-1", architecture: "noarch"),
                .init(name: "bash", version: "5.1-1", architecture: "x86_64"),
            ])
    }

    @Test func familiesByTheirDatabases() throws {
        let scratch = try ScratchDirectory()
        let tree = RootTree(directory: scratch.path)
        #expect(try PackageFamily.of(tree) == nil)
        try tree.write("var/lib/rpm/Packages", "x")
        #expect(try PackageFamily.of(tree) == .rpm)
        #expect(try RPM.database(in: tree) == "var/lib/rpm")
        try tree.write("usr/lib/sysimage/rpm/rpmdb.sqlite", "x")
        #expect(try RPM.database(in: tree) == "usr/lib/sysimage/rpm")
        try tree.write("usr/lib/os-release", "NAME=x\nID_LIKE=\"suse opensuse\"\n")
        #expect(try PackageFamily.of(tree) == .suse)
        try tree.write("var/lib/dpkg/status", "")
        #expect(try PackageFamily.of(tree) == .dpkg)
    }

    @Test(arguments: [
        (NFS() as any Transport, "nfs-common", "nfs-utils", "nfs-client"), (NBD(), "nbd-client", "nbd", "nbd"),
        (HTTP(), "curl", "curl", "curl"), (ISCSI(), "open-iscsi", "iscsi-initiator-utils", "open-iscsi"),
    ])
    func packagesHaveTheNamesOfTheFamily(transport: any Transport, debian: String, rpm: String, suse: String) {
        let need = transport.needs.programs[0]
        #expect([nil, .dpkg, .rpm, .suse].map { need.package($0) } == [debian, debian, rpm, suse])
    }
}
