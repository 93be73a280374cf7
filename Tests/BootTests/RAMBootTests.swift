import Foundation
import NetrootSystem
import TestSupport
import Testing

@testable import NetrootRun

/// The rescue system of Debian 12, from RAM alone.
extension BootTests {
    static let ramChecks: Set<String> = [
        "networkDriver", "rootInRAM", "noNetworkFilesystem", "noDisk", "keysOnly", "passwordRefused", "clock",
        "hostClock", "dns", "writable", "multiUser", "noFailedUnits", "ordinaryUser", "fileCapabilities", "login",
        "ssh",
        "sshUser", "hostname", "resolver", "defaultRoute", "goneAfterReboot",
    ]

    /// One whole label for all of these tests.
    static let rescue = Task { try await makeRescue() }

    private static func makeRescue() async throws -> Site {
        let recipe = Checkout.path + "/recipes/debian12-rescue.def"
        try #require(Files.exists(recipe), "recipes/debian12-rescue.def is not there")
        var site = Site(netroot: Checkout.path + "/.build/release/netroot", folder: "/var/tmp/netroot-boot-tests")
        try Files.makeDirectory(site.folder)
        site.hostsName = "rescue.conf"
        let disks = try await RescueDisks.make(in: site.folder + "/disks")
        // What is shipped is what is tested; to build it into a label without a card's driver its root is needed, too.
        let shipped = try section("debian12-rescue", of: Checkout.path + "/hosts.conf")
            .replacing("RECIPE = recipes/", with: "RECIPE = \(Checkout.path)/recipes/")
        let settings = shipped.replacing("FORMAT = initramfs\n", with: "FORMAT = squashfs initramfs\n")
        try #require(settings != shipped)
        try Files.replace(
            site.folder + "/no-network.def", with: Array("Bootstrap: localimage\nFrom: label:debian12-rescue\n".utf8))
        try Files.replace(
            site.hosts,
            with: Array(
                """
                [DEFAULT]
                NETROOT = \(site.folder)/netroots/${label}
                TFTPBOOT = \(site.folder)/tftpboot-rescue
                \(settings)
                EXTRA_QEMU = \(disks.arguments)
                [no-network]
                RECIPE = no-network.def
                FORMAT = initramfs
                TRANSPORTS = ram
                KERNEL_MODULES = default -virtio_net
                VM_MEMORY = 448

                """.utf8))
        try await site.run("build", "debian12-rescue", "--if-changed")
        return site
    }

    /// A label's section of a hosts file, without comments and blank lines.
    private static func section(_ label: String, of path: String) throws -> String {
        let lines = try Files.text(path).split(separator: "\n").filter { !$0.hasPrefix("#") }
        let start = try #require(lines.firstIndex(of: "[\(label)]"))
        let rest = lines[(start + 1)...].prefix { !$0.hasPrefix("[") }
        return ([lines[start]] + rest).joined(separator: "\n")
    }

    @Test func theShippedArchiveIsSmall() async throws {
        let site = try await Self.rescue.value
        let bytes = try Files.size("\(site.folder)/netroots/debian12-rescue/current/rescue.cpio.zst")
        #expect(bytes <= 100 << 20, "\(bytes)")
    }

    /// By TFTP and HTTP with iPXE, and by OVMF with GRUB.
    @Test(.timeLimit(.minutes(20))) func allWaysPass() async throws {
        let site = try await Self.rescue.value
        let rows = try await site.testAll("debian12-rescue")
        #expect(rows.map { "\($0.transport) \($0.form) \($0.firmware)" } == ["ram rescue bios", "ram rescue uefi"])
        #expect(rows.compactMap(\.report?.loader) == ["ipxe", "grub"])
        for report in rows.compactMap(\.report) { try await expectRescue(report, site) }
    }

    /// QEMU's -kernel, and a loader that `--all` has not.
    @Test(
        .timeLimit(.minutes(12)), arguments: ["direct", "pxelinux"])
    func theRescueSystemPasses(loader: String) async throws {
        let site = try await Self.rescue.value
        let (report, status) = try await site.test("debian12-rescue", "--transport", "ram", "--loader", loader)
        #expect(status == 0 && report.loader == loader)
        try await expectRescue(report, site)
    }

