import Testing

@testable import NetrootConfig

private let header = "Bootstrap: debootstrap\nOSVersion: bookworm\n"

func parseRecipe(_ text: String, _ arguments: [String: String] = [:]) throws(ConfigError) -> Recipe {
    try Recipe(bytes: Array(text.utf8), path: "r.def", arguments: arguments)
}

private func parse(_ text: String) throws(ConfigError) -> Recipe.Stage { try parseRecipe(text).built }

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
                "c d" 'e f'   # why
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
            try recipe.agent()
                == .debootstrap(
                    .init(
                        suite: "bookworm", mirror: "http://mirror.example.org/bookworm/bookworm",
                        include: ["openssh-server", "systemd-sysv", "dracut", "netbase"], options: [])))
        #expect(recipe.header[.mirrorURL]?.value == "http://mirror.example.org/%{OSVERSION}/%{osversion}")
        #expect(recipe.line == 2)
        #expect(recipe.setup?.text == "touch \"$APPTAINER_ROOTFS/x\"\n")
        #expect(recipe.setup?.line == 10)
        #expect(try recipe.interpreter(.setup) == ["/bin/sh", "-ex"])
        #expect(
            recipe.files == [
                .init(source: "a", destination: "b", line: 13), .init(source: "c d", destination: "e f", line: 14),
                .init(source: "g*", destination: nil, line: 15),
            ])
        #expect(recipe.post?.arguments == "-c /bin/bash")
        #expect(try recipe.interpreter(.post) == ["/bin/bash"])
        #expect(recipe.post?.text == "  echo \"${x}\"\t\n\n# kept\nsecond\n")
        #expect(recipe.post?.line == 17)
        #expect(recipe.environment?.text == "export A=1\n")
        #expect(recipe.labels == [.init(name: "Author", value: "D"), .init(name: "Version", value: "")])
        #expect(recipe.test?.text == "true\n")
        #expect(recipe.help?.text == "Help!\n")
        #expect(throws: Never.self) { try recipe.checkBuildable() }
    }

    @Test func leastRecipe() throws {
        let recipe = try parse(header + "Include:")
        #expect(try recipe.agent() == .debootstrap(.init(suite: "bookworm", mirror: nil, include: [], options: [])))
        #expect(recipe.post == nil)
        #expect(recipe.files.isEmpty)
    }

    /// `Bootstrap:` in the first column begins a stage, so only another spelling lets a keyword stand above it.
    @Test func keywordsAboveBootstrap() throws {
        #expect(try parse("OSVersion: 12\nBootstrap : Debootstrap").agent().name == "debootstrap")
    }

    /// Apptainer reads a CRLF as a line feed, and ends the last line with one.
    @Test func lineEnds() throws {
        #expect(
            try parse("\u{FEFF}Bootstrap: debootstrap\r\nOSVersion: x\r\n%post\r\na\r\n\tb\r").post?.text
                == "a\n\tb\n")
    }

    /// Every byte but NUL, and a carriage return in the middle of a line: what a script may hold is kept.
    @Test func scriptsAreKeptByteForByte() throws {
        let all = Array(UInt8(1)...255).filter { $0 != UInt8(ascii: "%") && $0 != 0x0A }
        let script =
            [0x0D, 0x20] + all + Array("\n\n  x {{ a b }} {{}} {{ c }\n\t \n".utf8) + [0xFF, 0xC3, 0x28, 0x0A]
        for section in ["pre", "setup", "post", "test", "environment", "help", "runscript", "startscript"] {
            let bytes = Array("Bootstrap: docker\n%\(section)\n".utf8) + script + Array("%labels\n".utf8)
            let stage = try Recipe(bytes: bytes, path: "r.def").built
            #expect(stage.scripts[try #require(RecipeSection(rawValue: section))]?.bytes == script)
        }
        let bytes = Array("Bootstrap: docker\n%appinstall foo\n".utf8) + script
        #expect(try Recipe(bytes: bytes, path: "r.def").built.appSections[0].script.bytes == script)
    }

    @Test(arguments: [
        ("", ["/bin/sh", "-ex"]), (" -x", ["/bin/sh", "-ex", "-x"]), ("\t-c /bin/bash -l", ["/bin/bash", "-l"]),
        (" -c '/opt/my shell' # why", ["/opt/my shell"]), (" # note", ["/bin/sh", "-ex"]),
    ])
    func interpreters(arguments: String, interpreter: [String]) throws {
        #expect(try parse(header + "%post\(arguments)\ntrue\n").interpreter(.post) == interpreter)
    }

    /// `handleShebangScript` in Apptainer's internal/pkg/build/metadata.go.
    @Test(
        "%test is a program of its own, with its own #! line or that of /bin/sh",
        arguments: [
            ("", "true\n", "#!/bin/sh\ntrue\n", "/bin/sh"),
            (" -eu # note", "true\n", "#!/bin/sh -eu\ntrue\n", "/bin/sh"),
            ("", "#!/bin/bash\n[[ a ]]\n", "#!/bin/bash\n[[ a ]]\n", "/bin/bash"),
            ("", "\n  #! /usr/bin/env python3 -u \n  x\n", "#! /usr/bin/env python3 -u\n  x\n", "/usr/bin/env"),
            (" -x", "#!/bin/bash\n", "#!/bin/bash -x\n", "/bin/bash"),
            ("", "# no\n#!/bin/bash\n", "#!/bin/sh\n# no\n#!/bin/bash\n", "/bin/sh"),
            ("", "#!\ntrue\n", "#!\ntrue\n", "/bin/sh"),
        ])
    func tests(arguments: String, script: String, text: String, interpreter: String) throws {
        let program = try parse(header + "%test\(arguments)\n\(script)").testProgram()
        #expect(program == .file(bytes: Array(text.utf8), interpreter: interpreter))
    }

    @Test func aTestByAnotherProgram() throws {
        let stage = try parse(header + "%test -c /bin/bash -l\n#!/bin/sh\n")
        #expect(try stage.testProgram() == .argument(of: ["/bin/bash", "-l"]))
        #expect(throws: ConfigError.self) { try parse(header + "%test -c\ntrue\n").testProgram() }
    }

    @Test func repeatedSectionTakesTheLastArguments() throws {
        let recipe = try parse(header + "%post -c /bin/bash\na\n%post\nb\n%post -x\nc")
        #expect(recipe.post?.text == "a\nb\nc\n")
        #expect(recipe.post?.arguments == "-x")
        #expect(try recipe.interpreter(.post) == ["/bin/sh", "-ex", "-x"])
    }

    @Test(arguments: [
        ("Include: a \\\n  b\\\n c\nFrom: d", ["include": "a bc", "from": "d"]),
        ("Include: a \\\n\nFrom: d", ["include": "a", "from": "d"]),
        ("Include: a \\ # c\n# c\nFrom: d", ["include": "a", "from": "d"]),
        ("Include: \\\n  b: c", ["include": "b: c"]),
        ("Setopt: a\\n\\\nb", ["setopt": "a\nb"]),
        ("OTHERURL1: a\nOtherURL20: b", ["otherurl1": "a", "otherurl20": "b"]),
        ("mirrorurl : a:b#c", ["mirrorurl": "a:b"]),
        ("  From:x\t", ["from": "x"]),
    ])
    func headers(lines: String, expected: [String: String]) throws {
        let stage = try parse("Bootstrap: yum\n\(lines)\n")
        let entries = stage.header.entries.filter { $0.key != "bootstrap" }
        #expect(Dictionary(uniqueKeysWithValues: entries.map { ($0.key, $0.value) }) == expected)
    }

    @Test func everyKeywordIsRead() throws {
        for keyword in RecipeKeyword.allCases where keyword != .bootstrap {
            let name = keyword.rawValue + (keyword == .otherURL ? "3" : "")
            for spelling in [name, name.lowercased(), name.uppercased()] {
                #expect(try parse("Bootstrap: scratch\n\(spelling): a").header[keyword]?.value == "a")
            }
        }
    }

    @Test func agentsThatFetchFromElsewhereAreShownAndNotBuilt() throws {
        for agent in ["busybox", "docker-daemon", "library", "oras", "shub"] {
            let stage = try parse("Bootstrap: \(agent)\nFrom: x\n%post\ntrue\n")
            #expect(stage.agentName == agent)
            let error = try #require(throws: ConfigError.self) { try stage.checkBuildable() }
            #expect(
                error.description == "r.def:1: agent '\(agent)' is not supported; see the agents in docs/formats.md")
        }
    }

    @Test func stages() throws {
        let recipe = try parseRecipe(
            """
            # about this
            bootstrap: docker
            From: golang
            Stage: devel
            %post
              cat << EOF
              Bootstrap: no
            EOF
            # above the next
            BOOTSTRAP: localimage
            From: a.sif
            Stage: final
            %files from devel
              /root/hello /bin/hello
            %files
              x
            %files from devel
              /y
            """)
        #expect(recipe.stages.map(\.name) == ["devel", "final"])
        #expect(recipe.stages.map(\.line) == [2, 10])
        #expect(recipe.stages[0].post?.text == "  cat << EOF\n  Bootstrap: no\nEOF\n# above the next\n")
        #expect(
            recipe.built.allFiles == [
                .init(
                    arguments: "from devel", stage: "devel", line: 13,
                    copies: [
                        .init(source: "/root/hello", destination: "/bin/hello", line: 14),
                        .init(source: "/y", destination: nil, line: 18),
                    ]),
                .init(
                    arguments: "", stage: nil, line: 15, copies: [.init(source: "x", destination: nil, line: 16)]),
            ])
        #expect(recipe.built.files.map(\.source) == ["x"])
    }

    /// As in Apptainer a `Bootstrap:` in the first column begins a stage, also inside a script.
    @Test func bootstrapInAScriptBeginsAStage() throws {
        #expect(try parseRecipe("Bootstrap: docker\n%post\ncat << E\nBootstrap: scratch\nFrom: x\n").stages.count == 2)
    }

    @Test func withoutAHeader() throws {
        for top in ["", "\n \n", "# comment: one\n\n"] {
            let recipe = try parseRecipe(top + "%help\nHello\n\n%post\ntrue\n")
            #expect(recipe.stages.count == 1)
            #expect(recipe.built.header.isEmpty)
            #expect(recipe.built.help?.text == "Hello\n\n")
            #expect(recipe.built.agentName == nil)
            let error = try #require(throws: ConfigError.self) { try recipe.checkBuildable() }
            #expect(error.problem.contains("no Bootstrap:"))
        }
    }

    @Test func apps() throws {
        let stage = try parse(
            """
            Bootstrap: docker
            From: ubuntu
            %apprun foo
              exec echo
            %AppInstall bar   # note
            touch bar
            %appenv foo more
            A=1
            %apprun foo

            B
            %applabels baz
            """)
        #expect(stage.appOrder == ["foo", "bar", "baz"])
        #expect(
            stage.appSections.map { "\($0.section) \($0.app): \($0.script.text)" } == [
                "apprun foo:   exec echo\n\nB\n", "appinstall bar: touch bar\n", "appenv foo: A=1\n",
                "applabels baz: ",
            ])
        #expect(stage.ignoredSections == ["%apprun foo", "%appinstall bar", "%appenv foo", "%applabels baz"])
    }

    @Test func templatesOfOtherToolsAreNoBuildArguments() throws {
        #expect(throws: Never.self) { try parse(header + "%post\ndocker inspect -f '{{.Id}}' {{ a b }} {{}} {{ c }") }
    }

    @Test(
        arguments: [
            ("a", "a", nil), ("a b", "a", "b"), ("  a\t\tb  ", "a", "b"), ("\"a b\"", "a b", nil),
            ("\"a b\" \"c d\"", "a b", "c d"), ("'a\"b' c", "a\"b", "c"), ("a # c", "a", nil), ("a b # c \"", "a", "b"),
            ("a#b c", "a#b", "c"), ("\"#a\"", "#a", nil), ("/x/*.{a,b} /y/", "/x/*.{a,b}", "/y/"),
        ] as [(String, String, String?)])
    func fileLines(line: String, source: String, destination: String?) throws {
        let stage = try parse(header + "%files # comment\n\n  # no\n\(line)\n")
        #expect(stage.files == [.init(source: source, destination: destination, line: 6)])
    }
}
