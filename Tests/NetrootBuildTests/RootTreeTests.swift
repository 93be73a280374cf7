import Foundation
import NetrootConfig
import NetrootStore
import NetrootSystem
import Testing

@testable import NetrootBuild

@Suite struct RootTreeTests {
    let folder: String
    let tree: RootTree

    init() throws {
        folder = NSTemporaryDirectory() + "netroot-tree-" + UUID().uuidString
        tree = RootTree(directory: folder + "/root")
        try Files.makeDirectory(tree.directory + "/usr/lib")
        try Files.makeDirectory(folder + "/outside")
    }

    func remove() { #expect(throws: Never.self) { try FileManager.default.removeItem(atPath: folder) } }

    func link(_ path: String, _ target: String) throws {
        try FileManager.default.createSymbolicLink(
            atPath: tree.directory + "/" + path, withDestinationPath: target)
    }

    /// A FIFO without a writer would be waited for.
    @Test(.timeLimit(.minutes(1))) func onlyRegularFilesAreRead() throws {
        defer { remove() }
        try tree.write("usr/lib/file", "text")
        try link("link", "/usr/lib/file")
        #expect(mkfifo(tree.directory + "/fifo", 0o600) == 0)
        try link("to-fifo", "fifo")
        #expect(try tree.text("link") == "text")
        for path in ["fifo", "to-fifo", "usr"] {
            #expect(throws: BuildError.badPath(path: path, reason: "it is no regular file")) { try tree.read(path) }
        }
        #expect(throws: SystemError.self) { try tree.read("missing") }
    }

    /// The host's rpm is given the directory, and knows nothing of roots.
    @Test func aDatabaseOfRPMHoldsNoSymlink() throws {
        defer { remove() }
        try tree.write("usr/lib/sysimage/rpm/rpmdb.sqlite", "")
        try tree.makeDirectory("var/lib")
        try link("var/lib/rpm", "/usr/lib/sysimage/rpm")
        #expect(try PackageList.sealed("var/lib/rpm", in: tree) == tree.directory + "/usr/lib/sysimage/rpm")
        try link("usr/lib/sysimage/rpm/rpmdb.sqlite-wal", folder + "/outside")
        let error = #expect(throws: BuildError.self) { try PackageList.sealed("var/lib/rpm", in: tree) }
        #expect(error?.description.hasPrefix("var/lib/rpm/rpmdb.sqlite-wal in the root: a symlink") == true)
    }

    @Test func symlinksAreResolvedInsideTheRoot() throws {
        defer { remove() }
        try link("lib", "usr/lib")
        try link("absolute", "/usr/lib")
        try link("escape", "../../outside")
        try link("deep", "/../../../../outside")
        #expect(try tree.resolve("lib/x") == tree.directory + "/usr/lib/x")
        #expect(try tree.resolve("/absolute/x") == tree.directory + "/usr/lib/x")
        #expect(try tree.resolve("escape/x") == tree.directory + "/outside/x")
        #expect(try tree.resolve("deep") == tree.directory + "/outside")
        #expect(try tree.resolve("../../../etc") == tree.directory + "/etc")
        #expect(try tree.resolve("/") == tree.directory)
        #expect(try tree.resolve("lib", followLast: false) == tree.directory + "/lib")
    }

    @Test func aLoopOfSymlinksIsAnError() throws {
        defer { remove() }
        try link("a", "b")
        try link("b", "a")
        #expect(throws: BuildError.self) { _ = try tree.resolve("a") }
    }

    @Test func writingReplacesASymlinkThatLeadsOutside() throws {
        defer { remove() }
        try Files.replace(folder + "/outside/file", with: Array("theirs".utf8))
        try Files.makeDirectory(tree.directory + "/etc")
        try link("etc/resolv.conf", folder + "/outside/file")
        try tree.write("etc/resolv.conf", "ours")
        #expect(try Files.text(folder + "/outside/file") == "theirs")
        #expect(try Files.text(tree.directory + "/etc/resolv.conf") == "ours")
    }

    @Test func patternsFindOnlyWhatMatches() throws {
        defer { remove() }
        for name in ["ssh_host_rsa_key", "ssh_host_rsa_key.pub", "sshd_config"] {
            try tree.write("etc/ssh/\(name)", "")
        }
        #expect(try tree.paths(matching: "etc/ssh/ssh_host_*_key") == ["etc/ssh/ssh_host_rsa_key"])
        #expect(try tree.paths(matching: "etc/nosuch/x*") == [])
    }

    @Test func installingKeepsSymlinksAndExecutables() throws {
        defer { remove() }
        let source = folder + "/source"
        try Files.makeDirectory(source + "/sub")
        try Files.replace(source + "/sub/run", with: [1], mode: 0o755)
        try Files.replaceLink(source + "/link", target: "/dev/null")
        try link("opt", "usr")
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
        defer { remove() }
        #expect(RootTree.braces(pattern) == expected)
    }

    /// glob(3) would look for `*.so` in the host's directories.
    @Test func aPatternStaysInTheRoot() throws {
        defer { remove() }
        for name in ["usr/lib/a.so", "usr/lib/b.so", "usr/lib/.c.so", "usr/lib/x"] {
            try Files.replace("\(tree.directory)/\(name)", with: [])
        }
        try Files.replace(folder + "/outside/host.so", with: [])
        try link("lib", "/usr/lib")
        try link("host", folder + "/outside")
        try link("up", "../../../../..\(folder)/outside")
        try link("dangling", "nowhere")
        #expect(try tree.glob("/lib/*.so") == ["/lib/a.so", "/lib/b.so"])
        #expect(try tree.glob("l?b/{a,x}*") == ["/lib/a.so", "/lib/x"])
        #expect(try tree.glob("usr/lib/[ab].so") == ["/usr/lib/a.so", "/usr/lib/b.so"])
        #expect(try tree.glob("/host/*") == [] && tree.glob("/up/*.so") == [])
        #expect(try tree.glob("/host/host.so") == [] && tree.glob("../../outside/*") == [])
        #expect(try tree.glob("/dang*") == ["/dangling"])
        #expect(try tree.glob("/usr/lib/x/*") == [] && tree.glob("/no/such") == [])
    }

    @Test func aDirectoryIsRemovedAndNoSymlinkFollowed() throws {
        defer { remove() }
        try Files.replace(folder + "/outside/file", with: [])
        try Files.makeDirectory(tree.directory + "/usr/lib/deep/er")
        try Files.replace(tree.directory + "/usr/lib/deep/file", with: [])
        try link("usr/lib/deep/er/out", folder + "/outside")
        try link("out", folder + "/outside")
        try tree.removeAll("usr/lib/deep")
        try tree.removeAll("out")
        try tree.removeAll("no/such/thing")
        #expect(Files.exists(folder + "/outside/file"))
        #expect(!Files.exists(tree.directory + "/usr/lib/deep") && !Files.exists(tree.directory + "/out"))
    }

    /// A root that another label was built as: its modules and configuration were of another netroot, for other transports.
    @Test func whatAnotherBuildLeftForDracutGoes() throws {
        defer { remove() }
        let shipped = ShippedFiles(directory: folder + "/shipped")
        for name in ["dracut-modules/95netroot-rootovl/module-setup.sh", "dracut-modules/netroot.conf"]
            + ["nfs", "nbd", "http"].map({ "dracut-modules/netroot-\($0).conf" })
        {
            try Files.makeDirectory(folder + "/shipped/dracut-modules/95netroot-rootovl")
            try Files.replace("\(folder)/shipped/\(name)", with: Array("new".utf8))
        }
        let modules = "usr/lib/dracut/modules.d"
        for (name, text) in [
            ("\(modules)/95netroot-rootovl/stale.sh", "old"), ("\(modules)/94netroot-gone/module-setup.sh", "old"),
            ("\(modules)/95nfs/module-setup.sh", "theirs"), ("etc/dracut.conf.d/netroot-http.conf", "old"),
            ("etc/dracut.conf.d/netroot-carrier-pigeon.conf", "old"), ("etc/dracut.conf.d/netroot.conf", "old"),
            ("etc/dracut.conf.d/site.conf", "theirs"),
        ] { try tree.write(name, text) }
        try Customise(tree: tree, shipped: shipped, transports: [.nfs, .nbd]).dracut()
        #expect(
            try tree.names(in: "etc/dracut.conf.d") == [
                "netroot-nbd.conf", "netroot-nfs.conf", "netroot.conf", "site.conf",
            ])
        #expect(try tree.names(in: modules) == ["95netroot-rootovl", "95nfs"])
        #expect(try tree.names(in: modules + "/95netroot-rootovl") == ["module-setup.sh"])
        #expect(try Files.text(tree.resolve("etc/dracut.conf.d/netroot.conf")) == "new")
        #expect(try Files.text(tree.resolve("etc/dracut.conf.d/site.conf")) == "theirs")
    }
}

