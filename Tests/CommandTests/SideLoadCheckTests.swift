import Foundation
import NetrootImage
import NetrootStore
import NetrootSystem
import NetrootTree
import TestSupport
import Testing

/// `sideload check` and `sideload join`, on small rescue archives of both layouts.
@Suite struct SideLoadCheckTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    struct Report: Decodable {
        struct Change: Decodable {
            var action, path, type: String
            var mode: String?
            var uid: Int?
            var target: String?
        }
        struct Refusal: Decodable {
            var file: String
            var path: String?
            var reason: String
        }
        var layout: String
        var changes: [Change]
        var refusals: [Refusal]
        var notes: [String]

        var lines: [String] { changes.map { "\($0.action) \($0.path)" } }
    }

    private func check(_ image: String, _ sideLoads: String...) async throws -> Report {
        let outcome = try await run(
            [Place.netroot, "sideload", "check", "--json", image] + sideLoads, folder: scratch.path)
        let report = try JSONDecoder().decode(Report.self, from: Data(outcome.output.utf8))
        #expect(outcome.status == (report.refusals.isEmpty ? 0 : 1), "\(outcome.errors)")
        for refusal in report.refusals { #expect(outcome.errors.contains(refusal.reason)) }
        return report
    }

    @discardableResult
    private func write(_ name: String, _ entries: [NewcEntry]) throws -> String {
        try scratch.write(name, bytes: try NewcArchive(entries: entries).bytes())
    }

    private func file(_ path: String, _ text: String = "x", mode: UInt32 = 0o644, uid: UInt32 = 0) -> NewcEntry {
        NewcEntry(path, .bytes(Array(text.utf8)), mode: mode, uid: uid)
    }

    @Test(arguments: ["squashfs", "cpio"]) func theTreeIsShownAsItWillBe(layout: String) async throws {
        let image = try await RescueSample(layout, in: scratch)
        try write(
            "site.cpio",
            [
                file("netroot/overlay/etc/hostname"), file("netroot/overlay/lib/new"), file("netroot/overlay/srv/a b"),
                NewcEntry("netroot/overlay/root", .directory, mode: 0o755),
                file("netroot/overlay/.rootovldel", "# gone\nusr/lib/noise\n/etc/none\n"),
                file("netroot/root-password", "$6$a$b\n", mode: 0o600), file("etc/motd"),
            ])
        let report = try await check(image.path, "site.cpio")
        #expect(report.layout == layout)
        #expect(report.refusals.isEmpty, "\(report.refusals)")
        for line in [
            "added /etc/motd", "replaced /etc/hostname", "added /usr/lib/new", "kept /usr/lib", "added /srv/a b",
            "deleted /usr/lib/noise", "kept /root", "replaced /etc/shadow",
        ] {
            #expect(report.lines.contains(line), "\(line) in \(report.lines)")
        }
        // A directory that is there keeps its own.
        #expect(report.changes.first { $0.path == "/root" }?.mode == "0700")
        #expect(report.notes.contains { $0.contains("/etc/none") })
        let text = try await run([Place.netroot, "sideload", "check", image.path, "site.cpio"], folder: scratch.path)
        expectSuccess(text)
        #expect(text.output.contains("kept      0700  0:0  /root\n"))
    }

    @Test(arguments: ["squashfs", "cpio"]) func everyReasonIsSaidAtOnce(layout: String) async throws {
        let image = try await RescueSample(layout, in: scratch)
        try write(
            "bad.cpio",
            [
                NewcEntry("lib", .directory), file("lib/x"), NewcEntry("etc", .directory, mode: 0o700),
                NewcEntry("usr", .directory, uid: 7), file("srv"), file("opt/y"), file("init"), file("netroot/busybox"),
                NewcEntry("etc/null", .characterDevice(major: 1, minor: 3)), file("netroot/overlay/etc/ssh/x"),
                file("netroot/overlay/usr/bin"), NewcEntry("netroot/overlay/etc/hostname", .directory),
                file("netroot/overlay/.rootovldel", "../x\n/\n"),
            ])
        let report = try await check(image.path, "bad.cpio")
        let reasons = Dictionary(report.refusals.map { ($0.path ?? "", $0.reason) }, uniquingKeysWith: { $0 + $1 })
        if layout == "cpio" {
            #expect(reasons["lib"]?.contains("symlink to usr/lib") == true)
            #expect(reasons["etc"]?.contains("0700 0:0, and has 0755 0:0") == true)
            #expect(reasons["usr"]?.contains("0755 7:0") == true)
        } else {
            // /init lays them by the rules of netroot/overlay (ram_foreign in ram-root/ram-root.sh).
            for path in ["lib", "etc", "usr"] { #expect(reasons[path] == nil) }
            for line in ["kept /usr/lib", "kept /etc", "kept /usr", "added /usr/lib/x"] {
                #expect(report.lines.contains(line), "\(line) in \(report.lines)")
            }
            #expect(report.changes.first { $0.path == "/etc" }?.mode == "0755")
        }
        #expect(reasons["srv"]?.contains("a file here and a directory in the image") == true)
        #expect(reasons["opt"] == nil, "a new directory is no fault")
        #expect(reasons["init"]?.contains("take the place") == true)
        #expect(reasons["netroot/busybox"]?.contains("take the place") == true)
        #expect(reasons["etc/null"]?.contains("device") == true)
        #expect(reasons["usr/bin"]?.contains("a file here and a directory in the root") == true)
        #expect(reasons["etc/hostname"]?.contains("a directory here and a file in the root") == true)
        #expect(reasons[".rootovldel"]?.contains("'..' is not allowed") == true)
        #expect(reasons[".rootovldel"]?.contains("would delete the root") == true)
    }

    /// Names that no archive of ours can have: by hand, as somebody else writes them.
    @Test func namesThatLeadElsewhereAreRefused() async throws {
        let image = try await RescueSample("cpio", in: scratch)
        let bytes = try NewcArchive(entries: [file("aaa/etc/x"), file("bbbetc/y"), file("usr/lib/none/x")]).bytes()
        let text = String(decoding: bytes, as: UTF8.self).replacing("aaa/etc/x", with: "../../e/x")
            .replacing("bbbetc/y", with: "/tmp/abc").replacing("bbbetc", with: "/srv/z")
        try scratch.write("names.cpio", bytes: Array(text.utf8))
        let refusals = try await check(image.path, "names.cpio").refusals.map { "\($0.path ?? ""): \($0.reason)" }
        #expect(refusals.contains { $0.hasPrefix("../../e/x: ") && $0.contains("'..'") }, "\(refusals)")
        #expect(refusals.contains { $0.hasPrefix("tmp/abc: ") && $0.contains("absolute") }, "\(refusals)")
    }

    /// The kernel makes no directory that an archive does not name.
    @Test func aFileWithoutItsDirectoryIsRefused() async throws {
        let image = try await RescueSample("cpio", in: scratch)
        try scratch.write("tree/opt/x", "y")
        try await CommandRunner().run(
            Command(
                ["sh", "-c", "echo opt/x | cpio -o -H newc --quiet > ../site.cpio"],
                workingDirectory: scratch.path + "/tree"))
        let report = try await check(image.path, "site.cpio")
        #expect(report.refusals.contains { $0.path == "opt/x" && $0.reason.contains("no directory /opt") })
    }

    @Test func secretsAndSSHDsRulesAreKept() async throws {
        let image = try await RescueSample("squashfs", in: scratch)
        try await CommandRunner().run(
            Command(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "\(scratch.path)/k"]))
        let key = try Files.text(scratch.path + "/k")
        let overlay = "netroot/overlay/"
        try write(
            "site.cpio",
            [
                NewcEntry(overlay + "root/.ssh", .directory, mode: 0o777), file(overlay + "root/.ssh/authorized_keys"),
                file(overlay + "root/.ssh/id_ed25519", key, mode: 0o600),
                NewcEntry(overlay + "home", .directory), NewcEntry(overlay + "home/ann", .directory, uid: 1000),
                NewcEntry(overlay + "home/ann/.ssh", .directory, mode: 0o700),
                file(overlay + "home/ann/.ssh/authorized_keys", mode: 0o600),
                file(overlay + "etc/ssh/ssh_host_ed25519_key", key, mode: 0o644),
                file(overlay + "etc/munge/munge.key", "0123456789"), file(overlay + "etc/shadow", "root:$6$a$b:1:"),
                file(overlay + "etc/NetworkManager/system-connections/a.nmconnection", "[connection]\n"),
                file(overlay + "etc/ssl/private/x.key", key),
                file(overlay + "etc/ssl/private/fine.key", key, mode: 0o600),
                file(overlay + "etc/wireguard/wg0.conf", "[Interface]\nPrivateKey = abcdefgh=\n"),
            ])
        let refusals = try await check(image.path, "site.cpio").refusals.map { "\($0.path ?? ""): \($0.reason)" }
        for (path, word) in [
            ("/root/.ssh", "others can write"), ("root/.ssh/id_ed25519", "private key of a user"),
            ("/home/ann/.ssh", "reads it as ann"), ("/home/ann/.ssh/authorized_keys", "reads it as ann"),
            ("etc/ssh/ssh_host_ed25519_key", "0644"), ("etc/munge/munge.key", "shared key"),
            ("etc/shadow", "passwords"),
            ("a.nmconnection", "0600"), ("etc/ssl/private/x.key", "private key"),
            ("etc/wireguard/wg0.conf", "private key"),
        ] {
            #expect(
                refusals.contains { $0.contains("\(path): ") && $0.contains(word) }, "\(path) \(word) in \(refusals)")
        }
        #expect(!refusals.contains { $0.contains("fine.key") })
    }

    /// What create makes, check takes.
    @Test(arguments: ["squashfs", "cpio"]) func whatCreateMakesIsTaken(layout: String) async throws {
        let image = try await RescueSample(layout, in: scratch)
        try await CommandRunner().run(
            Command(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "\(scratch.path)/k"]))
        expectSuccess(
            try await run(
                [
                    Place.netroot, "sideload", "create", "-o", "s.cpio.xz", "--authorized-keys", "k.pub", "--host-keys",
                    "new", "--hostname", "r1",
                ], folder: scratch.path))
        let report = try await check(image.path, "s.cpio.xz")
        #expect(report.refusals.isEmpty, "\(report.refusals)")
        #expect(report.lines.contains("added /root/.ssh/authorized_keys"))
    }

    @Test func damagedArchivesAreRefused() async throws {
        let image = try await RescueSample("cpio", in: scratch)
        let plain = try NewcArchive(entries: [file("netroot/overlay/etc/a")]).bytes()
        try scratch.write("plain.cpio", bytes: plain)
        let packed = try await CommandRunner().captureBytes(Command(["xz", "-c", "--check=crc64"]), input: plain)
        try scratch.write("crc64.cpio.xz", bytes: packed)
        try scratch.write("cut.cpio", bytes: Array(plain.dropLast(plain.count / 2)))
        try scratch.write("odd.cpio", bytes: packed + [0] + plain)
        let small = try await CommandRunner().captureBytes(Command(["zstd", "-qc"]), input: plain)
        try scratch.write("odd.cpio", bytes: small + [UInt8](repeating: 0, count: 4 - small.count % 4 + 1) + plain)
        try scratch.write("text", "hello\n")
        for (name, word) in [
            ("crc64.cpio.xz", "xz --check=crc32"), ("cut.cpio", "cut off"), ("odd.cpio", "multiple of four"),
            ("text", "neither a newc archive"),
        ] {
            let report = try await check(image.path, name)
            #expect(report.refusals.contains { $0.file == name && $0.reason.contains(word) }, "\(report.refusals)")
        }
        expectError(
            try await run([Place.netroot, "sideload", "check", image.path, "gone"], folder: scratch.path), .failed,
            ["gone"])
    }

    /// Nobody boots a part of a root.
    @Test(arguments: ["squashfs", "cpio"]) func everyCutIsNoticedAndNoWholeOneIsRefused(layout: String) async throws {
        let image = try await RescueSample(layout, in: scratch, bytes: 1_000_000)
        let whole = try Files.read(image.path)
        let cuts = Array(stride(from: 65_536, to: whole.count, by: 65_536)) + image.starts.dropFirst()
        #expect(cuts.count > 10)
        for cut in cuts {
            let path = try scratch.write("cut.img", bytes: Array(whole.prefix(cut)))
            let report = try await SideLoadCheck(SideLoadTarget(archive: path), image: path, sideLoads: []).run()
            #expect(report.refusals.contains { $0.reason.contains("damaged or cut") }, "a cut at \(cut)")
        }
        let target = SideLoadTarget(archive: image.path)
        #expect(try await SideLoadCheck(target, image: "i", sideLoads: []).run().refusals.isEmpty)
    }

    @Test func aChangedByteOfTheRootIsNoticed() async throws {
        let image = try await RescueSample("squashfs", in: scratch)
        var bytes = try Files.read(image.path)
        bytes[image.starts[1] + 100_000] ^= 1
        try Files.replace(image.path, with: bytes)
        try write("s.cpio", [file("netroot/overlay/etc/a")])
        let report = try await check(image.path, "s.cpio")
        #expect(report.refusals.contains { $0.reason.contains("checksum") })
    }

    /// An initramfs of dracut alone does not have the root.
    @Test func ofAnInitramfsTheRootIsUnknown() async throws {
        try write(
            "initrd.img",
            [
                NewcEntry("usr", .directory), NewcEntry("usr/lib", .directory),
                NewcEntry("lib", .symlink(Array("usr/lib".utf8))),
                file("usr/lib/dracut/modules.txt", "base\nnetroot-rootovl\n"),
            ])
        try write("s.cpio", [file("netroot/overlay/etc/a"), file("usr/lib/b"), NewcEntry("lib", .directory)])
        let report = try await check("initrd.img", "s.cpio")
        #expect(report.layout == "dracut")
        #expect(report.lines == ["laid /etc", "laid /etc/a"])
        #expect(report.refusals.map(\.path) == ["lib"])
        #expect(report.notes.contains { $0.contains("do not reach the root") })
        #expect(report.notes.contains { $0.contains("the root is not in initrd.img") })
    }

    /// `netroot pack` and a hosts file make a label with a root.
    @Test func aLabelIsItsInitramfsAndItsRoot() async throws {
        try scratch.writeHosts("a")
        let generation = try await Fabricated.generation(of: scratch.label("a"))
        try write(
            "initrd", [NewcEntry("usr/lib/dracut/modules.txt", .bytes(Array("base\n".utf8)))])
        try Files.replace(try #require(generation.initramfs), with: try Files.read(scratch.path + "/initrd"))
        try write("s.cpio", [file("netroot/overlay/sbin/init"), file("netroot/overlay/sbin/new")])
        let outcome = try await run(
            [Place.netroot, "--hosts", scratch.hosts, "sideload", "check", "a", "s.cpio"], folder: scratch.path)
        expectSuccess(outcome)
        #expect(outcome.output.contains("replaced  0644  0:0  /sbin/init\n"))
        #expect(outcome.output.contains("added     0644  0:0  /sbin/new\n"))
    }

    // MARK: - Joining

    /// What the kernel makes of the joined file is what it makes of the parts.
    @Test func joinedPartsAreRead() async throws {
        let image = try await RescueSample("cpio", in: scratch)
        let plain = try NewcArchive(entries: [file("netroot/overlay/etc/a")]).bytes()
        try scratch.write("a.cpio", bytes: plain)
        let packed = try await CommandRunner().captureBytes(Command(["zstd", "-qc"]), input: plain)
        #expect(packed.count % 4 != 0, "it needs zeros behind it, or this tests nothing")
        try scratch.write("b.cpio.zst", bytes: packed, mode: 0o600)
        let outcome = try await run(
            [Place.netroot, "sideload", "join", image.path, "b.cpio.zst", "a.cpio", "-o", "all"], folder: scratch.path)
        expectSuccess(outcome)
        let joined = try await Initramfs.open(scratch.path + "/all")
        #expect(joined.segments.map(\.compression) == [.zstd, .zstd, .uncompressed, .zstd, .uncompressed])
        #expect(joined.segments.suffix(2).allSatisfy { $0.compression != .uncompressed || $0.offset % 4 == 0 })
        let attributes = try FileManager.default.attributesOfItem(atPath: scratch.path + "/all")
        #expect(attributes[.posixPermissions] as? Int == 0o600)
        // The image with its side-loads is an image too, and they count.
        let report = try await check("all", "a.cpio")
        #expect(report.refusals.isEmpty && report.lines.contains("added /etc/a"))
    }

    @Test func catJoinsWhatIsCompressed() async throws {
        let image = try await RescueSample("squashfs", in: scratch)
        let plain = try NewcArchive(entries: [file("netroot/overlay/etc/a")]).bytes()
        for (name, program) in [
            ("a.zst", ["zstd", "-qc"]), ("b.xz", ["xz", "-c", "--check=crc32"]), ("c.gz", ["gzip", "-c"]),
        ] {
            try scratch.write(name, bytes: try await CommandRunner().captureBytes(Command(program), input: plain))
        }
        let all = try [image.path, scratch.path + "/a.zst", scratch.path + "/b.xz", scratch.path + "/c.gz"]
            .flatMap { try Files.read($0) }
        try scratch.write("all", bytes: all)
        let segments = try await Initramfs.open(scratch.path + "/all").segments
        #expect(segments.map(\.compression).suffix(3) == [.zstd, .xz, .gzip])
        #expect(try await check("all", "a.zst").refusals.isEmpty)
    }

    @Test func whatHurtsIsNotJoined() async throws {
        let image = try await RescueSample("cpio", in: scratch)
        try write("bad.cpio", [NewcEntry("lib", .directory)])
        let arguments = [Place.netroot, "sideload", "join", image.path, "bad.cpio", "-o", "all"]
        let outcome = try await run(arguments, folder: scratch.path)
        #expect(outcome.status == 1 && outcome.errors.contains("symlink to usr/lib"))
        #expect(!Files.exists(scratch.path + "/all"))
        expectSuccess(try await run(arguments + ["--no-check"], folder: scratch.path))
        #expect(Files.exists(scratch.path + "/all"))
    }
}
