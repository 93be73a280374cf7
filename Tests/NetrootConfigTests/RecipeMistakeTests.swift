import Testing

@testable import NetrootConfig

private let header = "Bootstrap: debootstrap\nOSVersion: bookworm\n"
private let rpm = "Bootstrap: dnf\nMirrorURL: http://mirror.example.org/9\n"
private let suse = "Bootstrap: zypper\nMirrorURL: http://mirror.example.org/15\n"
private let print = "0123456789abcdef0123456789ABCDEF01234567"
private let hash = String(repeating: "a", count: 64)

@Suite struct RecipeMistakeTests {
    typealias Row = (text: String, line: Int?, words: [String])

    /// Wrong whatever is done with them: the text, the line of the error (nil: the file as a whole), and what problem and
    /// hint must hold.
    static let mistakes: [Row] = [
        ("", nil, ["empty", "Bootstrap: debootstrap"]),
        (" \n\t\r\n", nil, ["empty"]),
        ("# only a comment", nil, ["empty"]),
        ("%post\n", nil, ["empty"]),
        ("# comment\n%post\n%labels\n%help\n", nil, ["empty"]),
        ("OSVersion: bookworm", 1, ["no Bootstrap:", "begin with Bootstrap:"]),
        ("\nFrom: x\nBootstrap: docker\n", 2, ["no Bootstrap:", "'From:'"]),
        ("%post\ntrue\nBootstrap: docker\n", 1, ["above the first Bootstrap:"]),
        ("Bootstrap: debootstrap\nOSVersion: a\u{0}b", 2, ["binary"]),
        (header + "%post\n\n\u{0}", 5, ["binary"]),
        ("Bootstrap:\n", 1, ["names no agent"]),
        ("Bootstrap: # docker\n", 1, ["names no agent"]),
        ("Bootstrap: debotstrap\n", 1, ["unknown agent", "'debootstrap'?"]),
        ("Bootstrap: dokcer\nFrom: x\n", 1, ["unknown agent", "'docker'?"]),
        ("Bootstrap: docker://debian\n", 1, ["unknown agent 'docker://debian'"]),
        ("Bootstrap: docker\nFrom: a\n%post\ntrue\nBootstrap: nix\n", 5, ["unknown agent 'nix'"]),
        (header + "Mirror: http://x", 3, ["unknown header keyword 'Mirror'"]),
        (header + "MirorURL: http://x", 3, ["MirrorURL:?"]),
        (header + "OtherURL: http://x", 3, ["OtherURL1:?"]),
        (header + "OtherURLx: http://x", 3, ["OtherURL1:?"]),
        (header + "MirrorURL2: http://x", 3, ["unknown", "MirrorURL:?"]),
        (header + "Include3: x", 3, ["Include3", "Include:?"]),
        (header + "Include: a\nINCLUDE: b", 4, ["already in line 3"]),
        ("Bootstrap: yum\nOtherURL1: a\notherurl1: b\n", 3, ["already in line 2"]),
        (header + "nonsense", 3, ["nonsense", "begin a section with '%'"]),
        (header + "Include: a\n  b\n", 4, ["'b'"]),
        (header + "Include: a \\\n# c\n  b\n", 5, ["'b'"]),
        ("{\"header\": {}}\n", 1, ["unknown header keyword"]),
        ("FROM debian:12\nRUN apt-get update\n", 1, ["unknown header keyword 'FROM debian'"]),
        (header + "%pots\n", 3, ["unknown section '%pots'", "%post?"]),
        (header + "%environement\n", 3, ["%environment?"]),
        (header + "%post\n  %wheel ALL=(ALL) ALL\n", 4, ["unknown section '%wheel'", "'%'"]),
        (header + "% post", 3, ["unknown section '%'"]),
        (header + "%", 3, ["unknown section '%'"]),
        (header + "  %post", 3, ["indented"]),
        (header + "%apprunn foo\n", 3, ["%apprun?"]),
        (header + "%appinstall\nx", 3, ["%appinstall names no app"]),
        (header + "%help\n\n%appenv # foo\nx", 5, ["%appenv names no app"]),
        (header + "%files x", 3, ["no arguments but 'from STAGE'"]),
        (header + "%files from\na", 3, ["'from'"]),
        (header + "%files from a b\na", 3, ["'from a b'"]),
        (header + "%files form build\na", 3, ["'form build'"]),
        (header + "%files from build\na", 3, ["no stage 'build'", "Stage: build"]),
        (header + "Stage: a\n%files from a\nx", 4, ["cannot copy from itself"]),
        (header + "Stage: devel\n%post\n" + header + "%files from devl\nx", 7, ["no stage 'devl'", "'devel'?"]),
        (header + "%files from b\nx\n" + header + "Stage: b\n", 3, ["no stage 'b' above"]),
        (header + "Stage: a\n%post\n:\n" + header + "Stage: a\n", 8, ["stage 'a' is already in line 1"]),
        (header + "Stage: a b\n", 3, ["holds a blank"]),
        (header + "%files\na b c", 4, ["3 words", "quotes"]),
        (header + "%files\n\n\"a b", 5, ["no partner"]),
        (header + "%files\na 'b", 4, ["no partner"]),
        (header + "%files\n\"a\"b c", 4, ["middle of a name"]),
        (header + "%files\nit's b", 4, ["middle of a name"]),
        (header + "%files\n'' b", 4, ["empty name"]),
        (header + "%files\na \"\"", 4, ["empty name"]),
        (header + "%post -c", 3, ["names no program", "%post -c /bin/bash"]),
        (header + "%setup -x -c # bash\ntrue", 3, ["%setup -c names no program"]),
        (header + "%post\n\n\techo {{ NAME }}\n", 5, ["{{ NAME }}", "--build-arg NAME=VALUE", "%arguments"]),
        ("Bootstrap: {{ A }}\n", 1, ["{{ A }} is not defined"]),
        (header + "#{{x}}", 3, ["{{ x }}"]),
        (header + "%arguments\nVERSION=1\n%post\n:\n{{\nVERSOIN }}", 7, ["{{ VERSION }}?"]),
        (header + "%arguments\nA={{ B }}\n", 4, ["{{ B }} is not defined"]),
        (header + "%arguments\nA 1\n%post\n{{ A }}", 6, ["{{ A }} is not defined"]),
    ]