@Suite struct KernelPairTests {
    @Test(arguments: [
        ("6.1.0-9-amd64", "6.1.0-10-amd64"), ("5.14.0", "6.1.0"), ("6.1.0", "6.1.0-1"), ("6.1.9", "6.1.10"),
        ("6.1.0-10-cloud-amd64", "6.12.0-1-amd64"),
    ])
    func versionsAreOrderedByNumber(_ older: String, _ newer: String) {
        #expect(KernelPair.isOlder(older, newer))
        #expect(!KernelPair.isOlder(newer, older))
        #expect(!KernelPair.isOlder(older, older))
    }
}

@Suite struct DebootstrapTests {
    func explained(_ line: String) -> BuildError? {
        let error = CommandError.failed(
            argv: ["mmdebstrap"], termination: .exited(1), lastLines: [line, "E: run_chroot failed"], log: nil)
        return Debootstrap.explained(error, recipe: "/r.def", log: "/log")
    }

    @Test func aptsWordsBecomeReasons() {
        #expect(explained("E: Unable to locate package nosuch") == .unknownPackage(name: "nosuch", recipe: "/r.def"))
        #expect(
            explained("E: Package 'gone' has no installation candidate")
                == .unknownPackage(name: "gone", recipe: "/r.def"))
        #expect(explained("Temporary failure resolving 'mirror.example.org'")?.exitStatus == .unavailable)
        #expect(explained("something else") == nil)
        let release = "The repository 'http://mirror bookwurm Release' does not have a Release file."
        #expect(
            explained("E: \(release)") == .bootstrapFailed(reason: release, recipe: "/r.def", log: "/log"))
    }
}

@Suite struct PackageListTests {
    @Test func onlyInstalledPackagesCount() {
        let text =
            "libc6:amd64\t2.36\tamd64\tinstalled\nbash\t5.2\tamd64\tinstalled\nold\t1\tall\tconfig-files\nbad line\n"
        #expect(PackageList.parse(text).map(\.name) == ["bash", "libc6"])
    }
}
