import NetrootConfig
import NetrootEntry
import NetrootStore
import NetrootSystem
import TestSupport
import Testing

@testable import NetrootSite

/// What an install says of address and clients, with a system of the test's own in the place of `/etc`.
@Suite struct InstallTests {
    let scratch: ScratchDirectory
    let label: Label

    init() async throws {
        scratch = try ScratchDirectory()
        let hosts = "[a]\nRECIPE = a.def\nTRANSPORTS = nfs nbd http iscsi\n"
        label = try HostsFile(text: hosts, path: scratch.path + "/hosts.conf", transports: Transports.shipped.names)
            .label("a")
        let store = LabelStore(label: label)
        try Files.makeDirectory(store.generationsDirectory)
        let transports = Transports.shipped.names
        func note(_ text: String) { Issue.record("\(text)") }
        _ = try await store.withDraft(note: note) { draft in
            for path in [draft.vmlinuz, draft.initramfs, draft.path(of: .squashfs)] {
                try Files.replace(path, with: [1])
            }
            try Files.makeDirectory(draft.root)
            let image = Manifest.Image(compression: "zstd:9", blockSize: 1 << 20, unpackedBytes: 1)
            return try await store.publish(
                draft,
                manifest: Manifest(
                    label: "a", generation: draft.number, formats: ["tree", "squashfs"],
                    artifacts: [
                        .init(.kernel, bytes: 1, sha256: ""), .init(.initramfs, bytes: 1, sha256: ""),
                        .init(.tree, bytes: 1), .init(.squashfs, bytes: 1, sha256: "", image: image),
                    ], transports: transports, readWrite: false, origin: .init(verb: "build"),
                    recipe: .init(path: "a.def", sha256: ""), bootstrap: .init(agent: "scratch"),
                    privileged: .init(setuid: 0, setgid: 0, capabilities: 0), shipped: "", kernelVersion: "6.1",
                    packages: [], netroot: "0", started: "", finished: "", steps: []))
        }
    }

    private var etc: String { scratch.path + "/system/etc" }

    /// An install of these transports on a machine with one network.
    private func install(_ names: [TransportName], _ change: (inout Install) -> Void = { _ in }) throws -> Install {
        var install = try Install(label: label, by: try Transports.shipped.require(names))
        install.sysroot = scratch.path + "/system"
        install.interfaces = [.init(interface: "eth1", address: "10.9.0.1", network: "10.9.0.0/16")]
        change(&install)
        return install
    }

    // MARK: The address

    @Test func anAddressThatNobodySaidIsTold() async throws {
        let said = { (notes: [String]) in notes.filter { $0.contains("10.0.2.2") } }
        let first = said(try await install(["nfs"]).plan().notes)
        #expect(first.count == 1)
        for words in ["QEMU's user network", "no real machine reaches", "--address", "10.9.0.1 (eth1)"] {
            #expect(first.first?.contains(words) == true, "\(first)")
        }
        // Not saying it once does not make it one that was said.
        _ = try await install(["nfs"]).run()
        #expect(said(try await install(["nbd"]).plan().notes).count == 1)
        _ = try await install(["nfs"]) { $0.options.address = "10.0.2.2" }.run()
        #expect(said(try await install(["nbd"]).plan().notes).isEmpty)
    }

