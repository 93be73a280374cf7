import Testing

@testable import NetrootConfig

@Suite struct RPMHeaderTests {
    private func agent(_ text: String) throws -> AgentHeader { try parseRecipe(text).built.agent() }

    private func dnf(_ lines: String) throws -> AgentHeader.DNF {
        let agent = try agent("Bootstrap: dnf\nMirrorURL: https://mirror.example.org/$basearch/\n" + lines)
        guard case .dnf(let header) = agent else { throw ConfigError(file: "", problem: "\(agent)") }
        return header
    }

    @Test(arguments: ["dnf", "Yum", "zypper"]) func everythingArrives(name: String) throws {
        let agent = try agent(
            """
            Bootstrap: \(name)
            OSVersion: 9
            MirrorURL: http://mirror.example.org/%{OSVERSION}/$releasever/os/
            OtherURL2: file:///srv/two
            UpdateURL: https://mirror.example.org/%{osversion}/updates/
            OtherURL1: ftp://mirror.example.org/one
            Include: bash,@core /usr/bin/perl
            Setopt: other2.gpgcheck=0 gpgkey=https://mirror.example.org/key%{OSVERSION} file:///k2
            """)
        let source: AgentHeader.RPMSource
        switch agent {
        case .dnf(let header):
            source = header.source
            #expect(header.options.isEmpty)
        case .zypper(let header): source = header.source
        default: throw ConfigError(file: "", problem: "\(agent)")
        }
        #expect(source.repositories.map(\.id) == ["base", "updates", "other2", "other1"])
        #expect(source.repositories[0].url == "http://mirror.example.org/9/$releasever/os/")
        #expect(source.repositories[1].url == "https://mirror.example.org/9/updates/")
        #expect(source.repositories.map(\.isChecked) == [true, true, false, true])
        #expect(source.release == "9")
        #expect(source.include == ["bash", "@core", "/usr/bin/perl"])
        #expect(source.keys == ["https://mirror.example.org/key9", "file:///k2"])
    }

    @Test func theRestOfSetoptIsForDNF() throws {
        let header = try dnf("Setopt: install_weak_deps=False excludepkgs=a b* base.priority=5 tsflags=nodocs")
        #expect(
            header.options.map { "\($0.name)=\($0.value)" }
                == ["install_weak_deps=False", "excludepkgs=a b*", "base.priority=5", "tsflags=nodocs"])
        #expect(header.source.repositories.map(\.isChecked) == [true])
    }

    @Test(arguments: [
        ("gpgcheck=0", false), ("gpgcheck=No", false), ("*.gpgcheck=false", false), ("base.gpgcheck=off", false),
        ("gpgcheck=0 gpgcheck=1", true), ("gpgcheck=1", true), ("other1.gpgcheck=0", true), ("best=0", true),
    ])
    func whoIsNotChecked(option: String, expected: Bool) throws {
        #expect(try dnf("Setopt: \(option)\n").source.repositories[0].isChecked == expected)
    }

    @Test func aPinnedKeyMayComeByPlainHTTP() throws {
        let fingerprint = String(repeating: "ab", count: 20)
        let source = try dnf("Setopt: gpgkey=http://a/k\nFingerprints: \(fingerprint), \(fingerprint)").source
        #expect(source.keys == ["http://a/k"])
        #expect(source.fingerprints == Array(repeating: fingerprint.uppercased(), count: 2))
    }

    @Test func urlsOfKeysMayHoldAnEqualsSign() throws {
        #expect(
            try dnf("Setopt: gpgkey=https://a/k?b=c https://a/?d=e").source.keys == [
                "https://a/k?b=c", "https://a/?d=e",
            ])
    }
}
