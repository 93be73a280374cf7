import NetrootSystem
import TestSupport
import Testing

@testable import NetrootTree

@Suite struct FileRemovalTests {
    let sample: ScratchRoot
    let tree: RootTree

    init() throws {
        sample = try ScratchRoot()
        tree = RootTree(directory: sample.root)
        for path in [
            "usr/share/doc/a/copyright", "usr/share/doc/b/README", "usr/lib/x.pyc", "usr/lib/x.py", "etc/keep",
        ] {
            try tree.write(path, "12345")
        }
    }

    private func plan(_ patterns: String...) throws -> FileRemoval.Plan {
        try FileRemoval(of: tree, patterns: patterns).plan()
    }

    @Test("What is meant goes with all below it, once, and a pattern within another is not without a match")
    func removal() throws {
        let removal = FileRemoval(of: tree, patterns: ["/usr/share/doc/**", "**/*.pyc", "/usr/share/doc/a/c*"])
        let made = try removal.plan()
        #expect(made.unmatched == [])
        #expect(made.files == 5 && made.bytes == 15, "two directories and three files")
        #expect(
            made.tops.map { String(decoding: $0.path, as: UTF8.self) }.sorted() == [
                "usr/lib/x.pyc", "usr/share/doc/a", "usr/share/doc/b",
            ])
        try removal.run(made)
        #expect(try tree.names(in: "usr/share/doc") == [])
        #expect(try tree.names(in: "usr/lib") == ["x.py"])
        #expect(try tree.text("etc/keep") == "12345")
        #expect(try plan("/usr/share/doc", "/nothing/*", "/usr/share/doc/a").unmatched == [1, 2])
    }

    @Test("A symlink is removed, and what it leads to stays, in the root and outside of it")
    func symlinks() throws {
        try sample.scratch.write("outside/theirs", "theirs")
        try sample.link("etc/out", sample.outside)
        try sample.link("etc/in", "/usr/share")
        #expect(try plan("/etc/out/*", "/etc/in/doc/**").unmatched == [0, 1])
        let removal = FileRemoval(of: tree, patterns: ["/etc/*"])
        try removal.run(try removal.plan())
        #expect(try tree.names(in: "etc") == [])
        #expect(try Files.text(sample.outside + "/theirs") == "theirs")
        #expect(try tree.text("usr/share/doc/a/copyright") == "12345")
    }

    @Test("Names that are no text are removed, and hard links are counted once")
    func names() async throws {
        _ = try await CommandRunner().capture(
            Command(["sh", "-c", #"cd "$1" && touch "bad$(printf '\377')" && ln etc/keep etc/kept"#, "sh", sample.root])
        )
        let removal = FileRemoval(of: tree, patterns: ["/bad*", "/etc/k*"])
        let plan = try removal.plan()
        #expect(plan.files == 3 && plan.bytes == 5)
        try removal.run(plan)
        #expect(try tree.names(in: "/") == ["etc", "usr"])
    }

    @Test("What would take a path away is found, also by a symlink on the way to it or a directory above it")
    func taking() throws {
        try tree.write("usr/lib/systemd/systemd", "init")
        try tree.makeDirectory("usr/sbin")
        try sample.link("sbin", "usr/sbin")
        try sample.link("usr/sbin/init", "../lib/systemd/systemd")
        let way = try tree.way(to: "sbin/init")
        for pattern in ["/sbin", "/usr/sbin/*", "/usr/lib/systemd", "/usr/lib/systemd/**", "/usr", "/usr/sbin/init"] {
            #expect(try plan(pattern).taking(anyOf: way) != nil, "\(pattern)")
        }
        for pattern in ["/usr/share", "/usr/lib/x.py", "/etc"] {
            #expect(try plan(pattern).taking(anyOf: way) == nil, "\(pattern)")
        }
        #expect(try plan("/usr/lib/systemd/**").reaches(into: ["usr/lib/systemd"]))
        #expect(try !plan("/usr/share").reaches(into: ["usr/lib"]))
        // In circles: no end that could be kept, and no end of the search either.
        try sample.link("loop", "loop2")
        try sample.link("loop2", "loop")
        #expect(throws: RootPathError.self) { try tree.way(to: "loop/x") }
    }
}
