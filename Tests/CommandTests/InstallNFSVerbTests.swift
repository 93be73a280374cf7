import Foundation
import NetrootStore
import NetrootSystem
import Testing

/// `installnfs`, on generations of a few bytes.
@Suite struct InstallNFSVerbTests {
    let scratch: Scratch
    var config: String { scratch.path + "/tftpboot/pxelinux.cfg/default" }

    init() throws {
        try #require(
            Files.exists("/usr/lib/PXELINUX/pxelinux.0"), "pxelinux is not installed: scripts/prepare test")
        scratch = try Scratch()
        try scratch.writeHosts("a", "a_nfs", "deb", "debian")
    }

    private func install(_ arguments: String...) async throws -> Outcome {
        let outcome = try await run(scratch.netroot(["installnfs"] + arguments), folder: scratch.path)
        expectSuccess(outcome)
        return outcome
    }

    /// The section of a label in the boot menu.
    private func section(_ label: String) throws -> String {
        let text = try Files.text(config)
        let start = try #require(text.firstRange(of: "# netroot begin \(label)\n"), "no section of \(label)")
        let end = try #require(text.firstRange(of: "# netroot end \(label)\n"))
        return String(text[start.upperBound..<end.lowerBound])
    }

    @Test func writesTheTFTPRootTheEntryAndTheExport() async throws {
        let generation = try await Fabricated.generation(of: scratch.label("a"))
        let outcome = try await install("a")
        let tftp = scratch.path + "/tftpboot"
        #expect(try Files.text(tftp + "/netroot/a/1/vmlinuz") == "kernel 1")
        #expect(try Files.text(tftp + "/netroot/a/1/initrd.img") == "initramfs 1")
        #expect(try Files.read(tftp + "/pxelinux.0") == Files.read("/usr/lib/PXELINUX/pxelinux.0"))
        #expect(try Files.text(config).contains("DEFAULT a\n"))
        let entry = try section("a")
        #expect(entry.contains("netroot/a/1/vmlinuz") && entry.contains("netroot/a/1/initrd.img"))
        #expect(entry.contains("root=nfs:10.0.2.2:\(generation.root):") && entry.contains(" rootovl"))
        let exports = scratch.path + "/netroots/a/netroot-a.exports"
        #expect(!Files.exists(exports), "netroot's own server reads no exports(5)")
        for path in [tftp + "/pxelinux.0", tftp + "/netroot/a/1/vmlinuz", config] {
            #expect(outcome.output.contains(path), "it prints what it wrote")
        }
        let kernel = try await install("a", "--server", "kernel")
        #expect(try Files.text(exports).contains("\(generation.root) *(ro,"))
        #expect(kernel.output.contains("wrote \(exports)\n"))
        #expect(try await install("a", "--server", "netroot").output.contains("removed \(exports)\n"))
        #expect(!Files.exists(exports))
    }

    /// The address of QEMU's user network goes into entries only with a word of it.
    @Test func theAddressIsToldUntilItIsGiven() async throws {
        try await Fabricated.generation(of: scratch.label("a"))
        let words = "the entries name the server 10.0.2.2, the host of QEMU's user network"
        for arguments in [["a", "--dry-run"], ["a"], ["a"]] {
            let outcome = try await run(scratch.netroot(["installnfs"] + arguments), folder: scratch.path)
            expectSuccess(outcome)
            #expect(outcome.errors.components(separatedBy: words).count == 2, "once: \(outcome.errors)")
        }
        for arguments in [["a", "--address", "[fd00:0::1]", "--dry-run"], ["a", "--address", "10.0.2.2"], ["a"]] {
            let outcome = try await run(scratch.netroot(["installnfs"] + arguments), folder: scratch.path)
            expectSuccess(outcome)
            #expect(!outcome.errors.contains("QEMU"), "\(outcome.errors)")
            #expect(
                outcome.errors.contains("the server fd00::1 is reached by IPv6") == arguments.contains("[fd00:0::1]"))
        }
    }

    @Test(arguments: [
        ("fe80::1%eth0", ["the address 'fe80::1%eth0' has a zone", "that the clients know"]),
        ("10.1.0.1:2049", ["has a port", "--port"]), ("10.1.0", ["is not an IPv4 address", "192.168.7.1"]),
    ])
    func addressesThatAreNone(address: String, words: [String]) async throws {
        try await Fabricated.generation(of: scratch.label("a"))
        let before = try await scratch.snapshot()
        expectError(try await scratch.run("installnfs", "a", "--address", address), .usage, words)
        #expect(try await scratch.snapshot() == before)
    }

    /// What would stop the machine when it boots is an error here.
    @Test func argumentsThatNoMachineBootsWith() async throws {
        for (extra, words) in [
            ("ip=dhcp ip=eno1:dhcp", ["EXTRA_CMDLINE: 'ip=dhcp' names no device", "ip=DEVICE:dhcp"]),
            ("vlan=eno1.5:eno1 vlan=eno1.6:eno1", ["leave eno1.5 and eno1.6 on top", "ip=eno1.5:dhcp"]),
        ] {
            try scratch.writeHosts("a", more: "EXTRA_CMDLINE = \(extra)")
            if try scratch.store("a").numbers().isEmpty { try await Fabricated.generation(of: scratch.label("a")) }
            expectError(try await scratch.run("installnfs", "a"), .usage, words)
        }
        try scratch.writeHosts("a", more: "EXTRA_CMDLINE = vlan=bond0.7:bond0 bond=bond0:eno1,eno2")
        _ = try await install("a")
        let entry = try section("a")
        #expect(
            entry.contains("APPEND ip=bond0.7:dhcp rd.neednet=1 rd.bootif=0 root=nfs:") && entry.contains("SYSAPPEND 0")
        )
    }

    @Test func everybodyHasToBeSaid() async throws {
        try #require(Place.isRoot, "mount namespaces need root")
        try await Fabricated.generation(of: scratch.label("a"))
        let outcome = try await scratch.run("installnfs", "a", "--server", "kernel", "--system")
        expectError(
            outcome, .usage,
            ["everybody could have the root of a from the kernel's nfsd", "--client ", "/", "--client any"])
        #expect(!Files.exists(config))
    }

    @Test func twiceChangesNothing() async throws {
        try await Fabricated.generation(of: scratch.label("a"))
        _ = try await install("a")
        // The locks name their last holder.
        let locks = ["tftpboot/.netroot.lock", "netroots/a/.lock"]
        let before = try await scratch.snapshot(except: locks)
        let second = try await install("a")
        #expect(try await scratch.snapshot(except: locks) == before)
        #expect(second.output.split(separator: "\n").allSatisfy { $0.hasPrefix("unchanged ") })
        #expect(try await install("a", "--dry-run").output == "")
    }

    @Test func aDryRunPrintsADiffAndWritesNothing() async throws {
        try await Fabricated.generation(of: scratch.label("a"))
        _ = try await install("a")
        try await Fabricated.generation(of: scratch.label("a"))
        let before = try await scratch.snapshot()
        let diff = try await install("a", "--dry-run").output
        #expect(try await scratch.snapshot() == before)
        let lines = diff.split(separator: "\n").map(String.init)
        #expect(lines.contains { $0.hasPrefix("would copy ") && $0.contains("netroot/a/2/vmlinuz") })
        #expect(lines.contains { $0.hasPrefix("-") && $0.contains("netroot/a/1/vmlinuz") })
        #expect(lines.contains { $0.hasPrefix("+") && $0.contains("netroot/a/2/vmlinuz") })
        #expect(lines.contains { $0.hasPrefix("@@ ") })
    }

    @Test(arguments: [("a", "a_nfs"), ("a_nfs", "a"), ("deb", "debian"), ("debian", "deb")])
    func labelsLeaveEachOtherAlone(one: String, other: String) async throws {
        for name in [one, other] {
            try await Fabricated.generation(of: scratch.label(name))
            _ = try await install(name)
        }
        try scratch.write(
            "tftpboot/pxelinux.cfg/default", try Files.text(config) + "# by hand\nLABEL local\n  LOCALBOOT 0\n")
        let kept = try section(other)
        let files = try await scratch.snapshot().filter { $0.contains("tftpboot/netroot/\(other)/") }
        #expect(files.count == 4)
        try await Fabricated.generation(of: scratch.label(one))
        _ = try await install(one)
        #expect(try section(other) == kept)
        #expect(try await scratch.snapshot().filter { $0.contains("tftpboot/netroot/\(other)/") } == files)
        #expect(try section(one).contains("netroot/\(one)/2/vmlinuz"))
        #expect(try Files.text(config).contains("# by hand\nLABEL local\n  LOCALBOOT 0\n"))
    }

    @Test func noDefaultLeavesTheDefaultAlone() async throws {
        for name in ["a", "deb"] { try await Fabricated.generation(of: scratch.label(name)) }
        _ = try await install("a")
        _ = try await install("deb", "--no-default")
        #expect(try Files.text(config).contains("DEFAULT a\n"))
        _ = try await install("deb")
        #expect(try Files.text(config).contains("DEFAULT deb\n"))
        #expect(!(try Files.text(config).contains("DEFAULT a\n")))
    }

    @Test func goneGenerationsArePrunedFromTheTFTPRoot() async throws {
        for _ in 1...2 {
            try await Fabricated.generation(of: scratch.label("a"))
            _ = try await install("a")
        }
        let boot = scratch.path + "/tftpboot/netroot/a"
        #expect(try Files.names(in: boot) == ["1", "2", "label.nginx"])
        _ = try await install("a", "--server", "kernel")
        #expect(try Files.text(scratch.path + "/netroots/a/netroot-a.exports").contains("generations/1/tree/root"))
        expectSuccess(try await scratch.run("gc", "a", "--keep", "1"))
        let outcome = try await install("a")
        #expect(outcome.output.contains("removed \(boot)/1"))
        #expect(try Files.names(in: boot) == ["2", "label.nginx"])
        #expect(!(try Files.text(scratch.path + "/netroots/a/netroot-a.exports").contains("generations/1/tree/root")))
    }

    @Test func withoutAGeneration() async throws {
        let before = try await scratch.snapshot()
        expectError(
            try await scratch.run("installnfs", "a"), .failed, ["a has no generation yet", "netroot build a"])
        #expect(try await scratch.snapshot() == before)
    }

    /// Its address would be lost without a word, and clients sent to QEMU's.
    @Test func optionsOfAnOlderNetrootAreNotPassedOver() async throws {
        try await Fabricated.generation(of: scratch.label("a"))
        try scratch.write("netroots/a/installnfs.json", "{\"address\": \"10.1.0.1\"}")
        expectError(
            try await scratch.run("install", "a"), .failed, ["installnfs.json is of an older netroot", "remove it"])
        _ = try await run(["/bin/rm", scratch.path + "/netroots/a/installnfs.json"], folder: scratch.path)
        expectSuccess(try await scratch.run("install", "a", "--address", "10.1.0.1"))
        #expect(try Files.text(scratch.path + "/netroots/a/install.json").contains("10.1.0.1"))
    }

    @Test func startingWhatIsNotInstalled() async throws {
        try await Fabricated.generation(of: scratch.label("a"))
        let before = try await scratch.snapshot()
        for transport in ["nfs", "nbd", "http"] {
            let outcome = try await scratch.run("start\(transport)", "a", limit: 20)
            expectError(
                outcome, .failed, ["a has no boot entry for \(transport)", "netroot install a \(transport)"])
        }
        #expect(try await scratch.snapshot() == before)
    }

    // MARK: Places that cannot be written

    @Test func aFileInPlaceOfTheTFTPRoot() async throws {
        try await Fabricated.generation(of: scratch.label("a"))
        try scratch.write("tftpboot", "a file")
        let before = try await scratch.snapshot()
        expectError(
            try await scratch.run("installnfs", "a"), .failed,
            ["TFTPBOOT \(scratch.path)/tftpboot cannot be written", "it is not a directory", "set TFTPBOOT elsewhere"])
        #expect(try await scratch.snapshot() == before)
    }

    @Test func aReadOnlyTFTPRoot() async throws {
        try #require(Place.isRoot, "mount namespaces need root")
        try await Fabricated.generation(of: scratch.label("a"))
        try Files.makeDirectory(scratch.path + "/tftpboot")
        let before = try await scratch.snapshot()
        let readOnly = Namespace.mounting(
            "mount --bind tftpboot tftpboot; mount -o remount,bind,ro \(scratch.path)/tftpboot")
        expectError(
            try await scratch.run("installnfs", "a", wrapper: readOnly), .failed,
            ["TFTPBOOT \(scratch.path)/tftpboot cannot be written", "Read-only file system"])
        #expect(try await scratch.snapshot() == before)
        expectSuccess(try await scratch.run("installnfs", "a"))
    }

    @Test func aFileInPlaceOfADirectoryBelowTheTFTPRoot() async throws {
        try await Fabricated.generation(of: scratch.label("a"))
        try scratch.write("tftpboot/pxelinux.cfg", "a file")
        let before = try await scratch.snapshot()
        let outcome = try await scratch.run("installnfs", "a")
        expectError(outcome, .failed, ["\(scratch.path)/tftpboot/pxelinux.cfg"])
        #expect(try await scratch.snapshot() == before)
    }

    // MARK: --system, over a tmpfs: the machine's own exports stay as they are

    @Test func systemPutsTheExportIntoEtcToo() async throws {
        try #require(Place.isRoot, "mount namespaces need root")
        try await Fabricated.generation(of: scratch.label("a"))
        let hadOwn = try Files.names(in: "/etc/exports.d")
        // A machine without nfs-kernel-server has no such folder; /etc is then shown through an overlay.
        let script = """
            mount -t tmpfs tmpfs /mnt; mkdir /mnt/upper /mnt/work
            mount -t overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work overlay /etc
            """
        let outcome = try await scratch.run(
            "installnfs", "a", "--server", "kernel", "--system", "--client", "10.0.0.0/24",
            wrapper: Namespace.mounting(script, after: "cat /etc/exports.d/netroot-a.exports"))
        expectSuccess(outcome)
        #expect(outcome.output.contains("wrote /etc/exports.d/netroot-a.exports\n"))
        #expect(outcome.output.contains("next: exportfs -ra\n"))
        #expect(outcome.output.contains("/netroots/a/generations/1/tree/root 10.0.0.0/24(ro,"))
        #expect(try Files.names(in: "/etc/exports.d") == hadOwn)
    }
}
