import NetrootConfig
import NetrootStore
import NetrootSystem
import TestSupport
import Testing

/// `installnbd`, `installhttp`, and what every install writes for GRUB, iPXE and nginx, on generations of a few bytes.
@Suite struct InstallTransportTests {
    let scratch: Scratch
    var tftp: String { scratch.path + "/tftpboot" }

    init() throws {
        scratch = try Scratch()
        try scratch.writeHosts("a", "b", more: "TRANSPORTS = nfs nbd http")
    }

    private func text(_ name: String) throws -> String { try Files.text("\(scratch.path)/\(name)") }

    private func install(_ arguments: String...) async throws -> Outcome {
        let outcome = try await run(scratch.netroot(arguments), folder: scratch.path)
        expectSuccess(outcome)
        return outcome
    }

    private func whole(_ label: String = "a") async throws -> Generation {
        try await Fabricated.generation(of: scratch.label(label), transports: ["nfs", "nbd", "http"], hasImage: true)
    }

    @Test func nbd() async throws {
        for _ in 1...2 { _ = try await whole() }
        _ = try await install("installnbd", "a", "--address", "10.1.0.1")
        let menu = try text("tftpboot/pxelinux.cfg/default")
        #expect(menu.contains("LABEL a@nbd\n") && menu.contains(" root=nbd:10.1.0.1:a-2:squashfs:ro "))
        #expect(!menu.contains("nbdport"))
        let exports = try text("netroots/a/netroot-a.nbd")
        for number in 1...2 {
            let image = "\(scratch.path)/netroots/a/generations/\(number)/root.squashfs"
            #expect(exports.contains("[a-\(number)]\nexportname = \(image)\nreadonly = true\n"))
        }
        #expect(!exports.contains("authfile") && !exports.contains("[generic]"))
        _ = try await install("installnbd", "a", "--port", "4711", "--client", "10.1.0.0/24")
        #expect(try text("tftpboot/pxelinux.cfg/default").contains("rd.netroot.nbdport=4711"))
        #expect(try text("netroots/a/netroot-a.nbd").contains("authfile = "))
        #expect(try text("netroots/a/netroot-a.nbd-clients") == "10.1.0.0/24\n")
        let named = try await scratch.run("installnbd", "a", "--client", "host.example.org")
        expectError(named, .usage, ["cannot export to 'host.example.org'"])
    }

    @Test func iscsi() async throws {
        try scratch.writeHosts("a", "b", more: "TRANSPORTS = nfs iscsi")
        for _ in 1...2 {
            try await Fabricated.generation(of: scratch.label("a"), transports: ["nfs", "iscsi"], hasImage: true)
        }
        _ = try await install("installiscsi", "a", "--address", "10.1.0.1", "--port", "4712", "--client", "10.1.0.0/24")
        let name = "iqn.2026-11.invalid.netroot:a-2"
        let menu = try text("tftpboot/pxelinux.cfg/default")
        #expect(menu.contains(" netroot=iscsi:10.1.0.1::4712:1:\(name) "))
        #expect(menu.contains(" root=/dev/disk/by-path/ip-10.1.0.1:4712-iscsi-\(name)-lun-1 rootfstype=squashfs "))
        let part = try text("netroots/a/netroot-a.tgt")
        #expect(part.contains("<target iqn.2026-11.invalid.netroot:a-1>") && part.contains("<target \(name)>"))
        #expect(part.contains("initiator-address 10.1.0.0/24"))
    }

