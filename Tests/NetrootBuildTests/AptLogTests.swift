import NetrootConfig
import NetrootEntry
import NetrootStore
import NetrootSystem
import TestSupport
import Testing

@testable import NetrootBuild

/// The logs are apt 2.6's and mmdebstrap 1.3's own, of `Tests/Fixtures/deb-repository`.
@Suite struct AptLogTests {
    private static let end = """
        Reading package lists...
        E: command failed: /x/libexec/deb-cache-in
        I: main() received signal PIPE: waiting for setup...
        E: mmdebstrap failed to run
        """
    private static let installing = """
        E: setup failed: E: apt-get -o Dir::Bin::dpkg=env --yes install -oDpkg::Use-Pty=false failing failed
        E: mmdebstrap failed to run
        """

    /// What was printed before the last words, the reason, words of the message.
    static let reasons: [(log: String, reason: BuildError?, words: [String])] = [
        (
            """
            Get:1 http://127.0.0.1:1 expired InRelease [813 B]
            E: Release file for http://127.0.0.1:1/dists/expired/InRelease is expired (invalid since 1057d 5h 45min 30s). Updates for this repository will not be applied.
            """,
            .mirror(
                .expired,
                reason:
                    "Release file for http://127.0.0.1:1/dists/expired/InRelease is expired (invalid since 1057d 5h 45min 30s). Updates for this repository will not be applied."
            ), ["has expired", "AptOpt: Acquire::Check-Valid-Until=false"]
        ),
        (
            """
            E: Release file for http://127.0.0.1:1/dists/future/InRelease is not valid yet (invalid for another 29d). Updates for this repository will not be applied.
            """, nil, ["is not valid yet", "set this machine's clock"]
        ),
        (
            """
            Ign:3 http://127.0.0.1:1 unsigned Release.gpg
            E: The repository 'http://127.0.0.1:1 unsigned Release' is not signed.
            """, nil, ["not signed by a key that is trusted", "/etc/apt/trusted.gpg.d", "--allow-unsigned"]
        ),
        (
            """
            W: GPG error: http://127.0.0.1:1 foreign InRelease: The following signatures couldn't be verified because the public key is not available: NO_PUBKEY 0CCE55C381F9AD7F
            E: The repository 'http://127.0.0.1:1 foreign InRelease' is not signed.
            """, nil, ["not signed by a key that is trusted", "NO_PUBKEY 0CCE55C381F9AD7F"]
        ),
        (
            """
            Err:1 http://127.0.0.1:1 fixture InRelease
              401  Unauthorized [IP: 127.0.0.1 1]
            E: Failed to fetch http://127.0.0.1:1/dists/fixture/InRelease  401  Unauthorized [IP: 127.0.0.1 1]
            E: The repository 'http://127.0.0.1:1 fixture InRelease' is not signed.
            """,
            .mirror(.refused, reason: "401 Unauthorized: http://127.0.0.1:1/dists/fixture/InRelease"),
            ["refuses access", "NAME:PASSWORD@"]
        ),
        (
            """
            E: Failed to fetch http://127.0.0.1:1/dists/fixture/InRelease  403  Forbidden [IP: 127.0.0.1 1]
            E: The repository 'http://127.0.0.1:1 fixture InRelease' is not signed.
            """, .mirror(.refused, reason: "403 Forbidden: http://127.0.0.1:1/dists/fixture/InRelease"), []
        ),
        (
            """
            Ign:1 http://127.0.0.1:1 nosuite InRelease
            Err:2 http://127.0.0.1:1 nosuite Release
              404  File not found [IP: 127.0.0.1 1]
            E: The repository 'http://127.0.0.1:1 nosuite Release' does not have a Release file.
            """,
            .mirror(
                .missing, reason: "The repository 'http://127.0.0.1:1 nosuite Release' does not have a Release file."),
            ["OSVersion"]
        ),
        (
            """
            E: Failed to fetch http://127.0.0.1:1/dists/changed/main/binary-amd64/Packages  Hash Sum mismatch
               Hashes of expected file:
                - SHA256:a75017f67ac2ab2e5861695bc730ddae8e99fd4860c2fa51d22ca8698502ecbc
            E: Some index files failed to download. They have been ignored, or old ones used instead.
            """,
            .mirror(.changed, reason: "Hash Sum mismatch: http://127.0.0.1:1/dists/changed/main/binary-amd64/Packages"),
            ["build again later"]
        ),
        (
            """
            E: Failed to fetch http://127.0.0.1:1/pool/gone_1.0_all.deb  404  File not found [IP: 127.0.0.1 1]
            E: Unable to fetch some archives, maybe run apt-get update or try with --fix-missing?
            """, .mirror(.missing, reason: "404 File not found: http://127.0.0.1:1/pool/gone_1.0_all.deb"), []
        ),
        (
            """
            E: Failed to fetch http://127.0.0.1:1/dists/fixture/InRelease  Could not connect to 127.0.0.1:1 (127.0.0.1). - connect (111: Connection refused)
            E: Some index files failed to download. They have been ignored, or old ones used instead.
            """,
            .noNetwork(
                detail:
                    "Could not connect to 127.0.0.1:1 (127.0.0.1). - connect (111: Connection refused): http://127.0.0.1:1/dists/fixture/InRelease"
            ), ["the mirror cannot be reached"]
        ),
        (
            """
            E: Failed to fetch http://127.0.0.1:1/dists/fixture/InRelease  Could not connect to 127.0.0.1:9 (127.0.0.1). - connect (111: Connection refused)
            """, nil, ["the proxy gives no way", "http_proxy"]
        ),
        (
            """
            E: Failed to fetch https://a/dists/x/InRelease  Certificate verification failed: The certificate is NOT trusted. The certificate issuer is unknown. [IP: 127.0.0.1 1]
            E: The repository 'https://a x InRelease' is not signed.
            """, nil, ["certificate is not accepted", "ca-certificates"]
        ),
        ("E: Unable to locate package nothing", .unknownPackage(name: "nothing"), []),
        ("E: Package 'gone' has no installation candidate", .unknownPackage(name: "gone"), []),
        (
            """
            The following packages have unmet dependencies:
             unmet : Depends: nothing-that-is-here (>= 2) but it is not installable
            E: Unable to correct problems, you have held broken packages.
            """,
            .bootstrapFailed(
                reason: "unmet dependencies: unmet : Depends: nothing-that-is-here (>= 2) but it is not installable"),
            []
        ),
        (
            """
            Setting up failing (1:1.0) ...
            no luck today
            dpkg: error processing package failing (--configure):
             installed failing package post-installation script subprocess returned error exit status 3
            dpkg: dependency problems prevent configuration of other:
             other depends on failing; however:
            dpkg: error processing package other (--configure):
             dependency problems - leaving unconfigured
            Errors were encountered while processing:
             failing
            E: Sub-process env returned an error code (1)
            """,
            .scriptletFailed(
                package: "failing", scriptlet: "the post-installation script", reason: "exit status 3: no luck today"),
            []
        ),
        (
            """
            dpkg: error processing archive /var/cache/apt/archives/b_1_all.deb (--unpack):
             trying to overwrite '/usr/a', which is also in package a 1
            E: Sub-process env returned an error code (1)
            """,
            .bootstrapFailed(
                reason:
                    "/var/cache/apt/archives/b_1_all.deb: trying to overwrite '/usr/a', which is also in package a 1"),
            []
        ),
    ]

