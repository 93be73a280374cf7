import Foundation
import NetrootSystem
import TestSupport
import Testing

/// The other transports, UEFI, and what goes wrong with their servers.
extension BootTests {
    /// A way to boot, as `netroot test` is told.
    struct Way: Sendable, CustomTestStringConvertible {
        let transport: String
        let form: String
        let firmware: String
        let loader: String
        var testDescription: String { "\(transport) \(form) \(firmware) \(loader)" }
    }

    static let ways = [
        Way(transport: "nbd", form: "squashfs", firmware: "bios", loader: "pxelinux"),
        Way(transport: "http", form: "squashfs", firmware: "uefi", loader: "grub"),
        Way(transport: "iscsi", form: "squashfs", firmware: "bios", loader: "ipxe"),
    ]

    @Test(.timeLimit(.minutes(8)), arguments: ways)
    func theWayPasses(_ way: Way) async throws {
        let site = try await Site.shared.value
        let (report, status) = try await site.test(
            "debian12", "--transport", way.transport, "--firmware", way.firmware, "--loader", way.loader, "--form",
            way.form)
        #expect(report.failures == [])
        #expect(status == 0)
        #expect(report.transport == way.transport && report.form == way.form)
        #expect(report.firmware == way.firmware && report.loader == way.loader)
        let image = try Files.size("\(site.folder)/netroots/debian12/current/root.squashfs")
        // tgtd counts nothing, and the guest's disk is not looked at: what came over the network is all there is.
        let root = try #require(report.bytes[way.transport == "iscsi" ? "network" : "root"])
        if way.transport == "http" {
            #expect(root >= image && root < image + 65536, "the whole image, once")
        } else {
            #expect(root > 10 << 20 && root < image)
        }
        #expect(try #require(report.bytes["ram"]) > 50 << 20)
        #expect(try #require(report.bytes["network"]) > 10 << 20)
        if way.loader == "ipxe" { #expect(try #require(report.bytes["http"]) > 20 << 20) }
        print("\(way.testDescription): \(report.seconds) \(report.bytes)")
        try await site.expectNothingLeft("debian12", sshPort: 2223)
    }

    /// Two rows of the matrix: NFS from the tree and from the image, by iPXE.
    @Test(.timeLimit(.minutes(12)))
    func theMatrixPrintsATableAndJUnit() async throws {
        let site = try await Site.shared.value
        let junit = site.folder + "/junit.xml"
        let table = try await site.run(
            "test", "debian12", "--all", "--transport", "nfs", "--firmware", "bios", "--junit", junit)
        let lines = table.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
        try #require(lines.count == 4, "\(table)")
        #expect(lines[1].prefix(5) == ["nfs", "tree", "bios", "ipxe", "pass"])
        #expect(lines[2].prefix(5) == ["nfs", "squashfs", "bios", "ipxe", "pass"])
        #expect(lines[3].joined(separator: " ") == "debian12: 2 of 2 passed")
        #expect(lines[1...2].allSatisfy { $0.count == 11 && $0[5...].allSatisfy { (Double($0) ?? 0) > 0 } }, "\(table)")
        let xml = try Files.text(junit)
        #expect(xml.contains("tests=\"2\" failures=\"0\" errors=\"0\""))
        for name in ["nfs tree bios", "nfs squashfs bios"] { #expect(xml.contains("name=\"\(name)\"")) }
        try await site.expectNothingLeft("debian12", sshPort: 2223)
    }

    @Test(.timeLimit(.minutes(8)), arguments: [("http", "nginx -p "), ("nbd", "nbd-server -p ")])
    func aServerThatDiesIsTheReason(transport: String, process: String) async throws {
        let site = try await Site.shared.value
        async let outcome = site.test("debian12", "--timeout", "240", "--transport", transport)
        try await site.waitForConsole("debian12", text: "Linux version")
        let pid = try await CommandRunner().capture(
            Command(["pgrep", "-o", "-f", "^\(process)/run/netroot/debian12-"]))
        try await run(["kill", "-KILL", pid.filter(\.isNumber)])
        let (report, status) = try await outcome
        #expect(status == 1)
        let name = process.prefix { $0 != " " }
        let reason = try #require(report.failures.first)
        // The guest may notice before we do: its words name the transport's failure too.
        #expect(reason.contains("\(name) ended with"), "the reason: \(reason)")
        try await site.expectNothingLeft("debian12", sshPort: 2223)
    }

    @Test(.timeLimit(.minutes(5)))
    func tooLittleRAMIsSaidByTheClient() async throws {
        let site = try await Site.shared.value
        let hosts = try Files.text(site.hosts).replacing("[debian12]\n", with: "[debian12]\nVM_MEMORY = 256\n")
        try Files.replace(site.folder + "/small.conf", with: Array(hosts.utf8))
        let small = Site(netroot: site.netroot, folder: site.folder, hostsName: "small.conf")
        let (report, status) = try await small.test("debian12", "--transport", "http", "--timeout", "150")
        #expect(status == 1)
        let reason = try #require(report.failures.first)
        #expect(reason.contains("rootovl: FATAL") && reason.contains("MiB"), "the reason: \(reason)")
    }

    /// The image's installed entry, out of iPXE's menu, by DHCP, from an nginx with the site that the install wrote.
    @Test(.timeLimit(.minutes(6)))
    func theInstalledHTTPEntryBootsByIPXEsMenu() async throws {
        let site = try await Site.shared.value
        let port = 18_080
        try await site.run("installhttp", "debian12", "--http-port", "\(port)", "--client", "any")
        try Files.replace(
            site.folder + "/nginx.conf",
            with: Array(
                """
                daemon off;
                master_process off;
                pid \(site.folder)/nginx.pid;
                error_log stderr;
                events { }
                http {
                    access_log off;
                    include \(site.tftpboot)/netroot-nginx.conf;
                }

                """.utf8))
        let nginx = Task {
            try await CommandRunner().capture(Command(["nginx", "-e", "stderr", "-c", site.folder + "/nginx.conf"]))
        }
        try await expectLogin(
            site, bootFile: "ipxe/index.ipxe", texts: ["BOOTIF=01-", "rootovl: / is an overlay"], uefi: false)
        nginx.cancel()
        _ = await nginx.result
        try await site.run("installnfs", "debian12", "--http-port", "8080")
    }

    /// The nbd entry that an install wrote, by UEFI and GRUB, by DHCP, from an nbd-server with the export as installed.
    @Test(.timeLimit(.minutes(6)))
    func theInstalledNBDEntryBootsByGRUB() async throws {
        let site = try await Site.shared.value
        let port = 11_809
        try await site.run("installnbd", "debian12", "--port", "\(port)")
        let part = try Files.text(site.folder + "/netroots/debian12/netroot-debian12.nbd")
        let config = "[generic]\nlistenaddr = 127.0.0.1\nport = \(port)\n" + part
        try Files.replace(site.folder + "/nbd-server.conf", with: Array(config.utf8))
        let server = Task {
            try await CommandRunner().capture(
                Command([
                    "unshare", "--pid", "--fork", "--kill-child=KILL", "--",
                    Checkout.path + "/libexec/nbd-server-foreground", site.folder + "/nbd-server.pid", "-C",
                    site.folder + "/nbd-server.conf",
                ]))
        }
        try await expectLogin(
            site, bootFile: "grub/netroot-x64.efi", texts: ["BOOTIF=01:", "rootovl: / is an overlay"], uefi: true)
        server.cancel()
        _ = await server.result
        try await site.run("installnfs", "debian12", "--port", "2049")
    }

    /// Boots the site's TFTP root as it is, by DHCP, and waits for a login prompt.
    private func expectLogin(_ site: Site, bootFile: String, texts: [String], uefi: Bool) async throws {
        let console = site.folder + "/dhcp.log"
        try await run(["rm", "-f", console, site.folder + "/vars.fd"])
        var argv = [
            "qemu-system-x86_64", "-nodefaults", "-accel", "tcg,thread=multi", "-cpu", "max,-erms,-fsrm", "-smp", "2",
            "-m", "1024", "-display", "none", "-vga", "std", "-boot", "n", "-device", "virtio-rng-pci",
            "-netdev", "user,id=n0,tftp=\(site.tftpboot),bootfile=\(bootFile)",
            "-device", "virtio-net-pci,netdev=n0" + (uefi ? ",romfile=,bootindex=1" : ""), "-serial", "file:\(console)",
        ]
        if uefi {
            try await run(["cp", "/usr/share/OVMF/OVMF_VARS_4M.fd", site.folder + "/vars.fd"])
            argv += [
                "-machine", "q35", "-drive",
                "if=pflash,format=raw,unit=0,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd", "-drive",
                "if=pflash,format=raw,unit=1,file=\(site.folder)/vars.fd",
            ]
        }
        let machine = Command(argv)
        let running = Task { try await CommandRunner().capture(machine) }
        defer { running.cancel() }
        try await site.waitForText(in: console, "login: ")
        let text = try Files.text(console)
        for wanted in texts { #expect(text.contains(wanted), "the console never said \(wanted)") }
        running.cancel()
        _ = await running.result
    }
}