    @Test func anIPv6Address() async throws {
        let plan = try await install(["nfs", "nbd", "http"]) { $0.options.address = "fd00::1" }.run()
        let menu = try Files.text(label.tftpboot + "/pxelinux.cfg/default")
        #expect(
            menu.contains(
                " ip=either6 rd.neednet=1 root=nfs:[fd00::1]:\(label.netroot)/generations/1/tree/root:vers=3,proto=tcp6,mountproto=tcp6,"
            ))
        #expect(menu.contains(" root=nbd:[fd00::1]:a-1:squashfs:ro "))
        #expect(menu.contains(" root=live:http://[fd00::1]:8080/netroot/a/1/root.squashfs "))
        #expect(
            try Files.text(label.tftpboot + "/ipxe/a.ipxe").contains(
                "kernel http://[fd00::1]:8080/netroot/a/1/vmlinuz "))
        #expect(try Files.text(label.tftpboot + "/netroot-nginx.conf").contains("    listen [::]:8080;\n"))
        for words in ["firmware, PXELINUX and GRUB load by IPv4", "nbd over IPv6: a client does not connect again"] {
            #expect(plan.notes.contains { $0.contains(words) }, "\(plan.notes)")
        }
        await #expect(throws: KernelCommandLineError.self) { try await install(["iscsi"]).plan() }
    }

    // MARK: Who may have the root

    /// Transports, a server, and who would offer the root to everybody.
    @Test(
        arguments: [
            (["nfs"], nil, []), (["nfs"], "kernel", ["the kernel's nfsd"]), (["nbd"], nil, ["nbd-server"]),
            (["iscsi"], nil, ["tgt"]), (["http"], nil, ["nginx"]),
            (["nbd", "http", "nfs"], nil, ["nbd-server", "nginx"]),
        ] as [([TransportName], String?, [String])])
    func everybodyHasToBeSaid(names: [TransportName], server: String?, open: [String]) async throws {
        let wanted = try install(names) {
            $0.system = true
            $0.options.servers["nfs"] = server
        }
        if open.isEmpty {
            _ = try await wanted.run()
        } else {
            let error = await #expect(throws: BootError.self) { try await wanted.run() }
            #expect(error == .clientsNotSaid(label: "a", servers: open, example: "10.9.0.0/16"))
            #expect(error?.exitStatus == .usage)
            for words in open + ["--client 10.9.0.0/16", "--client any"] {
                #expect(error?.description.contains(words) == true)
            }
        }
        #expect(!Files.exists(etc))
        var any = wanted
        any.options.setClients(["any"])
        _ = try await any.run()
        #expect(Files.exists(etc) == !open.isEmpty)
        #expect(try InstallOptions.last(label)?.clients == ["*"], "the next install need not say it again")
    }

    /// nginx is there, so it gives away what iPXE loads, whatever the transport.
    @Test func nginxThatIsInstalledCounts() async throws {
        try Files.makeDirectory(etc + "/nginx/conf.d")
        let own = try install(["nfs"]) { $0.system = true }
        await #expect(
            throws: BootError.clientsNotSaid(label: "a", servers: ["nginx"], example: "10.9.0.0/16")
        ) { try await own.plan() }
        let named = try install(["nfs"]) {
            $0.system = true
            $0.options.setClients(["10.9.0.0/16"])
        }
        let plan = try await named.run()
        #expect(named.reloads(after: plan) == ["systemctl reload-or-restart nginx"])
        // Now it includes what any install writes for it, with --system or without.
        let later = try install(["http"]) { $0.options.setClients([]) }
        await #expect(
            throws: BootError.clientsNotSaid(label: "a", servers: ["nginx"], example: "10.9.0.0/16")
        ) { try await later.plan() }
        let notes = try await install(["nfs"]) { $0.options.setClients([]) }.plan().notes
        #expect(notes.contains { $0.contains("nginx gives kernel and initramfs of a to everybody") }, "\(notes)")
        let named2 = try await install(["nfs"]) { $0.options.setClients(["10.9.0.0/16"]) }.plan().notes
        #expect(!named2.contains { $0.contains("nginx") })
    }

    /// nginx may be told of the TFTP root later, by the install of another label.
    @Test func anImageIsNobodysUntilSomebodySaysWhose() async throws {
        let rules = label.tftpboot + "/netroot/a/label.nginx"
        let image = "alias \"\(label.netroot)/generations/1/root.squashfs\";\n    "
        let first = try await install(["http"]) { $0.options.address = "10.9.0.1" }.run()
        #expect(first.notes.contains { $0.contains("the image of a to nobody") && $0.contains("--client") })
        #expect(try Files.text(rules).contains("location /netroot/a/ {\n    allow all;\n}"))
        #expect(try Files.text(rules).contains(image + "deny all;\n}"))
        let said = try await install(["nfs"]) { $0.options.setClients(["10.9.0.0/16"]) }.run()
        #expect(try Files.text(rules).contains(image + "allow 10.9.0.0/16;\n    deny all;\n}"))
        #expect(!said.notes.contains { $0.contains("nobody") })
        _ = try await install(["nfs"]) { $0.options.setClients(["any"]) }.run()
        #expect(try Files.text(rules).contains(image + "allow all;\n}"))
    }

    @Test func netrootsOwnServerNeedsNoExportOfNFSD() async throws {
        let kernel = try install(["nfs"]) {
            $0.system = true
            $0.options.servers["nfs"] = "kernel"
            $0.options.setClients(["10.9.0.0/16"])
        }
        let told = try await kernel.run()
        #expect(kernel.reloads(after: told) == ["exportfs -ra"])
        let files = [etc + "/exports.d/netroot-a.exports", label.netroot + "/netroot-a.exports"]
        for file in files { #expect(try Files.text(file).contains(" 10.9.0.0/16(ro,")) }
        // Without --system the one of the system stays, and that is said.
        let own = try install(["nfs"]) { $0.options.servers["nfs"] = nil }
        let plan = try await own.run()
        #expect(Files.exists(files[0]) && !Files.exists(files[1]))
        #expect(plan.notes.contains { $0.contains("\(files[0]) still exports a") }, "\(plan.notes)")
        let system = try install(["nfs"]) { $0.system = true }
        let diff = try await system.plan().report(dryRun: true)
        #expect(
            diff.contains("--- \(files[0])\n+++ /dev/null\n")
                && diff.contains("-\(label.netroot)/generations/1/tree/root"))
        #expect(Files.exists(files[0]))
        let removed = try await system.run()
        #expect(!Files.exists(files[0]))
        #expect(try await removed.report(dryRun: false).contains("removed \(files[0])\n"))
        #expect(system.reloads(after: removed) == ["exportfs -ra"])
        let again = try await system.run()
        #expect(system.reloads(after: again) == [])
    }

    // MARK: GRUB

    @Test func theImageKnowsTheServer() async throws {
        let loaders = BootLoaders()
        let first = try ServerAddress(parsing: "10.9.0.1")
        let image = try await loaders.grubImage(server: first)
        for text in ["set prefix=(tftp,10.9.0.1)/grub\nconfigfile $prefix/grub.cfg\n", "set prefix=$named_prefix\n"] {
            #expect(image.firstRange(of: Array(text.utf8)) != nil)
        }
        #expect(try await loaders.grubImage(server: first) == image, "the same bytes each time")
        _ = try await install(["nfs"]) { $0.options.address = "10.9.0.1" }.run()
        let path = label.tftpboot + "/" + BootLoaders.grubFile
        #expect(try Files.read(path) == image)
        #expect(try await install(["nfs"]).plan().report(dryRun: true) == "")
        let moved = try await install(["nfs"]) { $0.options.address = "10.9.0.2" }.plan().report(dryRun: true)
        #expect(moved.contains("would write \(path) "))
    }

    /// GRUB's image and nginx's site are those of all labels: one without an address, for QEMU, does not take them from
    /// the real machines of another.
    @Test func aLabelWithoutAnAddressLeavesTheOthersTheirs() async throws {
        _ = try await install(["nfs"]) { $0.options.address = "fd00::1" }.run()
        _ = try await install(["nfs"]) { $0.options.address = "10.9.0.1" }.run()
        let site = label.tftpboot + "/netroot-nginx.conf"
        let written = try Files.text(site)
        #expect(written.contains("    listen 8080;\n    listen [::]:8080;\n    server_name 10.9.0.1;\n"))
        let image = try Files.read(label.tftpboot + "/" + BootLoaders.grubFile)
        _ = try await install(["nfs"]) { $0.options.address = nil }.run()
        #expect(try Files.text(label.tftpboot + "/pxelinux.cfg/default").contains(" root=nfs:10.0.2.2:"))
        #expect(try Files.text(site) == written)
        #expect(try Files.read(label.tftpboot + "/" + BootLoaders.grubFile) == image)
        // Another port is another server.
        let moved = try await install(["nfs"]) { $0.options.httpPort = 81 }.run()
        #expect(moved.notes.contains { $0.contains("10.0.2.2") })
        #expect(try Files.text(site).contains("    listen 81;\n    server_name 10.9.0.1;\n"))
    }

    @Test func theAddressOfASite() throws {
        for text in ["10.9.0.1", "boot.example.org", "fd00::1"] {
            let address = try ServerAddress(parsing: text)
            #expect(
                NginxConfig.address(ofSite: try NginxConfig.site(root: "/r", address: address, port: 80)) == address)
        }
        #expect(NginxConfig.address(ofSite: "") == nil)
        #expect(
            NginxConfig.address(ofSite: "server_name ;\n") == nil
                && NginxConfig.address(ofSite: "server_name a/b;\n") == nil)
    }
}
