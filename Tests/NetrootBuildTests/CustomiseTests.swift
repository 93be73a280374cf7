import Glibc
import NetrootConfig
import NetrootStore
import NetrootSystem
import NetrootTree
import TestSupport
import Testing

@testable import NetrootBuild

@Suite struct CustomiseTests {
    let sample: ScratchRoot
    let tree: RootTree

    init() throws {
        sample = try ScratchRoot()
        tree = RootTree(directory: sample.root)
        try tree.makeDirectory("usr/lib")
    }

    /// The host's rpm is given the directory, and knows nothing of roots.
    @Test func aDatabaseOfRPMHoldsNoSymlink() throws {
        try tree.write("usr/lib/sysimage/rpm/rpmdb.sqlite", "")
        try tree.makeDirectory("var/lib")
        try sample.link("var/lib/rpm", "/usr/lib/sysimage/rpm")
        #expect(try PackageList.sealed("var/lib/rpm", in: tree) == tree.directory + "/usr/lib/sysimage/rpm")
        try sample.link("usr/lib/sysimage/rpm/rpmdb.sqlite-wal", sample.outside)
        let error = #expect(throws: RootPathError.self) { try PackageList.sealed("var/lib/rpm", in: tree) }
        #expect(error?.description.hasPrefix("var/lib/rpm/rpmdb.sqlite-wal in the root: a symlink") == true)
    }

    /// The unit that is laid into the root starts the program that is, and systemd finds the unit.
    @Test func theRenewerIsStartedWithTheSystem() throws {
        let program = try sample.scratch.write("netroot-lease", "program", mode: 0o600)
        let shipped = ShippedFiles(directory: Checkout.path, leaseProgram: program)
        try Customise(tree: tree, shipped: shipped, transports: ["nfs"]).run()
        let installed = sample.root + "/usr/lib/netroot/netroot-lease"
        #expect(try Files.text(installed) == "program")
        #expect(access(installed, X_OK) == 0)
        let unit = try tree.resolve("etc/systemd/system/sysinit.target.wants/netroot-lease.service")
        #expect(unit == sample.root + "/etc/systemd/system/netroot-lease.service")
        let lines = try Files.text(unit).split(separator: "\n")
        #expect(lines.contains("ExecStart=/usr/lib/netroot/netroot-lease"))
        #expect(lines.contains("ConditionDirectoryNotEmpty=/run/netroot/lease"))
    }

    /// The resolver of a root that leaves it to systemd-resolved; the host's, which bootstrap tools copy, goes.
    @Test(arguments: ["../run/systemd/resolve/stub-resolv.conf", "/run/NetworkManager/resolv.conf", "/etc/other", nil])
    func aResolverBelowRunStays(_ target: String?) throws {
        let program = try sample.scratch.write("netroot-lease", "program")
        try tree.makeDirectory("etc")
        if let target {
            try sample.link("etc/resolv.conf", target)
        } else {
            try tree.write("etc/resolv.conf", "nameserver 192.0.2.1\n")
        }
        let shipped = ShippedFiles(directory: Checkout.path, leaseProgram: program)
        try Customise(tree: tree, shipped: shipped, transports: ["nfs"]).run()
        let path = sample.root + "/etc/resolv.conf"
        if let target, target.contains("run/") {
            #expect(try Files.linkTarget(path) == target)
        } else {
            #expect(try Files.linkTarget(path) == nil)
            #expect(try Files.text(path).isEmpty)
        }
    }

    /// A root that another label was built as: its modules and configuration were of another netroot, for other transports.
    @Test func whatAnotherBuildLeftForDracutGoes() throws {
        let shipped = ShippedFiles(directory: sample.scratch.path + "/shipped")
        for name in ["dracut-modules/95netroot-rootovl/module-setup.sh", "dracut-modules/netroot.conf"]
            + ["nfs", "nbd", "http"].map({ "dracut-modules/netroot-\($0).conf" })
        {
            try sample.scratch.write("shipped/\(name)", "new")
        }
        let modules = "usr/lib/dracut/modules.d"
        for (name, text) in [
            ("\(modules)/95netroot-rootovl/stale.sh", "old"), ("\(modules)/94netroot-gone/module-setup.sh", "old"),
            ("\(modules)/95nfs/module-setup.sh", "theirs"), ("etc/dracut.conf.d/netroot-http.conf", "old"),
            ("etc/dracut.conf.d/netroot-carrier-pigeon.conf", "old"), ("etc/dracut.conf.d/netroot.conf", "old"),
            ("etc/dracut.conf.d/site.conf", "theirs"),
        ] { try tree.write(name, text) }
        try Customise(tree: tree, shipped: shipped, transports: ["nfs", "nbd"]).dracut()
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

@Suite struct DebootstrapTests {
    func explained(_ line: String) -> BuildError? {
        let error = CommandError.failed(
            argv: ["mmdebstrap"], termination: .exited(1), lastLines: [line, "E: run_chroot failed"], log: nil)
        return Debootstrap.explained(error)
    }

    @Test func aptsWordsBecomeReasons() {
        #expect(explained("E: Unable to locate package nosuch") == .unknownPackage(name: "nosuch"))
        #expect(
            explained("E: Package 'gone' has no installation candidate")
                == .unknownPackage(name: "gone"))
        #expect(explained("Temporary failure resolving 'mirror.example.org'")?.exitStatus == .unavailable)
        #expect(explained("something else") == nil)
        let release = "The repository 'http://mirror bookwurm Release' does not have a Release file."
        #expect(
            explained("E: \(release)") == .bootstrapFailed(reason: release))
    }
}

@Suite struct PackageListTests {
    @Test func onlyInstalledPackagesCount() {
        let text =
            "libc6:amd64\t2.36\tamd64\tinstalled\nbash\t5.2\tamd64\tinstalled\nold\t1\tall\tconfig-files\nbad line\n"
        #expect(PackageList.parse(text).map(\.name) == ["bash", "libc6"])
    }
}