    /// Right, but nothing that netroot can build.
    static let unbuildable: [Row] = [
        ("%post\ntrue\n", nil, ["no Bootstrap:", "debootstrap"]),
        ("\nBootstrap: Oras\nFrom: debian", 2, ["agent 'oras' is not supported"]),
        ("Bootstrap: scratch\nInclude: a", 2, ["Include: is not supported with agent 'scratch'"]),
        ("Bootstrap: docker\n", 1, ["agent 'docker' needs From:", "From: debian:12"]),
        ("Bootstrap: docker\nFrom: # none\n", 2, ["needs From:"]),
        ("Bootstrap: docker\nFrom: docker://debian:12\n", 2, ["it has a scheme", "leave out 'docker://'"]),
        ("Bootstrap: docker\nFrom: //debian\n", 2, ["it begins with slashes"]),
        ("Bootstrap: docker\nFrom: Debian:12\n", 2, ["'Debian' has capital letters", "lower case"]),
        ("Bootstrap: docker\nFrom: debian: 12\n", 2, ["' 12' is not a tag"]),
        ("Bootstrap: docker\nFrom: debian:\n", 2, ["'' is not a tag"]),
        ("Bootstrap: docker\nFrom: debian@sha256:12\n", 2, ["'sha256:12' is not a digest", "64 hexadecimal"]),
        ("Bootstrap: docker\nFrom: a:1@sha256:\(hash)\n", 2, ["a tag and a digest", "leave out the tag"]),
        ("Bootstrap: docker\nFrom: --help\n", 2, ["'--help' is no part of a name"]),
        ("Bootstrap: docker\nFrom: a//b\n", 2, ["'' is no part of a name"]),
        ("Bootstrap: docker\nFrom: ../etc\n", 2, ["'..' is not a registry"]),
        ("Bootstrap: docker\nFrom: a/../b\n", 2, ["'..' is no part of a name"]),
        ("Bootstrap: docker\nFrom: localhost:port/a\n", 2, ["'localhost:port' is not a registry"]),
        ("Bootstrap: docker\nRegistry: http://x.example.org\nFrom: a\n", 3, ["it has a scheme", "'http://'"]),
        ("Bootstrap: docker\nNamespace: My\nFrom: a\n", 3, ["'My' has capital letters"]),
        ("Bootstrap: docker\nFrom: a\nOSVersion: 12\n", 3, ["OSVersion: is not supported with agent 'docker'"]),
        ("Bootstrap: oci\n", 1, ["agent 'oci' needs From:"]),
        ("Bootstrap: oci\nFrom: :tag\n", 2, ["':tag' names no file"]),
        ("Bootstrap: oci-archive\nFrom: a.tar\nRegistry: x\n", 3, ["Registry: is not supported", "'oci-archive'"]),
        ("Bootstrap: oci-archive\nFrom: docker://a\n", 2, ["is a URL, agent 'oci-archive' takes a path"]),
        ("Bootstrap: docker-archive\nFrom: a.tar:Bad:1\n", 2, ["'Bad' has capital letters"]),
        ("Bootstrap: debootstrap\n", 1, ["needs OSVersion"]),
        ("Bootstrap: debootstrap\nOSVersion:\n", 2, ["needs OSVersion"]),
        ("Bootstrap: debootstrap\nOSVersion: --help\n", 2, ["--help"]),
        ("Bootstrap: debootstrap\nOSVersion: a b\n", 2, ["a b"]),
        (header + "OtherURL1: http://x", 3, ["OtherURL1", "is not supported with agent 'debootstrap'"]),
        (header + "From: x", 3, ["From", "is not supported with agent 'debootstrap'"]),
        (header + "MirrorURL: --x", 3, ["--x"]),
        (header + "MirrorURL:", 3, ["mirror"]),
        (header + "MirrorURL: http://x/%{RELEASE}", 3, ["%{RELEASE}", "%{OSVERSION}"]),
        (header + "MirrorURL: http://x/%{OSVERSION", 3, ["'}'"]),
        ("Bootstrap: debootstrap\nMirrorURL: http://x/%{OSVERSION}", 1, ["needs OSVersion"]),
        ("Bootstrap: debootstrap\nOSVersion: %{OSVERSION}", 2, ["OSVersion:"]),
        (header + "Include: a --hook=x", 3, ["--hook=x"]),
        ("Bootstrap: oras\nStage: a\n" + header + "%files from a\nx", 1, ["agent 'oras' is not supported"]),
        (header + "%post -c \"bash", 3, ["partner"]),
        ("Bootstrap: dnf\n", 1, ["agent 'dnf' needs MirrorURL:"]),
        ("Bootstrap: Yum\nMirrorURL:\n", 2, ["agent 'yum' needs MirrorURL:"]),
        ("Bootstrap: zypper\nOSVersion: 15.6\n", 1, ["agent 'zypper' needs MirrorURL:"]),
        (rpm + "From: x", 3, ["From: is not supported with agent 'dnf'"]),
        (rpm + "ConfURL: http://x", 3, ["ConfURL: is not supported with agent 'dnf'"]),
        ("Bootstrap: dnf\nMirrorURL: mirror.example.org/9\n", 2, ["is not a URL of a repository", "https://"]),
        ("Bootstrap: dnf\nMirrorURL: http://a http://b\n", 2, ["is not a URL of a repository"]),
        ("Bootstrap: dnf\nMirrorURL: http://a\\n\\\n[evil]\n", 2, ["is not a URL of a repository"]),
        (rpm + "UpdateURL: --x", 3, ["UpdateURL: '--x' is not a URL"]),
        (rpm + "OtherURL7: file://x", 3, ["OtherURL7: 'file://x' is not a URL"]),
        ("Bootstrap: dnf\nMirrorURL: http://a/%{OSVERSION}\n", 2, ["%{OSVERSION} without a value of OSVersion:"]),
        ("Bootstrap: dnf\nMirrorURL: http://a/$releasever\n", 2, ["$releasever without a value of OSVersion:"]),
        (rpm + "OSVersion: 9 --nogpgcheck", 3, ["is not a version of a distribution"]),
        (rpm + "Include: bash --nogpgcheck", 3, ["'--nogpgcheck' is not a name of a package"]),
        (rpm + "Setopt: nonsense", 3, ["'nonsense' is not of the form NAME=VALUE"]),
        (rpm + "Setopt: --nogpgcheck", 3, ["'--nogpgcheck' is not of the form NAME=VALUE"]),
        (rpm + "Setopt: gpgcheck=maybe", 3, ["gpgcheck=maybe is neither 0 nor 1"]),
        (rpm + "Setopt: best=1 base.cachedir=/x", 3, ["netroot itself sets cachedir"]),
        (rpm + "Setopt: gpgkey=http://a/key", 3, ["would come by plain HTTP", "Fingerprints:"]),
        (rpm + "Setopt: gpgkey=/etc/pki/key", 3, ["gpgkey=/etc/pki/key is not a URL of a key"]),
        (rpm + "Fingerprints: \(print)", 3, ["Fingerprints: without a key", "Setopt: gpgkey=URL"]),
        (
            rpm + "Setopt: gpgkey=https://a/k\nFingerprints: 6B59 BCB3", 4,
            ["'6B59' is not a fingerprint", "without blanks"]
        ),
        (rpm + "Setopt: gpgkey=https://a/k\nFingerprints: ,", 4, ["names none"]),
        (rpm + "Setopt: gpgkey=https://a/k gpgcheck=0\nFingerprints: \(print)", 4, ["beside gpgcheck=0"]),
        (suse + "Product: SLES\n", 3, ["Product: registers with SUSE"]),
        (suse + "RegCode: secret\n", 3, ["RegCode: registers with SUSE"]),
        (suse + "Modules: a,b\n", 3, ["Modules: registers with SUSE"]),
        (suse + "Setopt: best=1\n", 3, ["zypper has no option 'best'", "gpgkey=URL"]),
        ("Bootstrap: localimage\n", 1, ["agent 'localimage' needs From:"]),
        ("Bootstrap: localimage\nFrom:\n", 2, ["needs From:", "label:debian12"]),
        (local + "OSVersion: 12", 3, ["OSVersion: is not supported with agent 'localimage'"]),
        (local + "Include: vim", 3, ["Include: is not supported with agent 'localimage'"]),
        ("Bootstrap: localimage\nFrom: docker://debian:12", 2, ["'docker://debian:12' is not a path"]),
        ("Bootstrap: localimage\nFrom: ~/a.sif", 2, ["'~/a.sif' is not a path"]),
        ("Bootstrap: localimage\nFrom: label:", 2, ["names no label"]),
        ("Bootstrap: localimage\nFrom: label:a b", 2, ["names no label"]),
        ("Bootstrap: localimage\nFrom: label:@3", 2, ["names no label"]),
        ("Bootstrap: localimage\nFrom: label:a@", 2, ["'' is not a number of a generation", "label:a@7"]),
        ("Bootstrap: localimage\nFrom: label:a@0", 2, ["'0' is not a number"]),
        ("Bootstrap: localimage\nFrom: label:a@+1", 2, ["'+1' is not a number"]),
        ("Bootstrap: localimage\nFrom: label:a@3@4", 2, ["'3@4' is not a number"]),
        (local + "Fingerprints:", 3, ["names no key"]),
        (local + "Fingerprints: 12AB", 3, ["'12AB' is not a fingerprint", "40 hexadecimal digits"]),
        (local + "Fingerprints: \(key),\(key.dropLast())x", 3, ["is not a fingerprint"]),
        (
            local + "Stage: one\n%post\n:\nBootstrap: scratch\nFrom: x\n%files from one\n/a\n", 7,
            ["From: is not supported"]
        ),
    ]