    private func expectRescue(_ report: TestReport, _ site: Site) async throws {
        #expect(report.failures == [] && report.passed)
        #expect(Set(report.checks.map(\.name)).isSuperset(of: Self.ramChecks))
        #expect(report.transport == "ram" && report.form == "rescue")
        let ram = try #require(report.bytes["ram"])
        let free = try #require(report.bytes["free"])
        #expect(ram > 10 << 20 && free > 10 << 20 && ram + free < 448 << 20)
        print("debian12-rescue \(report.firmware) \(report.loader): \(report.seconds) \(report.bytes)")
        try await site.expectNothingLeft("debian12-rescue", sshPort: 2223)
        #expect(!Files.exists("\(site.folder)/netroots/debian12-rescue/.machine-initramfs"))
    }

    /// The image is all there, and a cut one is not booted.
    @Test(.timeLimit(.minutes(8)))
    func tooLittleRAMIsToldAndNotWaitedFor() async throws {
        let site = try await Self.rescue.value
        let small = site.folder + "/rescue-small.conf"
        let text = try Files.text(site.hosts).replacing("VM_MEMORY = 448", with: "VM_MEMORY = 256")
        try Files.replace(small, with: Array(text.utf8))
        var other = site
        other.hostsName = "rescue-small.conf"
        let start = ContinuousClock.now
        let (report, status) = try await other.test("debian12-rescue", "--loader", "direct")
        #expect(status == 1)
        #expect(report.failures.contains { $0.contains("too little RAM: needs") }, "\(report.failures)")
        #expect(ContinuousClock.now - start < .seconds(150))
    }

