import NetrootConfig
import NetrootStore
import NetrootSystem
import TestSupport
import Testing

/// `install LABEL ram`, and `install LABEL grub`, on generations of a few bytes.
@Suite struct InstallRAMTests {
    let scratch: Scratch
    var tftp: String { scratch.path + "/tftpboot" }
    var boot: String { scratch.path + "/boot" }

    init() throws {
        scratch = try Scratch()
        try scratch.writeHosts("a", "b", more: "FORMAT = initramfs")
    }

    private func install(_ arguments: String...) async throws -> Outcome {
        let outcome = try await run(scratch.netroot(["install"] + arguments), folder: scratch.path)
        expectSuccess(outcome)
        return outcome
    }

    private func generation(_ label: String = "a", _ transports: [TransportName] = ["ram"]) async throws -> Generation {
        try await Fabricated.generation(of: scratch.label(label), transports: transports)
    }

    // MARK: A boot server

    @Test func entriesLoadTheArchive() async throws {
        _ = try await generation()
        let site = try scratch.write("site.cpio", "site")
        _ = try await install("a", "--append", site, "--address", "10.1.0.1")
        #expect(try Files.text(tftp + "/netroot/a/1/rescue.cpio.zst") == "archive 1")
        #expect(!Files.exists(tftp + "/netroot/a/1/initrd.img"))
        let menu = try Files.text(tftp + "/pxelinux.cfg/default")
        #expect(menu.contains("LABEL a@ram\n") && menu.contains("    SYSAPPEND 0\n"))
        #expect(menu.contains("    INITRD netroot/a/1/rescue.cpio.zst,netroot/a/1/ram-site-1.cpio\n"))
        #expect(menu.contains("    APPEND ro rootovlsize=50% console=tty0 console=ttyS0,115200n8\n"))
        let grub = try Files.text(tftp + "/grub/grub.cfg")
        #expect(grub.contains("    initrd /netroot/a/1/rescue.cpio.zst /netroot/a/1/ram-site-1.cpio\n"))
        #expect(!grub.contains("BOOTIF"))
        let script = try Files.text(tftp + "/ipxe/a@ram.ipxe")
        #expect(
            script.contains(
                "initrd --name rescue.cpio.zst http://10.1.0.1:8080/netroot/a/1/rescue.cpio.zst\n"))
        #expect(try Files.names(in: scratch.path + "/netroots/a").filter { $0.hasPrefix("netroot-") }.isEmpty)
        _ = try await generation()
        let again = try await install("a", "--no-append")
        #expect(again.output.contains("copied \(tftp)/netroot/a/2/rescue.cpio.zst"))
        #expect(Files.exists(tftp + "/netroot/a/1"), "generation 1 is still there")
    }

    /// The archive is a whole root: nginx gives it to those alone who were named.
    @Test func nginxGivesTheArchiveToNobodyElse() async throws {
        _ = try await generation()
        let first = try await install("a", "--address", "10.1.0.1")
        #expect(first.errors.contains("nginx gives the archive of a to nobody; say with --client who may have it"))
        let file = tftp + "/netroot/a/label.nginx"
        #expect(try Files.text(file).contains("    location ~ /rescue\\.cpio[^/]*$ {\n        deny all;\n    }\n"))
        _ = try await install("a", "--client", "10.1.0.0/24")
        #expect(try Files.text(file).contains("$ {\n        allow 10.1.0.0/24;\n        deny all;\n    }\n"))
    }

    /// A side-load may hold host keys, whatever was its mode.
    @Test func aSideLoadIsForNobodyElse() async throws {
        _ = try await generation()
        let site = try scratch.write("site.cpio", "site")
        let rule = "    location ~ /([a-z]+-)?site-[0-9]+\\.cpio$ {\n        deny all;\n    }\n"
        let file = tftp + "/netroot/a/label.nginx"
        let open = try await install("a", "--address", "10.1.0.1", "--append", site)
        #expect(try Files.text(file).contains(rule))
        #expect(open.errors.contains("nginx gives the side-loads of a to nobody; say with --client who may have it"))
        #expect(!open.errors.contains("readable"))
        try await CommandRunner().run(Command(["chmod", "600", site]))
        let closed = try await install("a")
        #expect(closed.errors.contains("\(site) was readable for its owner alone, and every client can load it now"))
        try scratch.writeHosts("b", more: "TRANSPORTS = nfs")
        _ = try await generation("b", ["nfs"])
        let other = tftp + "/netroot/b/label.nginx"
        _ = try await install("b", "--append", site)
        #expect(try Files.text(other).contains(rule), "by whatever transport")
        _ = try await install("b", "--client", "10.1.0.0/24")
        #expect(try Files.text(other).contains("cpio$ {\n        allow 10.1.0.0/24;\n        deny all;\n    }\n"))
        try await CommandRunner().run(Command(["chmod", "644", site]))
        _ = try await install("b", "--client", "any")
        #expect(!(try Files.text(other).contains("site-")))
    }

    /// What a site's menu is linked to stays where it is.
    @Test func aMenuThatIsASymlink() async throws {
        _ = try await generation()
        try Files.makeDirectory(tftp + "/pxelinux.cfg")
        try Files.replace(scratch.path + "/menu", with: Array("PROMPT 0\n".utf8), mode: 0o664)
        try Files.replaceLink(tftp + "/pxelinux.cfg/default", target: "../../menu")
        _ = try await install("a")
        #expect(try Files.linkTarget(tftp + "/pxelinux.cfg/default") == "../../menu")
        #expect(try Files.text(scratch.path + "/menu").contains("LABEL a@ram\n"))
        #expect(try await run(["stat", "-c", "%a", scratch.path + "/menu"]).output == "664\n")
    }

    @Test func besideNFS() async throws {
        try scratch.writeHosts("a", more: "FORMAT = tree initramfs\nTRANSPORTS = nfs ram")
        _ = try await generation("a", ["nfs", "ram"])
        _ = try await install("a")
        let menu = try Files.text(tftp + "/pxelinux.cfg/default")
        #expect(menu.contains("DEFAULT a\n") && menu.contains("LABEL a\n") && menu.contains("LABEL a@ram\n"))
        for name in ["initrd.img", "rescue.cpio.zst"] { #expect(Files.exists("\(tftp)/netroot/a/1/\(name)")) }
        _ = try await install("a", "nfs")
        #expect(try Files.text(tftp + "/netroot/a/label.nginx").contains("rescue"), "the entry by ram is still there")
    }

    @Test func withoutAnArchive() async throws {
        try scratch.writeHosts("a", more: "TRANSPORTS = nfs ram")
        _ = try await generation("a", ["nfs", "ram"])
        expectError(
            try await scratch.run("install", "a", "ram"), .failed,
            ["generation 1 of a has no rescue, which ram needs; add initramfs to FORMAT in the hosts file"])
        try scratch.writeHosts("a", more: "FORMAT = tree initramfs\nTRANSPORTS = ram")
        _ = try await generation("a", ["ram"])
        // The hosts file as it is now says nothing of RAM.
        try scratch.writeHosts("a", more: "TRANSPORTS = nfs\nRW = Y")
        expectError(
            try await scratch.run("install", "a", "ram"), .usage,
            ["a has RW=Y, and what a machine writes to a root in RAM is gone when it ends; set RW=N"])
    }

    @Test func whatCannotBeRun() async throws {
        _ = try await generation()
        let text = try scratch.write("text", "no archive")
        for verb in ["start", "test"] {
            for (path, words) in [("nothing", "is not there; check its name"), (text, "cannot be appended; \(text): ")]
            {
                expectError(
                    try await scratch.run(verb, "a", "--sideload", path), .usage,
                    ["--sideload ", "/\(path) \(words)"]
                        .map { $0.replacing("//", with: "/") })
            }
            expectError(
                try await scratch.run(verb, "a", "--loader", "pxelinux", "--firmware", "uefi"), .usage,
                ["bios: ipxe, pxelinux, direct; uefi: grub, direct"])
        }
        expectError(
            try await scratch.run("start", "a", "--loader", "direct"), .failed,
            ["a has no boot entry for ram in \(tftp); netroot install a ram"])
    }

    // MARK: GRUB, once

    /// A directory as `/boot` of an installed system.
    private func makeBoot(grub: String = "grub", custom: String? = nil) throws {
        try Files.makeDirectory("\(boot)/\(grub)")
        try Files.replace("\(boot)/\(grub)/grub.cfg", with: Array("source $prefix/custom.cfg\n".utf8))
        if let custom { try Files.replace("\(boot)/\(grub)/custom.cfg", with: Array(custom.utf8), mode: 0o640) }
    }

    /// All files below the directory, with their content.
    private func tree() async throws -> String {
        let outcome = try await run([
            "find", boot, "-printf", "%P %y %m %l %U\\n", "-type", "f", "-exec", "cat", "{}", ";",
        ])
        return outcome.output.split(separator: "\n").sorted().joined(separator: "\n")
    }

    @Test(arguments: [nil, "set x=1\n\n", "set x=1"] as [String?]) func grubAndBack(custom: String?) async throws {
        _ = try await generation()
        try makeBoot(custom: custom)
        let before = try await tree()
        let site = try scratch.write("site.cpio", "site")
        let dry = try await install("a", "grub", "--boot", boot, "--append", site, "--dry-run")
        #expect(try await tree() == before)
        #expect(dry.output.contains("would copy \(boot)/netroot/a/1/rescue.cpio.zst (9 bytes)\n"))
        #expect(dry.output.contains("\n+menuentry 'a, generation 1, from RAM' --id 'netroot-a' {\n"))
        let done = try await install("a", "grub", "--boot", boot, "--append", site)
        #expect(done.output.hasSuffix("\nnext: grub-reboot --boot-directory=\(boot) netroot-a && reboot\n"))
        #expect(try Files.text(boot + "/netroot/a/1/site-1.cpio") == "site")
        let text = try Files.text(boot + "/grub/custom.cfg")
        #expect(text.hasPrefix(custom ?? "# netroot keeps"))
        #expect(text.contains("search --no-floppy --file --set=root /netroot/a/1/vmlinuz; then\n"))
        #expect(text.contains("search --no-floppy --file --set=root /boot/netroot/a/1/vmlinuz; then\n"))
        #expect(text.contains("    initrd $netroot_place/rescue.cpio.zst $netroot_place/site-1.cpio\n"))
        #expect(try Files.text(boot + "/grub/grub.cfg") == "source $prefix/custom.cfg\n")
        // The archives may hold keys and a password.
        #expect(try await run(["stat", "-c", "%a", boot + "/netroot/a/1/site-1.cpio"]).output == "600\n")
        let after = try await tree()
        let again = try await install("a", "grub", "--boot", boot)
        #expect(again.output.contains("unchanged \(boot)/netroot/a/1/site-1.cpio\n") && !again.output.contains("wrote"))
        #expect(try await tree() == after, "what is not given stays")
        let undry = try await install("a", "grub", "--boot", boot, "--remove", "--dry-run")
        #expect(undry.output.contains("would remove \(boot)/netroot\n"))
        #expect(try await tree() == after)
        _ = try await install("a", "grub", "--boot", boot, "--remove")
        #expect(try await tree() == before)
        _ = try await install("a", "grub", "--boot", boot, "--remove")
        #expect(try await tree() == before)
    }

    @Test func twoLabelsAndForeignFiles() async throws {
        for label in ["a", "b"] { _ = try await generation(label) }
        try makeBoot(grub: "grub2")
        _ = try await install("a", "grub", "--boot", boot)
        let onlyA = try Files.text(boot + "/grub2/custom.cfg")
        let done = try await install("b", "grub", "--boot", boot, "--append", scratch.write("s", "s"))
        #expect(done.output.contains("\nnext: grub2-reboot "))
        _ = try await install("b", "grub", "--boot", boot, "--no-append")
        #expect(!Files.exists(boot + "/netroot/b/1/site-1.cpio"))
        _ = try await install("b", "grub", "--boot", boot, "--remove")
        #expect(try Files.text(boot + "/grub2/custom.cfg") == onlyA)
        #expect(!Files.exists(boot + "/netroot/b") && Files.exists(boot + "/netroot/a/1/vmlinuz"))
        try Files.replace(boot + "/netroot/a/mine", with: [1])
        let kept = try await install("a", "grub", "--boot", boot, "--remove")
        #expect(kept.errors.contains("netroot did not write all that is in it"))
        #expect(try Files.names(in: boot + "/netroot/a") == ["mine"])
    }

    /// The owner's file may lie elsewhere, as another user's.
    @Test func aSymlinkStaysOne() async throws {
        _ = try await generation()
        try makeBoot()
        try Files.replace(boot + "/mine.cfg", with: Array("set x=1".utf8), mode: 0o640)
        if Place.isRoot { try await CommandRunner().run(Command(["chown", "12:34", boot + "/mine.cfg"])) }
        try Files.replaceLink(boot + "/grub/custom.cfg", target: "../mine.cfg")
        let before = try await tree()
        _ = try await install("a", "grub", "--boot", boot)
        #expect(try Files.linkTarget(boot + "/grub/custom.cfg") == "../mine.cfg")
        #expect(try Files.text(boot + "/mine.cfg").contains("menuentry"))
        let owner = try await run(["stat", "-c", "%a %u %g", boot + "/mine.cfg"]).output
        if Place.isRoot { #expect(owner == "640 12 34\n") }
        _ = try await install("a", "grub", "--boot", boot, "--remove")
        #expect(try await tree() == before)
        try Files.replaceLink(boot + "/grub/custom.cfg", target: "nowhere")
        expectError(
            try await scratch.run("install", "a", "grub", "--boot", boot), .failed,
            ["cannot follow the symlink \(boot)/grub/custom.cfg: No such file or directory"])
        #expect(!Files.exists(boot + "/netroot") && !Files.exists(boot + "/grub/nowhere"))
    }

    /// Until the entry is written the old one boots the old files.
    @Test func aGenerationHasFilesOfItsOwn() async throws {
        _ = try await generation()
        try makeBoot()
        _ = try await install("a", "grub", "--boot", boot, "--append", scratch.write("s", "s"))
        let first = try Files.text(boot + "/grub/custom.cfg")
        _ = try await generation()
        let dry = try await install("a", "grub", "--boot", boot, "--dry-run")
        let lines = dry.output.split(separator: "\n").map(String.init)
        let entry = try #require(lines.firstIndex { $0.hasPrefix("+++") })
        let files = lines.indices.filter { lines[$0].hasPrefix("would copy \(boot)/netroot/a/2/") }
        #expect(files.count == 3 && files.allSatisfy { $0 < entry })
        #expect(try #require(lines.firstIndex(of: "would remove \(boot)/netroot/a/1")) > entry)
        #expect(try Files.text(boot + "/grub/custom.cfg") == first)
        _ = try await install("a", "grub", "--boot", boot)
        #expect(try Files.names(in: boot + "/netroot/a") == ["2"])
        #expect(try Files.text(boot + "/netroot/a/2/site-1.cpio") == "s", "what is not given stays")
    }

    /// A run that was killed leaves keys, and what takes room.
    @Test func whatAKilledRunLeftGoes() async throws {
        _ = try await generation()
        try makeBoot()
        _ = try await install("a", "grub", "--boot", boot)
        let left = [
            "netroot/a/1/site-1.cpio.netroot-new", "netroot/a/vmlinuz.netroot-new", "grub/custom.cfg.netroot-new",
        ].map { "\(boot)/\($0)" }
        for path in left { try Files.replace(path, with: [1]) }
        _ = try await install("a", "grub", "--boot", boot)
        #expect(left.filter(Files.exists) == [])
        for path in left { try Files.replace(path, with: [1]) }
        _ = try await install("a", "grub", "--boot", boot, "--remove")
        #expect(left.filter(Files.exists) == [] && !Files.exists(boot + "/netroot"))
    }

    /// Of a bind mount, as of a Btrfs subvolume, GRUB sees the directory that it shows.
    @Test func whatIsMountedFromBelow() async throws {
        try #require(Place.isRoot, "mounting needs root")
        _ = try await generation()
        try makeBoot()
        let script = "mkdir '\(boot)/sub' && mv '\(boot)/grub' '\(boot)/sub' && mount --bind '\(boot)/sub' '\(boot)'"
        let outcome = try await scratch.run(
            "install", "a", "grub", "--boot", boot,
            wrapper: Namespace.mounting(script, after: "cp '\(boot)/grub/custom.cfg' '\(scratch.path)/seen'"))
        expectSuccess(outcome)
        #expect(try Files.text(scratch.path + "/seen").contains("/sub/netroot/a/1/vmlinuz ]; then\n"))
    }

    @Test func grubThatCannotBe() async throws {
        _ = try await generation()
        for (arguments, words) in [
            (["grub"], "grub needs the directory that holds GRUB's; netroot install a grub --boot /boot"),
            (["grub", "ram", "--boot", "x"], "grub goes with no transport"),
            (["ram", "--boot", "x"], "--boot is for grub"), (["--remove"], "--remove is for grub"),
            (["grub", "--boot", "x", "--system"], "--system is not for grub; leave it out"),
            (["grub", "--boot", "x", "--remove", "--append", "y"], "--append is not for grub --remove"),
            (["grub", "--boot", "nowhere"], "nowhere holds neither grub nor grub2"),
        ] {
            expectError(
                try await run(scratch.netroot(["install", "a"] + arguments), folder: scratch.path), .usage, [words])
        }
        #expect(!Files.exists(scratch.path + "/nowhere"))
        try makeBoot(custom: "# netroot begin netroot-a\n")
        expectError(
            try await scratch.run("install", "a", "grub", "--boot", boot), .failed,
            ["custom.cfg:1: the section of netroot-a has no end"])
        #expect(!Files.exists(boot + "/netroot"))
    }

    @Test func aFullDiskIsFoundBefore() async throws {
        try #require(Place.isRoot, "mounting needs root")
        let generation = try await generation()
        try await CommandRunner().run(
            Command(["truncate", "-s", "64M", try #require(generation.path(of: .rescue))]))
        let script = "mkdir \(boot) && mount -t tmpfs -o size=32m small \(boot) && mkdir \(boot)/grub"
        let outcome = try await scratch.run(
            "install", "a", "grub", "--boot", boot,
            wrapper: Namespace.mounting(script, after: "test ! -e \(boot)/netroot"))
        expectError(outcome, .failed, ["\(boot) has 32 MiB free, and 66 MiB are needed"])
    }

    @Test func whatIsMissingIsTold() async throws {
        _ = try await generation()
        try makeBoot()
        try Files.replace(boot + "/grub/grub.cfg", with: Array("menuentry x { }\n".utf8))
        let outcome = try await install("a", "grub", "--boot", boot)
        #expect(outcome.errors.contains("\(boot)/grub/grub.cfg does not read custom.cfg; make it anew"))
        #expect(outcome.errors.contains("no side-load is appended"))
        #expect(outcome.errors.contains("MiB of RAM, and the archive needs 1099511627776 MiB"))
    }
}