    @Test func http() async throws {
        let generation = try await whole()
        try await Fabricated.generation(of: scratch.label("b"))
        _ = try await install("installhttp", "a", "--address", "10.1.0.1", "--http-port", "80")
        let entry = try text("tftpboot/ipxe/a@http.ipxe")
        #expect(entry.contains("root=live:http://10.1.0.1/netroot/a/1/root.squashfs rd.netroot.image=1 "))
        #expect(entry.contains("kernel http://10.1.0.1/netroot/a/1/vmlinuz "))
        let own = "tftpboot/netroot/a/label.nginx"
        let alias = "location = /netroot/a/1/root.squashfs {\n    alias \"\(generation.image)\";"
        #expect(try text(own).contains("\(alias)\n    deny all;"), "nobody has said who may have it")
        _ = try await install("installhttp", "a", "--client", "any")
        #expect(try text(own).contains("\(alias)\n    allow all;"))
        #expect(!Files.exists(tftp + "/netroot/a/1/root.squashfs"), "a TFTP server would give it to all")
        let site = try text("tftpboot/netroot-nginx.conf")
        #expect(site.contains("listen 80;") && site.contains("root \"\(tftp)\";"))
        _ = try await install("installhttp", "a", "--client", "10.1.0.0/24")
        let rules = "    allow 10.1.0.0/24;\n    deny all;\n}"
        #expect(try text(own).split(separator: rules, omittingEmptySubsequences: false).count == 3)
        // A later install for NFS keeps the image's place, and what HTTP was told.
        _ = try await install("installnfs", "a")
        #expect(try text(own).contains(alias))
        _ = try await install("installnfs", "a", "--client", "@lab")
        #expect(try text(own).contains("deny all;") && !(try text(own).contains("allow all;")))
        #expect(try await scratch.run("installhttp", "a").status == 1, "nginx knows no netgroups")
    }

    /// nginx itself takes the site, in the frame of a minimal configuration.
    @Test(arguments: ["10.1.0.1", "fd00::1", "boot.example.org"])
    func nginxTakesTheSite(address: String) async throws {
        _ = try await whole()
        let options = [
            "--address", address, "--http-port", "18080", "--client", "127.0.0.0/8", "--client", "fd00::/64",
        ]
        expectSuccess(try await run(scratch.netroot(["installhttp", "a"] + options), folder: scratch.path))
        let frame = """
            pid \(scratch.path)/pid;
            error_log stderr;
            events { }
            http {
                access_log off;
                include \(tftp)/netroot-nginx.conf;
            }

            """
        let path = try scratch.write("nginx.conf", frame)
        let outcome = try await run(["/usr/sbin/nginx", "-t", "-c", path, "-e", "stderr"], folder: scratch.path)
        #expect(outcome.status == 0, "\(outcome)")
    }

    @Test func oneEntryATransportForEachLoader() async throws {
        _ = try await whole()
        for transport in ["nfs", "nbd", "http"] { _ = try await install("install\(transport)", "a") }
        let grub = try text("tftpboot/grub/grub.cfg")
        let menu = try text("tftpboot/pxelinux.cfg/default")
        for name in ["a", "a@nbd", "a@http"] {
            #expect(grub.contains("--id '\(name)' {") && menu.contains("LABEL \(name)\n"))
            #expect(Files.exists("\(tftp)/ipxe/\(name).ipxe"))
            #expect(try text("tftpboot/ipxe/index.ipxe").contains("item \(name) a, generation 1"))
        }
        #expect(grub.contains("set default='a@http'\n") && menu.contains("DEFAULT a@http\n"))
        #expect(try text("tftpboot/ipxe/index.ipxe").contains("choose --default a@http "))
        let image = try Files.read(tftp + "/grub/netroot-x64.efi")
        #expect(image.starts(with: "MZ".utf8) && image.count > 100_000)
        // Again: nothing changes, GRUB's image included.
        let again = try await install("installhttp", "a")
        #expect(again.output.split(separator: "\n").allSatisfy { $0.hasPrefix("unchanged ") })
        _ = try await install("installnfs", "a", "--no-default")
        #expect(try text("tftpboot/grub/grub.cfg") == grub)
    }

    @Test func theSystemsFoldersAreNamedWhereTheyCannotBeWritten() async throws {
        _ = try await whole()
        let hidden = Namespace.mounting("mount -t tmpfs -o ro tmpfs /etc/nginx/conf.d")
        let outcome = try await run(
            hidden + scratch.netroot(["installhttp", "a", "--system", "--client", "any"]), folder: scratch.path)
        expectError(outcome, .failed, ["/etc/nginx/conf.d cannot be written"])
    }