    @Test(.timeLimit(.minutes(12)))
    func aMachineWithoutANetworkSaysWhichDriverItLacks() async throws {
        let site = try await Self.rescue.value
        try await site.run("build", "no-network", "--if-changed")
        let (report, status) = try await site.test("no-network", "--loader", "direct")
        #expect(status == 1)
        #expect(
            report.failures == ["networkDriver: the machine lacks a driver for PCI 1af4:1000 (virtio_net)"],
            "\(report.failures)")
    }

    /// From a running system into the rescue system by kexec, with another side-load.
    @Test(.timeLimit(.minutes(15)))
    func kexecLeadsIntoTheRescueSystem() async throws {
        let site = try await Self.rescue.value
        let login = try await SideLoadLogin.make(site, "kexec", names: ["first", "second"], port: 2225)
        // The machine holds the files, and kexec two copies of them.
        var large = site
        large.hostsName = "rescue-large.conf"
        let text = try Files.text(site.hosts).replacing("VM_MEMORY = 448", with: "VM_MEMORY = 1536")
        try Files.replace(large.hosts, with: Array(text.utf8))
        try await large.run("install", "debian12-rescue")
        let machine = Daemon(
            large.command([
                "start", "debian12-rescue", "ram", "--headless", "--loader", "direct", "--ssh-port", "\(login.port)",
                "--sideload", login.archive("first"),
            ]), name: "start", log: login.folder + "/start.log")
        do {
            try await expectKexec(login, site)
        } catch {
            await machine.stop()
            throw error
        }
        await machine.stop()
    }

    /// With the commands of docs/rescue.md's first page.
    private func expectKexec(_ login: SideLoadLogin, _ site: Site) async throws {
        let before = try await login.waited("first", SideLoadLogin.state).split(separator: "\n")
        #expect(before.dropFirst() == ["first", "overlay"])
        #expect(try await login.hasThePassword("first"))
        let generation = site.folder + "/netroots/debian12-rescue/current"
        let whole = login.folder + "/whole"
        try await site.sideload("join", generation + "/rescue.cpio.zst", login.archive("second"), "-o", whole)
        try await CommandRunner().run(
            Command(
                ["scp", "-q", "-P", "\(login.port)"] + login.options("first")
                    + [generation + "/vmlinuz", whole, "root@127.0.0.1:/root/"]))
        let arguments = "ro rootovlsize=50% console=tty0 console=ttyS0,115200n8 mitigations=off norandmaps"
        _ = try await login.ssh(
            "first", "kexec -c -l /root/vmlinuz --initrd=/root/whole --command-line='\(arguments)'")
        // The connection ends with the system.
        _ = try await login.ssh("first", "systemd-run --on-active=1 --timer-property=AccuracySec=100ms kexec -e")
        let after = try await login.waited("second", SideLoadLogin.state).split(separator: "\n")
        #expect(after.dropFirst() == ["second", "overlay"])
        #expect(after.first != before.first, "the same boot")
        await #expect(throws: CommandError.self, "the first key") { _ = try await login.ssh("first", "true") }
        #expect(try await login.ssh("second", "systemctl is-system-running --wait || true") == "running\n")
    }

    /// `install LABEL grub` beside a GRUB on a disk, which finds the files below /boot.
    @Test(.timeLimit(.minutes(10)))
    func grubBootsTheEntry() async throws {
        let site = try await Self.rescue.value
        let login = try await SideLoadLogin.make(site, "grub-once", names: ["once"], port: 2226)
        let disk = login.folder + "/disk"
        for directory in ["boot/grub", "EFI/BOOT"] { try Files.makeDirectory("\(disk)/\(directory)") }
        // As grub-reboot leaves it for 00_header, and as 41_custom reads custom.cfg.
        let config = """
            set timeout=0
            set default=netroot-debian12-rescue
            menuentry 'Disk' { halt }
            if [ -f ${config_directory}/custom.cfg ]; then
                source ${config_directory}/custom.cfg
            elif [ -z "${config_directory}" -a -f $prefix/custom.cfg ]; then
                source $prefix/custom.cfg
            fi

            """
        try Files.replace(disk + "/boot/grub/grub.cfg", with: Array(config.utf8))
        let early =
            "search --file --set=root /boot/grub/grub.cfg\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n"
        try Files.replace(login.folder + "/early.cfg", with: Array(early.utf8))
        try await CommandRunner().run(
            Command(
                [
                    "grub-mkimage", "-O", "x86_64-efi", "-p", "/boot/grub", "-c", login.folder + "/early.cfg", "-o",
                    disk + "/EFI/BOOT/BOOTX64.EFI",
                ]
                    + [
                        "normal", "configfile", "linux", "test", "search", "search_fs_file", "part_msdos", "fat",
                        "halt", "echo", "sleep", "reboot",
                    ]))
        let printed = try await site.run(
            "install", "debian12-rescue", "grub", "--boot", disk + "/boot", "--append", login.archive("once"))
        #expect(printed.contains("next: grub-reboot --boot-directory="))
        let ovmf = OVMF()
        try ovmf.copyVariables(to: login.folder + "/ovmf-vars.fd")
        let machine = Machine(
            memory: 448, cards: [.user(tftp: disk, bootFile: "", sshPort: login.port)],
            uefi: (ovmf.code, login.folder + "/ovmf-vars.fd"), consoleLog: login.folder + "/console.log",
            terminal: false,
            extra: [
                "-drive", "file=fat:\(disk),format=raw,if=none,id=disk,readonly=on", "-device",
                "virtio-blk-pci,drive=disk,bootindex=0",
            ], kvm: try Machine.canUseKVM())
        let qemu = Daemon(Command(machine.argv), name: "qemu", log: login.folder + "/qemu.log")
        let state: String
        do {
            state = try await login.waited("once", SideLoadLogin.state)
            #expect(try await login.hasThePassword("once"))
        } catch {
            await qemu.stop()
            throw error
        }
        await qemu.stop()
        #expect(state.split(separator: "\n").dropFirst() == ["once", "overlay"])
        try await site.run("install", "debian12-rescue", "grub", "--boot", disk + "/boot", "--remove")
        #expect(try Files.names(in: disk + "/boot") == ["grub"])
        #expect(try Files.names(in: disk + "/boot/grub") == ["grub.cfg"])
    }
}
