import Testing

@testable import NetrootConfig

@Suite struct RecipeArgumentTests {
    private func post(_ text: String, _ arguments: [String: String] = [:]) throws(ConfigError) -> String? {
        try parseRecipe("Bootstrap: docker\n" + text, arguments).built.post?.text
    }

    @Test func givenGoesBeforeDefault() throws {
        let text = """
            Bootstrap: docker
            From: alpine:{{ VERSION }}
            %arguments
              # VERSION=no
              VERSION = 3.17
              EMPTY=
              A=a whitespace
              LATER=1
              LATER=2
            %files
              {{ A }}
            %post
              echo {{VERSION}}{{ EMPTY }}{{\tLATER }}
            %labels
              V v{{ VERSION }}
            """
        let stage = try parseRecipe(text).built
        #expect(stage.header[.from]?.value == "alpine:3.17")
        #expect(stage.files == [.init(source: "a", destination: "whitespace", line: 11)])
        #expect(stage.post?.text == "  echo 3.172\n")
        #expect(stage.labels == [.init(name: "V", value: "v3.17")])
        let given = try parseRecipe(text, ["VERSION": "9", "UNUSED": "1", "ALSO": ""])
        #expect(given.built.header[.from]?.value == "alpine:9")
        #expect(given.usedArguments == ["VERSION"])
        #expect(
            given.warnings.map(\.description) == [
                "r.def: build argument ALSO is not used", "r.def: build argument UNUSED is not used",
            ])
    }

    /// The cases of Apptainer's own reader: behind a `#` nothing is put in, but `#!` and `#{{` are no comments.
    @Test(arguments: [
        ("# {{ X }}", "# {{ X }}"), ("#{{ X }}", "#1"), ("#!/bin/{{ X }}", "#!/bin/1"), ("a # {{ X }}", "a # {{ X }}"),
        ("#! {{ X }} # {{ X }}", "#! 1 # {{ X }}"), ("# a\n{{ X }}", "# a\n1"), ("${#a} {{ X }}", "${#a} {{ X }}"),
        ("{{ X }}#{{ X }}", "1#1"), ("# {{ X }} {{ X }}\n{{ X }}", "# {{ X }} {{ X }}\n1"),
        ("{{{X}}}", "{1}"), ("{{X}} {{X}}", "1 1"), ("{{ \nX\n}}.", "1."), ("{{X}", "{{X}"), ("{ {X}}", "{ {X}}"),
        ("{{X Y}}", "{{X Y}}"), ("{{ é }}", "{{ é }}"), ("{{", "{{"), ("{", "{"),
    ])
    func places(script: String, expected: String) throws {
        #expect(try post("%post\n\(script)\n", ["X": "1"]) == expected + "\n")
    }

    @Test("A file of build arguments: comments, blank lines, the last of a name, and lines that say nothing")
    func fileOfArguments() throws {
        let text = "\u{FEFF}# SUITE=no\nSUITE = bookworm\r\n\n  A=b=c \nSUITE=trixie\nnothing\n=x\nQUOTED='q'\nEMPTY="
        let (values, warnings) = try BuildArgument.values(in: Array(text.utf8), path: "args")
        #expect(values == ["SUITE": "trixie", "A": "b=c", "QUOTED": "'q'", "EMPTY": ""])
        #expect(
            warnings.map(\.description) == [
                "args:6: no NAME=VALUE: it is not read", "args:7: no NAME=VALUE: it is not read",
            ])
        let error = #expect(throws: ConfigError.self) {
            try BuildArgument.values(in: [0x41, 0x3D, 0x0A, 0xFF], path: "args")
        }
        #expect(error?.line == 2)
    }

    @Test func nested() throws {
        #expect(try post("%arguments\nA=x{{ B }}y{{B}}\nB=1\n%post\n{{ A }}\n") == "x1y1\n")
        #expect(try post("%arguments\nA=x{{ B }}\nB=1\n%post\n{{ A }}\n", ["B": "2"]) == "x2\n")
        #expect(try parseRecipe("Bootstrap: docker\n%post\n{{ A }}\n", ["A": "{{ B }}", "B": "2"]).warnings.isEmpty)
    }

    @Test func defaultsBelongToTheirStage() throws {
        let text = "Bootstrap: docker\n%arguments\nA=1\n%post\n{{ A }}\nBootstrap: docker\n%post\n{{ A }}\n"
        let error = try #require(throws: ConfigError.self) { try parseRecipe(text) }
        #expect(error.description.hasPrefix("r.def:8: build argument {{ A }} is not defined"))
        #expect(try parseRecipe(text, ["A": "2"]).stages.map(\.post?.text) == ["2\n", "2\n"])
    }

    /// What is put in, and what it replaces, may have several lines: the numbers are those of the file.
    @Test func lineNumbersAreThoseOfTheFile() throws {
        let text = "Bootstrap: docker\n%post\n{{ X }} {{\n\n X }}\n%labels\na b\n%nonsense\n"
        for value in ["1", "a\nb\nc", ""] {
            let error = try #require(throws: ConfigError.self) { try parseRecipe(text, ["X": value]) }
            #expect(error.line == 8)
        }
        let error = try #require(throws: ConfigError.self) {
            try parseRecipe("Bootstrap: docker\n%post\n{{ X }}\ntrue\n", ["X": "a\n%wrong"])
        }
        #expect(error.line == 3)
    }

    @Test func otherLinesInArgumentsAreWarnings() throws {
        let recipe = try parseRecipe("Bootstrap: docker\n%arguments\nA\n =1\nB=2\n%post\n{{ B }}\n")
        #expect(recipe.built.post?.text == "2\n")
        #expect(recipe.warnings.map(\.line) == [3, 4])
    }

    @Test(arguments: [
        ("A=b", "A", "b"), (" A = b c ", "A", "b c"), ("A=b=c", "A", "b=c"), ("A=", "A", ""),
    ])
    func pairs(text: String, name: String, value: String) throws {
        let pair = try #require(BuildArgument.pair(text))
        #expect(pair.name == name)
        #expect(pair.value == value)
    }

    @Test(arguments: ["", "A", "=b", "  =b"]) func noPairs(text: String) {
        #expect(BuildArgument.pair(text) == nil)
    }

    /// A few bytes must not become gigabytes.
    @Test func expansionIsBounded() throws {
        let use = String(repeating: "{{A}}\n", count: 100_000)
        let long = String(repeating: "x", count: 1_000_000)
        let nest = String(repeating: "{{B}}", count: 100_000)
        for (text, line) in [
            ("%arguments\nA=\(long)\n%post\n\(use)", 21), ("%arguments\nB=\(long)\nA=\(nest)\n%post\n{{A}}\n", 4),
        ] {
            let error = try #require(throws: ConfigError.self) { try post(text) }
            #expect(error.problem.contains("16 MiB"))
            #expect(error.line == line)
        }
    }
}
