import Testing

@testable import NetrootConfig

@Suite struct ArchHeaderTests {
    private func agent(_ header: String) throws -> AgentHeader {
        try parseRecipe("Bootstrap: Arch\n" + header).built.agent()
    }

    @Test func withoutKeywordsItIsTheDistributionItself() throws {
        #expect(
            try agent("")
                == .arch(
                    .init(
                        mirror: "https://geo.mirror.pkgbuild.com/$repo/os/$arch", configuration: nil, include: ["base"])
                ))
    }

    @Test func theKeywords() throws {
        let header = "MirrorURL: file:///srv/arch/\nConfURL: conf/pacman.conf\nInclude: base, linux\n"
        #expect(
            try agent(header)
                == .arch(
                    .init(
                        mirror: "file:///srv/arch/$repo/os/$arch", configuration: "conf/pacman.conf",
                        include: ["base", "linux"])))
    }

    @Test func aMirrorMaySayWhereItsRepositoriesAre() throws {
        let mirror = "https://mirror.example.org/$repo/$arch"
        guard case .arch(let header) = try agent("MirrorURL: \(mirror)") else {
            Issue.record("not the agent arch")
            return
        }
        #expect(header.mirror == mirror)
    }

    static let mistakes: [(header: String, words: String)] = [
        ("MirrorURL: mirror.example.org", "is not a URL of a mirror"),
        ("MirrorURL: file:relative", "is not a URL of a mirror"),
        ("MirrorURL: https://a b", "is not a URL of a mirror"), ("MirrorURL:", "is not a URL of a mirror"),
        ("MirrorURL: https://x/%{OSVERSION}", "without a value of OSVersion:"),
        ("ConfURL: ftp://x/pacman.conf", "is not a URL of a pacman.conf"),
        ("ConfURL: --output=x", "is not a URL of a pacman.conf"),
        ("ConfURL: a b", "is not a URL of a pacman.conf"), ("ConfURL:", "is not a URL of a pacman.conf"),
        ("Include: base --overwrite=*", "'--overwrite=*' is not a name of a package"),
        ("OSVersion: 1", "OSVersion: is not supported with agent 'arch'"),
        ("From: archlinux", "From: is not supported with agent 'arch'"),
        ("Setopt: SigLevel=Never", "Setopt: is not supported with agent 'arch'"),
    ]

    @Test(arguments: mistakes.indices) func mistake(index: Int) throws {
        let row = Self.mistakes[index]
        let error = try #require(throws: ConfigError.self) { try agent(row.header) }
        #expect(error.line == 2 && error.description.contains(row.words), "\(error)")
        #expect(error.hint != nil)
    }
}
