import Glibc
import NetrootSystem
import TestSupport
import Testing

@testable import NetrootTree

@Suite struct RootTreeTests {
    let sample: ScratchRoot
    let tree: RootTree

    init() throws {
        sample = try ScratchRoot()
        tree = RootTree(directory: sample.root)
        try tree.makeDirectory("usr/lib")
    }

    /// A FIFO without a writer would be waited for.
    @Test(.timeLimit(.minutes(1))) func onlyRegularFilesAreRead() throws {
        try tree.write("usr/lib/file", "text")
        try sample.link("link", "/usr/lib/file")
        #expect(mkfifo(tree.directory + "/fifo", 0o600) == 0)
        try sample.link("to-fifo", "fifo")
        #expect(try tree.text("link") == "text")
        for path in ["fifo", "to-fifo", "usr"] {
            #expect(throws: RootPathError(path: path, reason: "it is not a regular file")) { try tree.read(path) }
        }
        #expect(throws: SystemError.self) { try tree.read("missing") }
    }

    @Test func symlinksAreResolvedInsideTheRoot() throws {
        try sample.link("lib", "usr/lib")
        try sample.link("absolute", "/usr/lib")
        try sample.link("escape", "../../outside")
        try sample.link("deep", "/../../../../outside")
        #expect(try tree.resolve("lib/x") == tree.directory + "/usr/lib/x")
        #expect(try tree.resolve("/absolute/x") == tree.directory + "/usr/lib/x")
        #expect(try tree.resolve("escape/x") == tree.directory + "/outside/x")
        #expect(try tree.resolve("deep") == tree.directory + "/outside")
        #expect(try tree.resolve("../../../etc") == tree.directory + "/etc")
        #expect(try tree.resolve("/") == tree.directory)
        #expect(try tree.resolve("lib", followLast: false) == tree.directory + "/lib")
    }

    /// A symlink that dangles is one to a directory to come; the chroot would make it there, too.
    @Test func directoriesAreMadeWhereSymlinksLead() throws {
        try sample.link("dangling", "/var/made/../deep")
        try sample.link("up", "../../outside/new")
        try tree.write("dangling/file", "x")
        try tree.write("up/file", "x")
        try tree.makeDirectory("/usr/a/../b/./c")
        try tree.link("/dangling/deeper/link", to: sample.scratch.path + "/outside")
        #expect(try tree.text("/var/deep/file") == "x" && tree.text("outside/new/file") == "x")
        #expect(Files.isDirectory(tree.directory + "/usr/b/c") && Files.isDirectory(tree.directory + "/usr/a"))
        #expect(try Files.linkTarget(tree.directory + "/var/deep/deeper/link") == sample.scratch.path + "/outside")
        #expect(try Files.names(in: sample.scratch.path + "/outside") == [])
        #expect(throws: SystemError.self) { try tree.write("/var/deep/file/below", "x") }
    }

    @Test func aRootThatIsNotThereHoldsNothing() throws {
        let tree = RootTree(directory: sample.scratch.path + "/new")
        #expect(try !tree.contains("x") && tree.names(in: "/") == [] && tree.glob("/*") == [])
        try tree.remove("x")
        try tree.removeAll("x/y")
        #expect(!Files.exists(sample.scratch.path + "/new"))
        try tree.write("x/y", "text")
        #expect(try tree.text("x/y") == "text")
    }

    @Test func aLoopOfSymlinksIsAnError() throws {
        try sample.link("a", "b")
        try sample.link("b", "a")
        #expect(throws: RootPathError.self) { _ = try tree.resolve("a") }
        for path in ["a", "a/x", "b/../x"] {
            #expect(throws: RootPathError(path: path, reason: "too many symlinks")) { _ = try tree.contains(path) }
        }
        #expect(throws: RootPathError.self) { try tree.write("a/x", "") }
    }

    @Test func writingReplacesASymlinkThatLeadsOutside() throws {
        try Files.replace(sample.outside + "/file", with: Array("theirs".utf8))
        try Files.makeDirectory(tree.directory + "/etc")
        try sample.link("etc/resolv.conf", sample.outside + "/file")
        try tree.write("etc/resolv.conf", "ours")
        #expect(try Files.text(sample.outside + "/file") == "theirs")
        #expect(try Files.text(tree.directory + "/etc/resolv.conf") == "ours")
    }

