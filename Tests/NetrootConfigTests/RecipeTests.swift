import Testing

@testable import NetrootConfig

private let header = "Bootstrap: debootstrap\nOSVersion: bookworm\n"

private func parse(_ text: String) throws(ConfigError) -> Recipe {
    try Recipe(bytes: Array(text.utf8), path: "r.def")
}

@Suite struct RecipeTests {
    @Test func wholeRecipe() throws {
        let recipe = try parse(
            """
            # a comment
            BOOTSTRAP: debootstrap   # the agent
            osversion: bookworm

            MirrorURL: http://mirror.example.org/%{OSVERSION}/%{osversion}
            Include: openssh-server  systemd-sysv,dracut \\
                netbase

            %setup
            touch "$APPTAINER_ROOTFS/x"
            %files
                # two
                a b
                "c d" 'e f'
                g*
            %post -c /bin/bash
              echo "${x}"\t

            # kept
            %Environment
            export A=1
            %labels
            Author A. B. C
            Version
            Author D
            %post
            second
            %test
            true
            %help
            Help!

            """)
        #expect(
            recipe.agent
                == .debootstrap(
                    .init(
                        suite: "bookworm", mirror: "http://mirror.example.org/bookworm/bookworm",
                        include: ["openssh-server", "systemd-sysv", "dracut", "netbase"])))
        #expect(recipe.setup?.text == "touch \"$APPTAINER_ROOTFS/x\"\n")
        #expect(recipe.setup?.line == 10)
        #expect(recipe.setup?.interpreter == ["/bin/sh", "-ex"])
        #expect(
            recipe.files == [
                .init(source: "a", destination: "b", line: 13), .init(source: "c d", destination: "e f", line: 14),
                .init(source: "g*", destination: nil, line: 15),
            ])
        #expect(recipe.post?.arguments == "-c /bin/bash")
        #expect(recipe.post?.interpreter == ["/bin/bash"])
        #expect(recipe.post?.text == "  echo \"${x}\"\t\n\n# kept\nsecond\n")
        #expect(recipe.post?.line == 17)
        #expect(recipe.environment?.text == "export A=1\n")
        #expect(recipe.labels == [.init(name: "Author", value: "D"), .init(name: "Version", value: "")])
        #expect(recipe.test?.text == "true\n")
        #expect(recipe.help?.text == "Help!\n")
    }

    @Test func leastRecipe() throws {
        let recipe = try parse(header + "Include:")
        #expect(recipe.agent == .debootstrap(.init(suite: "bookworm", mirror: nil, include: [])))
        #expect(recipe.post == nil)
        #expect(recipe.files.isEmpty)
    }

    @Test func keywordsMayStandBeforeBootstrap() throws {
        #expect(try parse("OSVersion: 12\nBootstrap : Debootstrap").agent.name == "debootstrap")
    }

    /// Apptainer reads a CRLF as a line feed, and ends the last line with one.
    @Test func lineEnds() throws {
        #expect(
            try parse("\u{FEFF}Bootstrap: debootstrap\r\nOSVersion: x\r\n%post\r\na\r\n\tb").post?.text == "a\n\tb\n")
    }

    @Test(arguments: [
        ("", ["/bin/sh", "-ex"]), (" -x", ["/bin/sh", "-ex", "-x"]), ("\t-c /bin/bash -l", ["/bin/bash", "-l"]),
        (" -c '/opt/my shell' # why", ["/opt/my shell"]), (" # note", ["/bin/sh", "-ex"]),
    ])
    func interpreters(arguments: String, interpreter: [String]) throws {
        #expect(try parse(header + "%post\(arguments)\n").post?.interpreter == interpreter)
    }

    @Test func repeatedSectionTakesTheLastArguments() throws {
        let recipe = try parse(header + "%post -c /bin/bash\na\n%post\nb\n%post -x\nc")
        #expect(recipe.post?.text == "a\nb\nc\n")
        #expect(recipe.post?.arguments == "-x")
        #expect(recipe.post?.interpreter == ["/bin/sh", "-ex", "-x"])
    }

    @Test func templatesOfOtherToolsAreNoBuildArguments() throws {
        #expect(throws: Never.self) { try parse(header + "%post\ndocker inspect -f '{{.Id}}' {{ a b }} {{}} {{ c }") }
    }

    /// Each row: the text, the line of the error (nil: the file as a whole), and what problem and hint must hold.
    static let mistakes: [(text: String, line: Int?, words: [String])] = [
        ("", nil, ["empty"]),
        (" \n\t\r\n", nil, ["empty"]),
        ("# only a comment", nil, ["Bootstrap"]),
        ("%post\ntrue\n", nil, ["Bootstrap"]),
        ("OSVersion: bookworm", nil, ["Bootstrap"]),
        ("Bootstrap: debootstrap\nOSVersion: a\u{0}b", 2, ["binary"]),
        ("Bootstrap:\n", 1, ["names no agent"]),
        ("Bootstrap: docker\nFrom: debian", 1, ["agent 'docker' is not supported yet"]),
        ("Bootstrap: Yum\n", 1, ["agent 'yum' is not supported yet"]),
        ("Bootstrap: debotstrap\n", 1, ["unknown agent", "'debootstrap'?"]),
        ("Bootstrap: debootstrap\n", 1, ["needs OSVersion"]),
        ("Bootstrap: debootstrap\nOSVersion:\n", 2, ["needs OSVersion"]),
        ("Bootstrap: debootstrap\nOSVersion: --help\n", 2, ["--help"]),
        ("Bootstrap: debootstrap\nOSVersion: a b\n", 2, ["a b"]),
        (header + "Mirror: http://x", 3, ["unknown header keyword 'Mirror'"]),
        (header + "MirorURL: http://x", 3, ["MirrorURL:?"]),
        (header + "OtherURL: http://x", 3, ["OtherURL1:?"]),
        (header + "Include3: x", 3, ["Include3", "Include:?"]),
        (header + "OtherURL1: http://x", 3, ["OtherURL1", "not supported yet"]),
        (header + "From: x", 3, ["From", "not supported yet"]),
        (header + "Include: a\nINCLUDE: b", 4, ["already in line 3"]),
        (header + "nonsense", 3, ["nonsense"]),
        (header + "MirrorURL: --x", 3, ["--x"]),
        (header + "MirrorURL:", 3, ["mirror"]),
        (header + "MirrorURL: http://x/%{RELEASE}", 3, ["%{RELEASE}", "%{OSVERSION}"]),
        (header + "MirrorURL: http://x/%{OSVERSION", 3, ["'}'"]),
        ("Bootstrap: debootstrap\nMirrorURL: http://x/%{OSVERSION}", 2, ["OSVersion:"]),
        ("Bootstrap: debootstrap\nOSVersion: %{OSVERSION}", 2, ["OSVersion:"]),
        (header + "Include: a --hook=x", 3, ["--hook=x"]),
        (header + "Bootstrap: debootstrap", 3, ["stages", "not supported yet"]),
        (header + "%post\necho\nBootstrap: docker", 5, ["stages", "not supported yet"]),
        (header + "%pots\n", 3, ["unknown section '%pots'", "%post?"]),
        (header + "%post\n  %wheel ALL=(ALL) ALL\n", 4, ["unknown section '%wheel'", "'%'"]),
        (header + "% post", 3, ["unknown section '%'"]),
        (header + "  %post", 3, ["indented"]),
        (header + "\n%runscript\nx", 4, ["%runscript is not supported yet"]),
        (header + "%startscript", 3, ["not supported yet"]),
        (header + "%pre", 3, ["not supported yet"]),
        (header + "%arguments", 3, ["not supported yet"]),
        (header + "%appinstall foo", 3, ["%appinstall is not supported yet"]),
        (header + "%files from build\na", 3, ["from a stage is not supported yet"]),
        (header + "%files x", 3, ["no arguments"]),
        (header + "%labels x", 3, ["no arguments"]),
        (header + "%files\na b c", 4, ["3 words"]),
        (header + "%files\n\n\"a b", 5, ["quote"]),
        (header + "%files\n'' b", 4, ["empty name"]),
        (header + "%post -c", 3, ["names no program"]),
        (header + "%post -c \"bash", 3, ["partner"]),
        (header + "%post -c bash | tee", 3, ["not supported yet"]),
        (header + "%post\n\n\techo {{ NAME }}\n", 5, ["{{ NAME }}", "not supported yet"]),
        (header + "# {{{x}}", 3, ["{{ x }}"]),
    ]

    @Test(arguments: mistakes.indices)
    func mistake(index: Int) throws {
        let row = Self.mistakes[index]
        let error = try #require(throws: ConfigError.self) { try parse(row.text) }
        #expect(error.line == row.line, "\(error)")
        for word in row.words { #expect(error.description.contains(word), "\(error)") }
        #expect(error.file == "r.def")
        #expect(!error.description.contains("\n"))
    }

    @Test(arguments: [
        ([0x42, 0xFF], 1), ([0x0A, 0x0A, 0xC3], 3), ([0x0A, 0xC3, 0x28, 0x0A], 2), ([0xED, 0xA0, 0x80], 1),
    ])
    func invalidUTF8(bytes: [UInt8], line: Int) throws {
        let error = try #require(throws: ConfigError.self) { try Recipe(bytes: bytes, path: "r.def") }
        #expect(error.line == line)
        #expect(error.problem.contains("UTF-8"))
    }

    @Test func randomTextNeverCrashes() {
        var random = SeededRandom(seed: 2)
        let pieces = [
            "Bootstrap: debootstrap\n", "OSVersion: x\n", "%post", "%files", "%labels", " from", " -c", "\n", "\n", " ",
            "\t",
            "%{", "}", "OSVERSION", "{{", "}}", "a", "\"", "'", "\\", "#", ":", "é", "\r\n", "Include", "%",
        ]
        var accepted = 0
        for _ in 0..<20_000 {
            let count = Int.random(in: 0...16, using: &random)
            var bytes = Array((0..<count).map { _ in pieces.randomElement(using: &random) ?? "" }.joined().utf8)
            if Bool.random(using: &random) { bytes = Array(header.utf8) + bytes }
            if Int.random(in: 0..<8, using: &random) == 0 { bytes.append(UInt8.random(in: 0...255, using: &random)) }
            do throws(ConfigError) {
                _ = try Recipe(bytes: bytes, path: "r.def")
                accepted += 1
            } catch {
                #expect(!error.problem.isEmpty)
            }
        }
        #expect(accepted > 0 && accepted < 20_000)
    }

    /// A quarter of a megabyte of what could make a scan go back: it takes milliseconds where time is linear, minutes where not.
    @Test(.timeLimit(.minutes(1)), arguments: ["{{ ", "{", "%{", "a ", "'", "\\\n", "x: y\\\n", "#"])
    func longInputs(piece: String) {
        let long = String(repeating: piece, count: 250_000 / piece.utf8.count)
        for text in [header + "%post\n" + long, header + "%files\n" + long, header + "Include: " + long, long] {
            do throws(ConfigError) { _ = try parse(text) } catch { #expect(!error.problem.isEmpty) }
        }
    }
}
