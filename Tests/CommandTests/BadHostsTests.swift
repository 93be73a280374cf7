import NetrootSystem
import Testing

@Suite struct BadHostsTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    /// Runs a verb, and expects that the folder is as it was.
    private func unchanged(_ arguments: String...) async throws -> Outcome {
        let before = try await scratch.snapshot()
        let argv = scratch.netroot(arguments)
        let outcome = try await run(argv, folder: scratch.path)
        #expect(try await scratch.snapshot() == before)
        return outcome
    }

    @Test(arguments: ["list", "build a", "generations a", "shell a", "installnfs a", "startnfs a", "test a"])
    func noHostsFile(verb: String) async throws {
        let words = verb.split(separator: " ").map(String.init)
        let outcome = try await run(scratch.netroot(words), folder: scratch.path)
        expectError(outcome, .usage, ["no hosts file", scratch.hosts, "--hosts"])
        #expect(try await scratch.snapshot().count == 1)
    }

    @Test func noHostsFileInTheWorkingDirectory() async throws {
        try #require(!Files.exists("/etc/netroot/hosts.conf"), "this machine has a hosts file of its own")
        let outcome = try await run([Place.netroot, "list"], folder: scratch.path)
        expectError(outcome, .usage, ["no hosts file", "hosts.conf", "/etc/netroot/hosts.conf", "--hosts"])
    }

    @Test func theHostsFileOfTheWorkingDirectoryIsFound() async throws {
        try scratch.writeHosts("a")
        let outcome = try await run([Place.netroot, "list"], folder: scratch.path)
        expectSuccess(outcome)
        #expect(outcome.output.contains("\na "))
    }

    @Test func theVariableNamesTheHostsFile() async throws {
        try scratch.writeHosts("a")
        let outcome = try await run(
            [Place.netroot, "list"], environment: ["NETROOT_HOSTS": scratch.hosts], folder: "/")
        expectSuccess(outcome)
        #expect(outcome.output.contains("\na "))
    }

    @Test(arguments: ["build", "generations", "shell", "installnfs", "startnfs", "test", "rollback"])
    func unknownLabelNamesTheNearest(verb: String) async throws {
        try scratch.writeHosts("debian12", "fedora42")
        let outcome = try await unchanged(verb, "debain12")
        expectError(outcome, .usage, [scratch.hosts, "no label 'debain12'", "did you mean 'debian12'?", "fedora42"])
    }

    @Test func unknownKeyNamesLineAndNearest() async throws {
        try scratch.write("hosts.conf", "[a]\nRECIPE = a.def\nTFTPBOT = /srv\n")
        let outcome = try await unchanged("build", "a")
        expectError(outcome, .usage, ["\(scratch.hosts):3: unknown key 'TFTPBOT'", "did you mean TFTPBOOT?"])
    }

    @Test(arguments: [
        ("[a]\nRECIPE = a.def\nRW = maybe\n", ":3: RW: 'maybe' is neither yes nor no; write Y or N"),
        ("[a]\nRECIPE = a.def\n[a]\nRECIPE = b.def\n", ":3: [a] is already in line 1"),
        ("[a]\nRW = N\n", ":1: [a] has no RECIPE"),
        ("[a]\nRECIPE = a.def\nFORMAT = squashfss\n", ":3: FORMAT: unknown format"),
        ("[a]\nRECIPE = a.def\nFORMAT = tree tree\n", ":3: FORMAT: 'tree' is named twice"),
    ])
    func badValues(text: String, expected: String) async throws {
        try scratch.write("hosts.conf", text)
        expectError(try await unchanged("list"), .usage, [scratch.hosts + expected])
    }

    @Test("Names that collide and paths that do not fit stop every verb, also of another label, before a build")
    func namesAndPaths() async throws {
        for (text, expected) in [
            ("[shell]\nRECIPE = a.def\n", ":3: the label 'shell' has the name of shell in iPXE's menu"),
            (
                "[gpu_a]\nRECIPE = a.def\nTRANSPORTS = iscsi\n[GPU-A]\nRECIPE = a.def\nTRANSPORTS = iscsi\n",
                ":6: the labels 'gpu_a' in line 3 and 'GPU-A' have the same name by iscsi"
            ),
            ("[b]\nRECIPE = a.def\nNETROOT = /srv/my roots\n", ":5: NETROOT: /srv/my roots of label 'b' has a blank"),
        ] {
            try scratch.write("hosts.conf", "[a]\nRECIPE = a.def\n" + text)
            expectError(try await unchanged("list"), .usage, [scratch.hosts + expected])
            expectError(try await unchanged("build", "a"), .usage, [scratch.hosts + expected])
        }
    }

    @Test func aBinaryHostsFile() async throws {
        try scratch.write("hosts.conf", bytes: [0x7F, 0x45, 0x4C, 0x46, 2, 1, 1, 0, 0, 0xFF, 0xFE, 0])
        expectError(try await unchanged("list"), .usage, [scratch.hosts])
    }

    @Test func aDirectoryAsHostsFile() async throws {
        try Files.makeDirectory(scratch.hosts)
        expectError(try await unchanged("list"), .failed, [scratch.hosts, "directory"])
    }
}