    @Test func whatTheOwnerWroteStays() async throws {
        _ = try await whole()
        let own = ["ipxe/index.ipxe": "#!ipxe\nmenu mine\n", "grub/grubx64.efi": "signed by the owner"]
        for (name, text) in own { try scratch.write("tftpboot/" + name, text) }
        let outcome = try await install("installnfs", "a")
        #expect(outcome.output.contains("unchanged \(tftp)/ipxe/index.ipxe"))
        for (name, text) in own { #expect(try self.text("tftpboot/" + name) == text) }
        try scratch.write("tftpboot/ipxe/a@nbd.ipxe", "#!ipxe\nsanboot x\n")
        let before = try await scratch.snapshot(except: ["tftpboot/.netroot.lock", "netroots/a/.lock"])
        expectError(
            try await scratch.run("installnbd", "a"), .failed, ["ipxe/a@nbd.ipxe:1: the entry a@nbd is not netroot's"])
        #expect(try await scratch.snapshot(except: ["tftpboot/.netroot.lock", "netroots/a/.lock"]) == before)
    }

    @Test func anotherTFTPRootOnThePort() async throws {
        _ = try await whole()
        let conf = "echo '    root \"/elsewhere\";' > /etc/nginx/conf.d/netroot-8080.conf"
        let hidden = Namespace.mounting("mount -t tmpfs tmpfs /etc/nginx/conf.d; " + conf)
        let outcome = try await run(
            hidden + scratch.netroot(["installhttp", "a", "--system", "--client", "any"]), folder: scratch.path)
        expectError(outcome, .failed, ["netroot-8080.conf is for another TFTP root", "--http-port"])
    }

    @Test func siteFilesOfOtherEntriesStay() async throws {
        _ = try await whole()
        let file = try scratch.write("site.cpio", "070701 no archive, but a file")
        _ = try await install("installnfs", "a", "--append", file)
        _ = try await install("installnbd", "a", "--no-append")
        #expect(try text("tftpboot/pxelinux.cfg/default").contains("netroot/a/1/site-1.cpio"))
        #expect(Files.exists(tftp + "/netroot/a/1/site-1.cpio"))
        _ = try await install("installnfs", "a")
        #expect(!Files.exists(tftp + "/netroot/a/1/site-1.cpio"))
    }

    @Test func gcKeepsWhatAnyEntryNames() async throws {
        for transport in ["installnfs", "installnbd"] {
            _ = try await whole()
            _ = try await install(transport, "a")
        }
        for _ in 1...2 { _ = try await whole() }
        expectSuccess(try await scratch.run("gc", "a", "--keep", "0", "--force"))
        #expect(try scratch.store("a").numbers() == [1, 2, 4])
    }

    // MARK: Refusals

    @Test func anInitramfsWithoutTheTransport() async throws {
        try await Fabricated.generation(of: scratch.label("a"), transports: ["nfs", "nbd"], hasImage: true)
        let before = try await scratch.snapshot()
        expectError(
            try await scratch.run("installhttp", "a"), .failed,
            ["the initramfs of a, generation 1, boots by nfs, nbd, not by http", "TRANSPORTS", "netroot build a"])
        expectError(
            try await scratch.run("test", "a", "--transport", "http"), .failed, ["boots by nfs, nbd, not by http"])
        #expect(try await scratch.snapshot() == before)
        // Generations of before the manifest said it boot by NFS.
        try await Fabricated.generation(of: scratch.label("b"))
        expectError(try await scratch.run("installnbd", "b"), .failed, ["boots by nfs, not by nbd"])
    }

    @Test func aGenerationWithoutAnImage() async throws {
        try await Fabricated.generation(of: scratch.label("a"), transports: ["nfs", "nbd", "http"])
        for transport in ["nbd", "http"] {
            expectError(
                try await scratch.run("install\(transport)", "a"), .failed,
                ["generation 1 of a has no squashfs, which \(transport) needs"])
        }
        expectError(
            try await scratch.run("test", "a", "--form", "squashfs"), .failed, ["generation 1 of a has no squashfs"])
    }

    /// Without a transport: all of the label's, the first of them as the default.
    @Test func allTransportsAtOnce() async throws {
        _ = try await whole()
        let plan = try await scratch.run("install", "a", "--dry-run")
        expectSuccess(plan)
        for entry in ["a", "a@nbd", "a@http"] {
            #expect(plan.output.contains("+# netroot begin \(entry)\n"), "\(entry) is in the diff")
        }
        #expect(!Files.exists(scratch.path + "/tftpboot/grub/grub.cfg"))
        expectSuccess(try await scratch.run("install", "a"))
        let menu = try Files.text(scratch.path + "/tftpboot/pxelinux.cfg/default")
        #expect(menu.contains("DEFAULT a\n"))
        for entry in ["a", "a@nbd", "a@http"] { #expect(menu.contains("LABEL \(entry)\n")) }
        let index = try Files.text(scratch.path + "/tftpboot/ipxe/index.ipxe")
        #expect(index.contains("item a@nbd ") && index.contains("--default a "))
        // What was said of one transport stays, and a second install changes nothing.
        expectSuccess(try await scratch.run("install", "a", "nbd", "--port", "10810", "--no-default"))
        let again = try await scratch.run("install", "a", "http", "nbd", "nfs", "--dry-run", "--no-default")
        expectSuccess(again)
        #expect(again.output == "")
        expectError(
            try await scratch.run("install", "a", "--port", "1"), .usage, ["--port is for one transport"])
        expectError(
            try await scratch.run("install", "a", "nfs", "--server", "kernl"), .usage,
            ["nfs has no server 'kernl'", "did you mean 'kernel'?"])
        expectError(
            try await scratch.run("install", "a", "nbb"), .usage, ["unknown transport 'nbb'", "did you mean 'nbd'?"])
        expectError(
            try await scratch.run("installnfs", "a", "nbd"), .usage,
            ["the short form of the verb names its transport, nfs, itself"])
    }

    @Test func anImageThatIsGone() async throws {
        let generation = try await whole()
        _ = try await run(["/bin/rm", generation.image], folder: scratch.path)
        for verb in ["installnbd", "installhttp", "installnfs"] {
            expectError(
                try await scratch.run(verb, "a"), .failed, ["root.squashfs is missing", "not a whole generation"])
        }
    }

    @Test func readWriteIsForNFS() async throws {
        try scratch.writeHosts("a", more: "TRANSPORTS = nfs nbd http\nRW = Y")
        _ = try await whole()
        for transport in ["nbd", "http"] {
            expectError(
                try await scratch.run("install\(transport)", "a"), .usage,
                ["a has RW=Y, and ", "which serves \(transport), is read-only", "RW=N", "nfs with --server kernel"])
        }
    }

    @Test func theKernelServerWantsATree() async throws {
        try scratch.writeHosts("a", more: "FORMAT = squashfs")
        _ = try await whole()
        expectError(
            try await scratch.run("installnfs", "a", "--server", "kernel"), .usage,
            ["generation 1 of a has no tree, which --server kernel serves", "FORMAT = tree"])
        expectError(try await scratch.run("test", "a", "--form", "tree"), .failed, ["generation 1 of a has no tree"])
        expectError(
            try await scratch.run("test", "a", "--all", "--transport", "htpp"), .usage,
            ["unknown transport 'htpp'", "did you mean 'http'?"])
        expectError(
            try await scratch.run("test", "a", "--all", "--transport", "nbd", "--form", "tree"), .usage,
            ["--form tree is not for nbd"])
    }

    @Test func aLoaderThatTheFirmwareCannotLoad() async throws {
        _ = try await whole()
        for words in ["--firmware uefi --loader pxelinux", "--loader grub", "--firmware uefi --loader ipxe"] {
            let outcome = try await run(
                scratch.netroot(["test", "a"] + words.split(separator: " ").map(String.init)), folder: scratch.path)
            expectError(outcome, .usage, ["does not go with --firmware", "uefi: grub"])
        }
        let junit = try await scratch.run("test", "a", "--junit", "x")
        #expect(junit.status == 64)
        expectError(
            try await scratch.run("test", "a", "--generation", "7"), .usage, ["a has no generation 7"])
    }
}
