import Foundation
import NetrootSystem
import Testing

/// Real boots: QEMU, PXE firmware, netroot's servers; the guest decides. One at a time.
@Suite(
    .serialized,
    .enabled(if: ProcessInfo.processInfo.environment["NETROOT_BOOT_TESTS"] == "1", "NETROOT_BOOT_TESTS is not 1"))
struct BootTests {
    static let checks: Set<String> = [
        "overlay", "lowerReadOnly", "upperTmpfs", "writable", "multiUser", "noFailedUnits", "ordinaryUser",
        "fileCapabilities", "login", "ssh", "sshUser", "hostname", "resolver", "defaultRoute", "goneAfterReboot",
        "servedTree",
    ]

    @Test(.timeLimit(.minutes(12)), arguments: ["debian12", "debian13"])
    func shippedLabelsPass(_ label: String) async throws {
        let site = try await Site.shared.value
        let (report, status) = try await site.test(label, "--loader", "pxelinux")
        #expect(report.failures == [])
        #expect(report.passed)
        #expect(status == 0)
        #expect(Set(report.checks.map(\.name)).isSuperset(of: Self.checks))
        #expect(report.transport == "nfs" && report.firmware == "bios")
        // NFS loses them: without the list and setcap this would be the check of a root without such files.
        let capabilities = try #require(report.checks.first { $0.name == "fileCapabilities" })
        #expect(!capabilities.detail.contains("no file with capabilities"), "\(capabilities.detail)")
        // Debian 13 lets everybody ping by net.ipv4.ping_group_range.
        #expect(
            label != "debian12" || capabilities.detail.contains("ping was run as uid 65534"), "\(capabilities.detail)")
        let seconds = report.seconds
        let kernel = try #require(seconds["kernel"])
        let root = try #require(seconds["root"])
        let multiUser = try #require(seconds["multiUser"])
        let ssh = try #require(seconds["ssh"])
        #expect(kernel > 0 && kernel < root && root < multiUser && ssh > root)
        #expect(try #require(report.bytes["tftp"]) > 10 << 20)
        #expect(try #require(report.bytes["root"]) > 10 << 20)
        print("\(label): \(seconds) \(report.bytes)")
        try await site.expectNothingLeft(label, sshPort: 2223)
    }

    @Test(.timeLimit(.minutes(8)))
    func aTerminalGetsALoginAndCtrlCLeavesNothing() async throws {
        let site = try await Site.shared.value
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/console.exp"
        let log = site.folder + "/expect.log"
        let argv = site.command(["startnfs", "debian12", "--ssh-port", "2224"]).argv
        let status = try await CommandRunner(log: log).statusOf(Command(["expect", "-f", script, "2224"] + argv))
        #expect(status == 0, "see \(log)")
        try await site.expectNothingLeft("debian12", sshPort: 2224)
    }

    @Test(.timeLimit(.minutes(8)))
    func aFailingUnitIsNamed() async throws {
        let site = try await Site.shared.value
        let unit = "[Unit]\\nDescription=broken\\n[Service]\\nType=oneshot\\nExecStart=/bin/false\\n"
        try await site.run(
            "shell", "debian12", "--", "sh", "-ec",
            "printf '\(unit)[Install]\\nWantedBy=multi-user.target\\n' > /etc/systemd/system/broken.service; "
                + "systemctl enable broken.service")
        try await site.run("installnfs", "debian12")
        let (report, status) = try await site.test("debian12")
        try await restore(site)
        #expect(status == 1)
        let failure = report.checks.first { $0.name == "noFailedUnits" }
        #expect(failure?.passed == false)
        #expect(failure?.detail.contains("broken.service") == true)
        let console = try #require(report.console)
        #expect(try Files.text(console).contains("Linux version"))
    }

    @Test(.timeLimit(.minutes(8)))
    func aRootWithoutInitIsRecognised() async throws {
        let site = try await Site.shared.value
        try await site.run(
            "shell", "debian12", "--", "rm", "/usr/sbin/init", "/usr/lib/systemd/systemd")
        try await site.run("installnfs", "debian12")
        let (report, status) = try await site.test("debian12", "--timeout", "180")
        try await restore(site)
        #expect(status == 1)
        #expect(report.failures.count == 1)
        let reason = report.failures.first ?? ""
        #expect(reason.contains("init"), "the reason: \(reason)")
        #expect(!reason.contains("within 180 s"), "only the deadline ended it: \(reason)")
    }

    @Test(.timeLimit(.minutes(8)))
    func aMissingOverlayModuleIsRecognised() async throws {
        let site = try await Site.shared.value
        let initramfs = try #require(try await installedInitramfs(site))
        let kernel = try await site.run("list", "--json")
        let version = try #require(kernel.firstMatch(of: /"kernel" : "([^"]+)"/)?.output.1)
        // A later archive replaces earlier files: the module becomes an empty file, which modprobe refuses.
        let module = "usr/lib/modules/\(version)/kernel/fs/overlayfs/overlay.ko"
        let staging = site.folder + "/no-overlay"
        try await run(["rm", "-rf", staging])
        try Files.makeDirectory(staging + "/usr/lib/modules/\(version)/kernel/fs/overlayfs")
        try Files.replace("\(staging)/\(module)", with: [])
        try await run([
            "sh", "-ec",
            "cd \(staging) && echo \(module) | cpio --quiet -o -H newc > ../no-overlay.cpio && "
                + "cp \(initramfs) ../whole.img && "
                // The kernel wants an archive that is not compressed to begin at a multiple of 4 bytes.
                + "truncate -s %512 ../whole.img && cat ../no-overlay.cpio >> ../whole.img && "
                + "cp ../whole.img \(initramfs)",
        ])
        let (report, status) = try await site.test("debian12", "--timeout", "180")
        // Installing again mends what differs from the generation.
        let mended = try await site.run("installnfs", "debian12")
        #expect(mended.contains("copied \(initramfs)"))
        #expect(status == 1)
        #expect(report.failures.first?.contains("rootovl: FATAL") == true, "\(report.failures)")
        #expect(report.failures.first?.contains("overlay") == true)
    }

    @Test(.timeLimit(.minutes(8)))
    func aServerThatStopsIsTheReason() async throws {
        let site = try await Site.shared.value
        try await ServeProcess.with(site, "debian12") { server in
            let port = server.port
            async let outcome = site.test("debian12", "--timeout", "240", "--nfs-port", "\(port)")
            try await site.waitForConsole("debian12", text: "Linux version")
            try await server.stop()
            let (report, status) = try await outcome
            #expect(status == 1)
            #expect(report.failures == ["boot: the NFS server on port \(port) stopped during the boot"])
            try await site.expectNothingLeft("debian12", sshPort: 2223)
        }
    }

    @Test(.timeLimit(.minutes(10)))
    func aClientGoesOnAfterTheServerRestarts() async throws {
        let site = try await Site.shared.value
        try await ServeProcess.with(site, "debian12") { first in
            let port = first.port
            let outcome = Task { try await site.test("debian12", "--timeout", "400", "--nfs-port", "\(port)") }
            try await site.waitForConsole("debian12", text: "rootovl: / is an overlay")
            try await first.kill()
            try await ServeProcess.with(site, "debian12", port: port) { second in
                let (report, status) = try await outcome.value
                #expect(report.failures == [])
                #expect(status == 0)
                try await second.stop()
            }
        }
    }

    /// The entry as real clients get it: DHCP, the second of two network cards, site files of `--append`, and behind them an
    /// archive of `sideload create`.
    @Test(.timeLimit(.minutes(8)))
    func theInstalledEntryBootsByDHCP() async throws {
        let site = try await Site.shared.value
        try await ServeProcess.with(site, "debian12") { server in
            let files = site.folder + "/site-files"
            try Files.makeDirectory(files + "/etc")
            try Files.replace(files + "/etc/issue", with: Array("laid over by site files\n".utf8))
            let login = try await SideLoadLogin.make(site, "appended", names: ["appended"], port: 2227)
            try await site.run(
                "installnfs", "debian12", "--port", "\(server.port)", "--append", files, "--append",
                login.archive("appended"))
            let console = site.folder + "/dhcp.log"
            try await run(["rm", "-f", console])
            let machine = Command([
                "qemu-system-x86_64", "-nodefaults", "-accel", "tcg,thread=multi", "-cpu", "max,-erms,-fsrm", "-smp",
                "2", "-m", "1024", "-display", "none", "-vga", "std", "-netdev", "hubport,id=n1,hubid=5", "-device",
                "virtio-net-pci,netdev=n1", "-netdev",
                "user,id=n0,tftp=\(site.tftpboot),bootfile=pxelinux.0,hostfwd=tcp:127.0.0.1:\(login.port)-:22",
                "-device",
                "virtio-net-pci,netdev=n0,bootindex=1", "-serial", "file:\(console)",
            ])
            let running = Task { try await CommandRunner().capture(machine) }
            defer { running.cancel() }
            try await site.waitForText(in: console, "login: ")
            let text = try Files.text(console)
            #expect(text.contains("BOOTIF=01-"))
            #expect(text.contains("stays for good; its lease of 86400 s is recorded for renewal"))
            #expect(text.contains("rootovl: / is an overlay"))
            #expect(text.contains("laid over by site files"))
            // The key and the host keys of the archive, or this login ends by its deadline.
            #expect(try await login.waited("appended", SideLoadLogin.state).hasSuffix("\noverlay\n"))
            #expect(try await login.hasThePassword("appended"))
            running.cancel()
            _ = await running.result
            try await site.run("installnfs", "debian12", "--port", "2049", "--no-append")
        }
    }

    private func restore(_ site: Site) async throws {
        try await site.run("rollback", "debian12")
        try await site.run("installnfs", "debian12")
        try await site.run("gc", "debian12", "--keep", "0", "--force")
    }

    private func installedInitramfs(_ site: Site) async throws -> String? {
        let text = try Files.text(site.tftpboot + "/pxelinux.cfg/default")
        let path = text.firstMatch(of: /INITRD (netroot\/debian12\/\S+)/)?.output.1
        return path.map { "\(site.tftpboot)/\($0)" }
    }

    func run(_ argv: [String]) async throws { _ = try await CommandRunner().capture(Command(argv)) }
}
