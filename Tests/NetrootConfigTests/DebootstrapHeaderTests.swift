import Testing

@testable import NetrootConfig

@Suite struct DebootstrapHeaderTests {
    private func header(_ lines: String) throws -> AgentHeader.Debootstrap? {
        let recipe = try parseRecipe("Bootstrap: debootstrap\nOSVersion: bookworm\n" + lines)
        guard case .debootstrap(let header) = try recipe.built.agent() else { return nil }
        return header
    }

    @Test("AptOpt names options of apt as Setopt does those of dnf")
    func aptOptions() throws {
        #expect(try header("")?.options == [])
        let options = try header("AptOpt: Acquire::Check-Valid-Until=false Acquire::Languages=none en")?.options
        #expect(
            options == [
                .init(name: "Acquire::Check-Valid-Until", value: "false"),
                .init(name: "Acquire::Languages", value: "none en"),
            ])
    }

    static let mistakes: [(line: String, words: String)] = [
        ("AptOpt: Acquire::Check-Valid-Until", "is not of the form NAME=VALUE"),
        ("AptOpt: Dir::Etc::Trusted=/x", "netroot itself sets Dir::Etc::Trusted"),
        ("AptOpt: dir=/x", "netroot itself sets dir"),
        (
            "AptOpt: Binary::apt-get::APT::Get::AllowUnauthenticated=true",
            "netroot itself sets Binary::apt-get::APT::Get::AllowUnauthenticated"
        ),
        ("AptOpt: binary::apt::dir::etc=/x", "netroot itself sets binary::apt::dir::etc"),
        ("AptOpt: APT::Key::GPGVCommand=/x", "netroot itself sets APT::Key::GPGVCommand"),
        ("AptOpt: DPkg::Pre-Invoke=rm", "netroot itself sets DPkg::Pre-Invoke"),
        ("AptOpt: Acquire::AllowInsecureRepositories=true", "build with --allow-unsigned"),
        ("AptOpt: apt::get::AllowUnauthenticated=1", "build with --allow-unsigned"),
        ("AptOpt: A::B=a\";Dir=x", "holds a quotation mark"),
        ("Setopt: Acquire::Check-Valid-Until=false", "Setopt: is not supported"),
        ("MirrorURL: http://user:two%20words@a/", "cannot be told to apt"),
        ("MirrorURL: http://user:100%@a/", "%25 stands for a percent sign"),
        ("MirrorURL: http://:word@a/", "cannot be told to apt"),
    ]

    @Test("A line that apt cannot follow is named", arguments: mistakes.indices)
    func mistake(index: Int) throws {
        let row = Self.mistakes[index]
        let error = #expect(throws: ConfigError.self) { _ = try header(row.line) }
        #expect(error?.line == 3)
        #expect("\(try #require(error))".contains(row.words), "\(error.map { "\($0)" } ?? "")")
    }

    @Test("The message about a wrong mirror does not show its password")
    func wrongMirror() throws {
        for header in [
            "Bootstrap: debootstrap\nOSVersion: a\nMirrorURL: ftp://user:word@a/\n",
            "Bootstrap: dnf\nMirrorURL: gopher://user:word@a/\n", "Bootstrap: arch\nMirrorURL: ftp://user:word@a/\n",
            "Bootstrap: arch\nConfURL: ftp://user:word@a/\n",
            "Bootstrap: dnf\nMirrorURL: http://a/\nSetopt: gpgkey=http://user:word@a/\n",
        ] {
            let error = #expect(throws: ConfigError.self) { _ = try parseRecipe(header).built.agent() }
            let text = "\(try #require(error))"
            #expect(text.contains("a/") && !text.contains("word"), "\(text)")
        }
    }

    @Test("A report of the header shows no password of a mirror, and every digest of an image")
    func shownValues() throws {
        let recipe = try parseRecipe("Bootstrap: dnf\nMirrorURL: https://u:w@a/$basearch\nOtherURL1: https://u:w@b/\n")
        #expect(recipe.built.header.entries.map(\.shownValue) == ["dnf", "https://a/$basearch", "https://b/"])
        let image = "docker://busybox@sha256:" + String(repeating: "a", count: 64)
        let from = try parseRecipe("Bootstrap: docker\nFrom: \(image)\n")
        #expect(from.built.header[.from]?.shownValue == image)
    }

    @Test("A mirror's user and password are taken apart from its URL")
    func addresses() {
        let given = MirrorAddress("https://n%40me:p%3aw@rd@a.b:8/c@d")
        #expect(given.url == "https://a.b:8/c@d")
        #expect(given.login?.user == "n@me" && given.login?.password == "p:w@rd")
        #expect(MirrorAddress("https://name@a/").login?.password == "")
        for plain in ["http://a/b@c", "file:///a@b", "a@b", "http://a?x=@b"] {
            #expect(MirrorAddress(plain).url == plain && MirrorAddress(plain).user == nil)
        }
    }
}
