import NetrootStore
import NetrootSystem
import Testing

/// Names that would steer the terminal of whoever reads them: none gets there raw, whatever file or argument it is from.
@Suite struct HostileTextTests {
    /// Escape sequences, one as a single character, an override, an isolate, a mark, a separator, DEL.
    static let name = "e\u{1B}[31m\u{9B}1m\u{202E}\u{2066}\u{200F}\u{2028}\u{7F}z"
    static let shown = #"e\x1b[31m\xc2\x9b1m\xe2\x80\xae\xe2\x81\xa6\xe2\x80\x8f\xe2\x80\xa8\x7fz"#

    /// What is left of it where blanks separate words.
    static let start = #"e\x1b[31m\xc2\x9b1m\xe2\x80\xae\xe2\x81\xa6\xe2\x80\x8f"#

    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    /// Neither stream has what steers a terminal, and one of them has the name as it may be shown.
    private func expectSafe(
        _ outcome: Outcome, _ words: String = HostileTextTests.shown, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        for (stream, text) in [("output", outcome.output), ("errors", outcome.errors)] {
            let raw = text.unicodeScalars.filter { TerminalText.isSteering($0) && $0 != "\n" && $0 != "\t" }
            #expect(raw.isEmpty, "\(stream): \(raw.map(\.value))", sourceLocation: sourceLocation)
        }
        #expect((outcome.output + outcome.errors).contains(words), "\(outcome)", sourceLocation: sourceLocation)
    }

    @Test(arguments: [
        "[NAME]\nRECIPE = a.def\n", "[a]\nNAME = b\n", "[a]\nRECIPE = a.def\nRW = NAME\n", "[a]\nNAME\n",
        "[a] NAME\n", "[a]\nRECIPE = a.def\nFORMAT = NAME\n", "[a]\nRECIPE = a.def\nTRANSPORTS = NAME\n",
        "[a]\nRECIPE = a.def\nCOMPRESSION = NAME\n", "[a]\nRECIPE = ${NAME}\n",
        "[a]\nRECIPE = a.def\nNETROOT = NAME/netroot\n", "[a]\nRECIPE = a.def\nNETROOT = NAME\nTRANSPORTS = http\n",
    ])
    func aHostsFileThatIsWrong(_ text: String) async throws {
        try scratch.write("hosts.conf", text.replacing("NAME", with: Self.name))
        let outcome = try await scratch.run("list")
        expectError(outcome, .usage, [scratch.hosts])
        expectSafe(outcome, Self.start)
    }

    @Test func aHostsFile() async throws {
        try scratch.write("hosts.conf", "[a]\nRECIPE = \(Self.name).def\n")
        expectSafe(try await scratch.run("build", "a"), "/\(Self.shown).def does not exist")
        expectSafe(try await scratch.run("list"), "a ")
        try scratch.write("\(Self.name).def", "Bootstrap: debootstrap\nOSVersion: bookworm\n%psot\n")
        expectSafe(try await scratch.run("build", "a"), "/\(Self.shown).def:3: unknown section")
    }

    @Test(arguments: [
        "Bootstrap: NAME\n", "NAME: x\n", "NAME\n", "Bootstrap: debootstrap\nOSVersion: NAME\n",
        "Bootstrap: debootstrap\nOSVersion: bookworm\nMirrorURL: NAME\n", "Bootstrap: docker\nFrom: NAME\n",
        "Bootstrap: oci-archive\nFrom: NAME\n", "Bootstrap: localimage\nFrom: label:NAME\n",
        "Bootstrap: debootstrap\nOSVersion: bookworm\nInclude: NAME\n", "Bootstrap: yum\nMirrorURL: NAME\n",
        "Bootstrap: debootstrap\nOSVersion: bookworm\n%NAME\n",
        "Bootstrap: debootstrap\nOSVersion: bookworm\n%files from NAME\n    a b\n",
        "Bootstrap: debootstrap\nOSVersion: bookworm\n%post -c \"NAME\n    true\n",
    ])
    func aRecipeThatIsWrong(_ text: String) async throws {
        try scratch.write("a.def", text.replacing("NAME", with: Self.name))
        expectSafe(try await run([Place.netroot, "recipe", "a.def"], folder: scratch.path), Self.start)
    }

    /// A recipe that is right has such names too.
    @Test func aRecipe() async throws {
        // A separator of lines is a blank, and ends a name.
        let name = Self.name.replacing("\u{2028}", with: "")
        let shown = Self.shown.replacing(#"\xe2\x80\xa8"#, with: "")
        try scratch.write(
            "a.def",
            """
            Bootstrap: debootstrap
            OSVersion: bookworm
            MirrorURL: http://mirror.example.org/\(name)

            %arguments
                \(name)=1

            %post -c \(name)
                echo \(name)

            %labels
                \(name) \(name)

            %appinstall \(name)
                true

            """)
        expectSafe(try await run([Place.netroot, "recipe", "a.def"], folder: scratch.path), "app \(shown)")
        let json = try await run([Place.netroot, "recipe", "a.def", "--json"], folder: scratch.path)
        expectSafe(json, "appOrder")
        struct Row: Decodable { let appOrder: [String] }
        #expect(try JSON.value([Row].self, from: Array(json.output.utf8)).map(\.appOrder) == [[name]])
        try Files.move(scratch.path + "/a.def", to: "\(scratch.path)/\(name).def")
        expectSafe(
            try await run([Place.netroot, "recipe", name + ".def"], folder: scratch.path), "\(shown).def: 1 stage")
    }

    @Test(arguments: [
        ["NAME"], ["build", "NAME"], ["build", "a", "--NAME"], ["recipe", "NAME"], ["inspect", "./NAME"],
        ["diff", "a", "NAME", "2"], ["probe", "NAME"], ["pack", "NAME", "x"],
        ["list", "--hosts", "NAME"], ["recipe", "a.def", "--build-arg", "NAME"],
    ])
    func arguments(_ arguments: [String]) async throws {
        try scratch.writeHosts("a")
        let argv = arguments.map { $0.replacing("NAME", with: Self.name) }
        let outcome = try await run(
            [Place.netroot] + argv, environment: ["NETROOT_HOSTS": scratch.hosts], folder: scratch.path)
        #expect(outcome.status != 0)
        expectSafe(outcome)
    }

    /// A newline in a file's name forges no line of a report.
    @Test func filesOfATree() async throws {
        try scratch.write("root/\(Self.name)\nforged: line", bytes: [UInt8](repeating: 1, count: 5000))
        let packed = try await run(
            [Place.netroot, "pack", "root", "i.squashfs", "--no-cache"], folder: scratch.path)
        expectSafe(packed, "i.squashfs")
        let inspected = try await run([Place.netroot, "inspect", "./i.squashfs"], folder: scratch.path)
        expectSafe(inspected, #"5000  /\#(Self.shown)\x0aforged: line"#)
        #expect(!inspected.output.contains("\nforged"))
    }
}
