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

    /// Not even of an earlier build, whose transports were others.
    @Test func aRootInRAMAloneHasNothingForDracut() throws {
        let program = try sample.scratch.write("netroot-lease", "program")
        let shipped = ShippedFiles(directory: Checkout.path, leaseProgram: program)
        func names() throws -> [String] {
            try tree.names(in: "usr/lib/dracut/modules.d") + tree.names(in: "etc/dracut.conf.d")
        }
        try Customise(tree: tree, shipped: shipped, transports: ["nfs"]).run()
        #expect(try names().contains("95netroot-rootovl") && names().contains("netroot-nfs.conf"))
        try tree.remove("usr/lib/netroot/netroot-lease")
        try Customise(tree: tree, shipped: shipped, transports: []).run()
        #expect(try names().isEmpty)
        #expect(!(try tree.contains("usr/lib/netroot/netroot-lease")))
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

@Suite struct PackageListTests {
    @Test func onlyInstalledPackagesCount() {
        let text =
            "libc6:amd64\t2.36\tamd64\tinstalled\nbash\t5.2\tamd64\tinstalled\nold\t1\tall\tconfig-files\nbad line\n"
        #expect(PackageList.parse(text).map(\.name) == ["bash", "libc6"])
    }
}

@Suite struct IdentitiesTests {
    private let sample: ScratchRoot
    private let identities: Identities

    init() throws {
        sample = try ScratchRoot()
        identities = Identities(
            tree: RootTree(directory: sample.root), list: Checkout.path + "/root-files/removed-paths",
            allowed: PathPatterns(["/etc/ssh/ssh_host_rsa_key"]), hostName: "builder")
    }

    @Test(
        "A mail name goes if it is the building host's",
        arguments: [
            ("builder\n", true), ("builder.example.org\n", true), ("builder2\n", false), ("localhost\n", true),
            ("localhost.localdomain\n", true), ("", false),
        ])
    func mailName(_ text: String, _ goes: Bool) throws {
        try identities.tree.write("etc/mailname", text)
        #expect(try identities.present() == (goes ? ["etc/mailname"] : []))
        var unnamed = identities
        unnamed.hostName = ""
        #expect(try unnamed.present().isEmpty == !text.hasPrefix("localhost"))
    }

    @Test("The configuration of popularity-contest goes if it has the ID of a host")
    func popularityContest() throws {
        try identities.tree.write("etc/popularity-contest.conf", "PARTICIPATE=no\n")
        #expect(try identities.present().isEmpty)
        try identities.tree.write("etc/popularity-contest.conf", "# x\nMY_HOSTID=\"0a\"\nPARTICIPATE=no\n")
        #expect(try identities.present() == ["etc/popularity-contest.conf"])
    }

    @Test("Each pattern of the list finds its file, and what is allowed stays")
    func theList() throws {
        let gone = [
            "etc/hostname", "etc/ssh/ssh_host_ed25519_key", "etc/ssh/ssh_host_ed25519_key.pub", "etc/rndc.key",
            "etc/dropbear/dropbear_rsa_host_key", "etc/dropbear/initramfs/dropbear_rsa_host_key", "etc/bind/rndc.key",
            "etc/dropbear-initramfs/dropbear_rsa_host_key", "etc/nvme/hostnqn", "etc/nvme/hostid",
            "var/lib/dbus/machine-id", "var/lib/systemd/random-seed", "var/lib/systemd/credential.secret",
            "var/lib/dhcp/dhclient.eth0.leases", "var/lib/dhclient/dhclient.lease", "var/lib/dhcpcd/duid",
            "var/lib/NetworkManager/secret_key", "var/lib/NetworkManager/internal-x-eth0.lease",
            "etc/udev/rules.d/70-persistent-net.rules", "var/lib/cloud/instances/i-1/user-data.txt",
            "var/lib/dkms/mok.key", "etc/pacman.d/gnupg/private-keys-v1.d/0A.key", "etc/gshadow-",
            "etc/xrdp/rsakeys.ini", "etc/pki/tls/private/postfix.key", "etc/pki/tls/certs/postfix.pem",
            "var/lib/rabbitmq/.erlang.cookie", "root/.wget-hsts", "home/a/.bash_history", "home/b/.viminfo",
            "root/.local/state/python_history",
        ]
        let kept = [
            "etc/ssh/ssh_host_rsa_key", "etc/ssh/sshd_config", "etc/dropbear/log", "etc/shadow", "root/.bashrc",
            "var/lib/systemd/timers/x", "etc/pacman.d/gnupg/pubring.gpg",
        ]
        for path in gone + kept { try identities.tree.write(path, "x") }
        let removed = try identities.remove(keeping: ["etc/hostname"])
        for path in gone { #expect(try identities.tree.contains(path) == (path == "etc/hostname"), "\(path)") }
        for path in kept { #expect(try identities.tree.contains(path), "\(path)") }
        #expect(removed.contains("var/lib/cloud/instances") && !removed.contains("etc/hostname"))
        #expect(try identities.present() == ["etc/hostname"])
        #expect(try identities.allowedToStay() == ["etc/ssh/ssh_host_rsa_key"])
    }

    /// The unit that makes them again is wanted at boot, and its program is there.
    @Test("What netroot makes again at boot has a unit that is started before the services")
    func theUnit() throws {
        let tree = RootTree(directory: Checkout.path + "/root-files/tree")
        let unit = try tree.text("etc/systemd/system/basic.target.wants/netroot-identity.service")
        #expect(unit.contains("\nExecStart=/usr/lib/netroot/make-identity\n"))
        #expect(unit.contains("\nBefore=basic.target "))
        #expect(access(try tree.resolve("usr/lib/netroot/make-identity"), X_OK) == 0)
    }

    @Test("What the list removes of xrdp and of Fedora's postfix, make-identity makes again")
    func whatIsMadeAgain() throws {
        let tree = RootTree(directory: Checkout.path + "/root-files/tree")
        let script = try tree.text("usr/lib/netroot/make-identity")
        for line in ["xrdp-keygen xrdp $key", "certificate $key /etc/pki/tls/certs/postfix.pem"] {
            #expect(script.contains(line), "\(line)")
        }
        let unit = try tree.text("etc/systemd/system/netroot-identity.service")
        #expect(unit.contains("\nConditionPathExists=|/etc/xrdp\n"))
    }
}