    private static let local = "Bootstrap: localimage\nFrom: a.sif\n"
    private static let key = "12045C8C0B1004D058DE4BEDA20C27EE7FF7BA84"

    private func check(_ error: ConfigError, _ row: Row) {
        #expect(error.line == row.line, "\(error)")
        for word in row.words { #expect(error.description.contains(word), "\(error)") }
        #expect(error.file == "r.def")
        #expect(!error.description.contains("\n"))
        #expect(error.hint != nil, "the next step: \(error)")
    }

    @Test(arguments: mistakes.indices) func mistake(index: Int) throws {
        check(
            try #require(throws: ConfigError.self) { try parseRecipe(Self.mistakes[index].text) }, Self.mistakes[index])
    }

    @Test(arguments: unbuildable.indices) func rightButNotBuildable(index: Int) throws {
        let row = Self.unbuildable[index]
        let recipe = try parseRecipe(row.text)
        check(try #require(throws: ConfigError.self) { try recipe.checkBuildable() }, row)
    }

    /// What is not a script must be text; a script may be anything. Each row: what stands before the bytes, the bytes.
    static let notText: [(start: String, bytes: [UInt8], line: Int)] = [
        ("Include: ", [0xFF], 3), ("%post ", [0xC3, 0x28], 3), ("", [0xC3], 3), ("%files\na\n", [0xED, 0xA0, 0x80], 5),
        ("%labels\n\nA ", [0x80], 5),
    ]

    @Test(arguments: notText) func invalidUTF8(start: String, bytes: [UInt8], line: Int) throws {
        let error = try #require(throws: ConfigError.self) {
            try Recipe(bytes: Array((header + start).utf8) + bytes, path: "r.def")
        }
        #expect(error.line == line)
        #expect(error.problem.contains("UTF-8"))
    }

    /// An error is for a terminal, however long the line that it is about.
    @Test(arguments: [
        "", "%", "%files ", "%files from ", "Include", "%files\n", "Bootstrap: ", "%post\n{{", "Stage: a ",
    ])
    func errorsAreShort(start: String) throws {
        let long = String(repeating: "abcdefgh", count: 50_000)
        let text = start.hasPrefix("Boot") ? start + long : header + start + long + (start == "%files\n" ? " b c" : "")
        do throws(ConfigError) {
            _ = try parseRecipe(start.hasSuffix("{{") ? text + "}}" : text)
            Issue.record("accepted")
        } catch {
            #expect(error.description.utf8.count < 500)
        }
    }
}