    @Test func patternsFindOnlyWhatMatches() throws {
        for name in ["ssh_host_rsa_key", "ssh_host_rsa_key.pub", "sshd_config"] {
            try tree.write("etc/ssh/\(name)", "")
        }
        #expect(try tree.paths(matching: "etc/ssh/ssh_host_*_key") == ["etc/ssh/ssh_host_rsa_key"])
        #expect(try tree.paths(matching: "etc/nosuch/x*") == [])
        try tree.write("vmlinuz.old", "")
        #expect(try tree.paths(matching: "/vmlinuz*") == ["/vmlinuz.old"])
    }

    @Test func installingKeepsSymlinksAndExecutables() throws {
        let source = sample.scratch.path + "/source"
        try Files.makeDirectory(source + "/sub")
        try Files.replace(source + "/sub/run", with: [1], mode: 0o755)
        try Files.replaceLink(source + "/link", target: "/dev/null")
        try sample.link("opt", "usr")
        try tree.install(source, at: "/opt/x")
        #expect(try Files.linkTarget(tree.directory + "/usr/x/link") == "/dev/null")
        #expect(access(tree.directory + "/usr/x/sub/run", X_OK) == 0)
    }

    @Test(arguments: [
        ("plain", ["plain"]), ("a{b,c}d", ["abd", "acd"]), ("a{b,c{d,e}}", ["ab", "acd", "ace"]),
        ("{a,b}{1,2}", ["a1", "a2", "b1", "b2"]), ("a{b", ["a{b"]), ("a}b", ["a}b"]), ("{}", ["{}"]),
        ("x{,y}", ["x", "xy"]),
        ("{a", ["{a"]), ("{{a,b}", ["{a", "{b"]), ("{a}", ["a"]),
    ])
    func bracesStandForSeveralPatterns(pattern: String, expected: [String]) {
        #expect(RootTree.braces(pattern) == expected)
    }

    /// glob(3) would look for `*.so` in the host's directories.
    @Test func aPatternStaysInTheRoot() throws {
        for name in ["usr/lib/a.so", "usr/lib/b.so", "usr/lib/.c.so", "usr/lib/x"] {
            try Files.replace("\(tree.directory)/\(name)", with: [])
        }
        try Files.replace(sample.outside + "/host.so", with: [])
        try sample.link("lib", "/usr/lib")
        try sample.link("host", sample.outside)
        try sample.link("up", "../../../../..\(sample.outside)")
        try sample.link("dangling", "nowhere")
        #expect(try tree.glob("/lib/*.so") == ["/lib/a.so", "/lib/b.so"])
        #expect(try tree.glob("l?b/{a,x}*") == ["/lib/a.so", "/lib/x"])
        #expect(try tree.glob("usr/lib/[ab].so") == ["/usr/lib/a.so", "/usr/lib/b.so"])
        #expect(try tree.glob("/host/*") == [] && tree.glob("/up/*.so") == [])
        #expect(try tree.glob("/host/host.so") == [] && tree.glob("../../outside/*") == [])
        #expect(try tree.glob("/dang*") == ["/dangling"])
        #expect(try tree.glob("/usr/lib/x/*") == [] && tree.glob("/no/such") == [])
    }

    @Test func aDirectoryIsRemovedAndNoSymlinkFollowed() throws {
        try Files.replace(sample.outside + "/file", with: [])
        try Files.makeDirectory(tree.directory + "/usr/lib/deep/er")
        try Files.replace(tree.directory + "/usr/lib/deep/file", with: [])
        try sample.link("usr/lib/deep/er/out", sample.outside)
        try sample.link("out", sample.outside)
        try tree.removeAll("usr/lib/deep")
        try tree.removeAll("out")
        try tree.removeAll("no/such/thing")
        #expect(Files.exists(sample.outside + "/file"))
        #expect(!Files.exists(tree.directory + "/usr/lib/deep") && !Files.exists(tree.directory + "/out"))
    }
}