    @Test(
        "A mirror that cannot be reached is not blamed on a proxy that is none",
        arguments: [
            ("http://apt-proxy.site/x  Could not resolve 'apt-proxy.site'", ["127.0.0.1:9"], false),
            ("http://a/x  Could not connect to a:80 (127.0.0.1). - connect (111: Connection refused)", [""], false),
            ("http://a/x  Could not connect to a:80 (127.0.0.1). - connect (111: Connection refused)", ["c"], false),
            ("http://a/x  Could not resolve 'p.site'", ["p.site:3128"], true),
            ("http://a/x  Could not connect to p:80 (127.0.0.1). - connect (111: Connection refused)", ["p"], true),
            ("http://a/x  SOCKS proxy socks5h://p:1 could not connect to a", [], true),
            ("https://a/x  Invalid response from proxy: HTTP/1.1 502", [], true),
        ])
    func proxies(failure: String, proxies: [String], isProxy: Bool) throws {
        let reason = try #require(AptLog("E: Failed to fetch \(failure)", proxies: proxies).reason)
        #expect("\(reason)".contains("the proxy gives no way") == isProxy, "\(reason)")
    }

    @Test("A variable that is empty names no proxy")
    func emptyProxy() {
        for value in ["", "http://", "/"] { #expect(AptLog.proxy(value) == nil) }
        #expect(AptLog.proxy("http://p:3128/") == "p:3128" && AptLog.proxy("p:3128") == "p:3128")
    }

    @Test("The reason is the log's own, whatever else follows from it", arguments: reasons.indices)
    func reason(index: Int) throws {
        let row = Self.reasons[index]
        for end in [Self.end, Self.installing] {
            let reason = try #require(AptLog("\(row.log)\n\(end)", proxies: ["127.0.0.1:9"]).reason)
            if let expected = row.reason { #expect(reason == expected) }
            for word in row.words { #expect("\(reason)".contains(word), "\(reason)") }
        }
    }

    @Test("A log without a reason gives none")
    func noReason() { #expect(AptLog(Self.end + "\n" + Self.installing).reason == nil) }

    @Test("The repositories that nobody signed are named for the manifest")
    func unsignedRepositories() {
        let log = AptLog("E: The repository 'http://u:w@a x Release' is not signed.\nE: The repository 'b' is\n")
        #expect(log.unsignedRepositories == ["http://a x Release"])
    }
}

@Suite struct DebootstrapTests {
    private func agent(_ lines: String) throws -> Debootstrap? {
        let text = "Bootstrap: debootstrap\nOSVersion: bookworm\n" + lines
        guard case .debootstrap(let header) = try Recipe(bytes: Array(text.utf8), path: "a.def").built.agent() else {
            return nil
        }
        return Debootstrap(header: header)
    }

    private let place = AgentPlace(
        root: "/r", scratch: "/s", cache: "/c", recipePath: "a.def", shipped: ShippedFiles(directory: "/share"),
        runner: CommandRunner(), allows: Allowances(), customise: nil, progress: Progress())
    private let files = Debootstrap.HookFiles(directory: "/s/apt", cache: "/c/d")

    @Test("The mirror's password is in a file for apt, and not on the command line")
    func credentials() throws {
        let agent = try #require(try agent("MirrorURL: https://us%40er:p%23w@mirror.example.org:8/debian\n"))
        let command = agent.command(in: place, files: files)
        #expect(command.argv.last == "https://mirror.example.org:8/debian")
        #expect(!"\(command)".contains("p%23w") && !"\(command)".contains("p#w"))
        #expect(agent.authentication == "machine https://mirror.example.org:8/debian login us@er password p#w\n")
        #expect(agent.configuration(files, takesUnsigned: false) == "Dir::Etc::netrc \"/s/apt/auth.conf\";\n")
    }

    @Test("apt is told the recipe's options, and of unsigned repositories, by a file that the root does not keep")
    func options() throws {
        let agent = try #require(try agent("AptOpt: Acquire::Check-Valid-Until=false\n"))
        #expect(agent.authentication == nil)
        let always = "Acquire::Check-Valid-Until \"false\";\n"
        #expect(agent.configuration(files, takesUnsigned: false) == always)
        #expect(
            agent.configuration(files, takesUnsigned: true) == always
                + "Acquire::AllowInsecureRepositories \"true\";\nAPT::Get::AllowUnauthenticated \"true\";\n")
        #expect(!agent.command(in: place, files: files).argv.contains { $0.hasPrefix("--aptopt") })
    }

    @Test("Mirrors do not share a cache, nor suites, nor what nobody signed; a password makes no difference")
    func cacheNames() throws {
        func name(_ mirror: String?, _ suite: String, unsigned: Bool = false) throws -> String {
            try Debootstrap.cacheName(mirror: mirror, suite: suite, unsigned: unsigned)
        }
        let names = try [
            name(nil, "a"), name("http://m/", "a"), name("http://n/", "a"), name("http://m/", "b"),
            name("http://m/", "a", unsigned: true), name("http://m/", "a/b"), name("http://m/", "a_b"),
        ]
        #expect(Set(names).count == names.count)
        #expect(try name("http://u:w@m/", "a") == name("http://m/", "a"))
        #expect(names.allSatisfy { $0.split(separator: "/").count == 2 })
    }
}

@Suite struct AdviceTests {
    @Test("What a root lacks comes by the way that its agent has")
    func packages() throws {
        func text(_ header: String) throws -> String {
            let agent = try Recipe(bytes: Array(header.utf8), path: "a.def").built.agent()
            let error = BuildError.noKernel(package: "linux-image-amd64")
            return "\(BuildFailure.of(error, recipePath: "a.def", installing: agent.packageSource))"
        }
        #expect(try text("Bootstrap: debootstrap\nOSVersion: a").hasSuffix("; add linux-image-amd64 to Include"))
        #expect(try text("Bootstrap: arch").hasSuffix("; add linux-image-amd64 to Include"))
        #expect(try text("Bootstrap: docker\nFrom: a").hasSuffix("; install linux-image-amd64 in %post"))
        #expect(try text("Bootstrap: localimage\nFrom: a").hasSuffix("; install linux-image-amd64 in %post"))
        #expect(try text("Bootstrap: scratch").hasSuffix("; bring the files of linux-image-amd64 by %files or %post"))
        let shell = BuildFailure.of(BuildError.noDracut, recipePath: nil, installing: .shell)
        #expect("\(shell)" == "the root has no dracut; install dracut and dracut-network in the shell")
    }

    @Test("A mount is found by the longest path, and the last of several in one place counts")
    func mounts() {
        let table = """
            20 1 8:1 / / rw,relatime - ext4 /dev/a rw
            21 20 0:5 / /srv rw,noexec - tmpfs none rw
            22 20 0:6 / /srv/a\\040b ro - tmpfs none rw,size=1k
            23 20 0:7 / /x rw - tmpfs none ro
            24 20 0:8 / /x rw - tmpfs none rw
            """
        let mount = MountPoint.of("/srv/r", in: table)
        #expect(mount?.path == "/srv" && mount?.options == ["rw", "noexec"])
        #expect(MountPoint.of("/srvx", in: table)?.path == "/")
        #expect(MountPoint.of("/srv/a b/c", in: table)?.options == ["ro", "rw", "size=1k"])
        #expect(MountPoint.of("/x", in: table)?.options == ["rw"])
    }

    @Test(
        "What curl says of a mirror has its next step",
        arguments: [
            (
                "Curl error (60): SSL peer certificate or SSH remote key was not OK for https://a",
                MirrorFault.certificate
            ),
            ("Status code: 404 for http://a/repomd.xml (IP: 127.0.0.1)", .missing),
            ("Status code: 401 for http://a/repomd.xml (IP: 127.0.0.1)", .refused),
            ("failed retrieving file 'core.db' from a : The requested URL returned error: 403", .refused),
            ("Curl error (5): Couldn't resolve proxy name for http://a [Could not resolve proxy: p]", .proxy),
            ("Curl error (56): Received HTTP code 407 from proxy after CONNECT", .proxy),
        ])
    func curl(words: String, fault: MirrorFault) { #expect(MirrorFault.ofCurl(words) == fault) }

    @Test("A mirror that cannot be reached is not called anything else")
    func unreachable() {
        #expect(MirrorFault.ofCurl("Curl error (7): Failed to connect to 127.0.0.1 port 1") == nil)
        #expect(MirrorFault.ofCurl("The requested URL returned error: 500") == nil)
    }

    @Test("dnf and pacman: a mirror's answer is told before what follows from it")
    func causes() {
        let dnf =
            "Errors during downloading metadata for repository 'base':\n  - Status code: 401 for http://a/r (IP: 1)\n"
            + "Error: Failed to download metadata for repo 'base': Cannot download repomd.xml"
        #expect(RPM.explained(dnf) == .mirror(.refused, reason: "- Status code: 401 for http://a/r (IP: 1)"))
        let pacman = [
            "error: failed retrieving file 'core.db' from a : Connection refused",
            "error: failed retrieving file 'core.db' from b : The requested URL returned error: 404",
            "error: failed to synchronize all databases (failed to retrieve some files)",
        ]
        #expect(
            Pacman.reason(pacman)
                == .mirror(
                    .missing, reason: "failed retrieving file 'core.db' from b : The requested URL returned error: 404")
        )
        // The second server had it.
        let later = [pacman[0], "error: target not found: nosuch"]
        #expect(Pacman.reason(later) == .unknownPackage(name: "nosuch"))
        let signature = ["error: failed retrieving file 'a.zst.sig' from m : Connection refused", pacman[2]]
        #expect(
            Pacman.reason(signature)
                == .noNetwork(detail: "failed retrieving file 'a.zst.sig' from m : Connection refused"))
    }

    @Test("A password of Setopt is in dnf's file, and neither on its command line nor in the root's history")
    func dnfPasswords() throws {
        let text =
            "Bootstrap: dnf\nMirrorURL: https://a/\n"
            + "Setopt: gpgcheck=0 username=me password=word base.proxy=http://u:w@p/ best=True\n"
        guard case .dnf(let header) = try Recipe(bytes: Array(text.utf8), path: "a.def").built.agent() else {
            throw TestFailure("not dnf")
        }
        let place = AgentPlace(
            root: "/r", scratch: "/s", cache: "/c", recipePath: "a.def", shipped: ShippedFiles(directory: "/share"),
            runner: CommandRunner(), allows: Allowances(), customise: nil, progress: Progress())
        let rpm = RPM(source: header.source, place: place)
        let agent = DNF(header: header)
        let argv = agent.command(rpm, configuration: "/s/c", cache: "/c", architecture: "x86_64").argv.joined(
            separator: " ")
        #expect(argv.contains("--setopt=best=True") && !argv.contains("word") && !argv.contains("u:w"))
        let configuration = agent.configuration(rpm, keys: [])
        #expect(configuration.contains("varsdir=/s/rpm/empty\nusername=me\npassword=word\n\n[base]\n"))
        #expect(configuration.contains("skip_if_unavailable=0\nproxy=http://u:w@p/\n"))
    }
}
