import Glibc
import NetrootImage
import NetrootSystem
import NetrootTree
import TestSupport
import Testing

/// Where the files of side-loads arrive, and what is in the way.
@Suite struct SideLoadPlacesTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private func check(_ image: String, _ sideLoads: String...) async throws -> SideLoadReport {
        try await SideLoadCheck(
            SideLoadTarget(archive: image), image: Files.name(image),
            sideLoads: sideLoads.map { scratch.path + "/" + $0 }
        ).run()
    }

    /// - Parameter names: put in the place of others of the same length, for an archive that no writer of ours makes.
    private func write(_ name: String, _ entries: [NewcEntry], names: [String: String] = [:]) throws {
        var text = String(decoding: try NewcArchive(entries: entries).bytes(), as: UTF8.self)
        for (from, to) in names { text = text.replacing(from, with: to) }
        try scratch.write(name, bytes: Array(text.utf8))
    }

    private func file(_ path: String, _ text: String = "x", mode: UInt32 = 0o644) -> NewcEntry {
        NewcEntry(path, .bytes(Array(text.utf8)), mode: mode)
    }

    private func reasons(_ report: SideLoadReport) -> [String: String] {
        Dictionary(report.refusals.map { ($0.path ?? "", $0.reason) }, uniquingKeysWith: { $0 + "; " + $1 })
    }

    // MARK: - As the functions of /init

    /// Every file of a directory, without the directory itself.
    private func names(in directory: String) async throws -> Set<String> {
        let text = try await CommandRunner().capture(
            Command(["find", ".", "-mindepth", "1", "-printf", "/%P\\n"], workingDirectory: directory))
        return Set(text.split(separator: "\n").map(String.init))
    }

    /// `rootovl_lay` itself, as /init runs it.
    private func lay(_ overlay: String, over root: String) async throws -> Outcome {
        let script = """
            . \(Place.checkout)/ram-root/busybox.sh
            . \(Place.checkout)/dracut-modules/95netroot-rootovl/rootovl-lib.sh
            rootovl_lay "$1" "$2"
            """
        return try await run(["busybox", "sh", "-c", script, "sh", overlay, root], folder: scratch.path)
    }

    /// The same tree, checked and laid: what is added and deleted is the same.
    @Test func theCheckSaysWhatTheFunctionsDo() async throws {
        let image = try await RescueSample("squashfs", in: scratch)
        let before = try await names(in: image.tree)
        let overlay = scratch.path + "/overlay"
        try FilePlace.write(overlay + "/lib/new/file", "x")
        try FilePlace.write(overlay + "/etc/hostname", "other\n")
        try Files.makeDirectory(overlay + "/opt")
        try FilePlace.link(overlay + "/opt/link", to: "/etc")
        try FilePlace.write(overlay + "/.rootovldel", "# gone\n/lib/noise\netc/ssh/\nbin\nno/such\n")
        try scratch.write("site.cpio", bytes: try NewcArchive(directory: overlay, prefix: "netroot/overlay").bytes())
        let report = try await check(image.path, "site.cpio")
        #expect(report.refusals.isEmpty, "\(report.refusals)")
        expectSuccess(try await lay(overlay, over: image.tree))
        let after = try await names(in: image.tree)
        #expect(Set(report.changes.filter { $0.action == .added }.map(\.path)) == after.subtracting(before))
        let gone = before.subtracting(after)
        #expect(gone == ["/usr/lib/noise", "/etc/ssh", "/bin"])
        #expect(Set(report.changes.filter { $0.action == .deleted }.map(\.path)) == gone)
    }

    /// A list that stops the machine is refused.
    @Test(arguments: ["../x", "usr/../etc", "/", "etc/."])
    func aListThatStopsTheMachineIsRefused(line: String) async throws {
        let image = try await RescueSample("squashfs", in: scratch)
        let overlay = scratch.path + "/overlay"
        try FilePlace.write(overlay + "/.rootovldel", line + "\n")
        #expect(try await lay(overlay, over: image.tree).status != 0)
        try scratch.write("site.cpio", bytes: try NewcArchive(directory: overlay, prefix: "netroot/overlay").bytes())
        #expect(reasons(try await check(image.path, "site.cpio"))[".rootovldel"] != nil)
    }

    // MARK: - Symlinks

    /// The kernel would write `/etc/passwd` of rootfs, and nothing below netroot/overlay.
    @Test(arguments: ["squashfs", "cpio"]) func aSymlinkOfTheSideLoadIsNotFollowed(layout: String) async throws {
        let image = try await RescueSample(layout, in: scratch)
        try write(
            "site.cpio",
            [
                NewcEntry("netroot/overlay/x", .symlink(Array("/etc".utf8))), file("netroot/overlay/z/passwd"),
                NewcEntry("netroot/overlay/etc", .directory),
                NewcEntry("netroot/overlay/y", .symlink(Array("etc".utf8))), file("netroot/overlay/z/motd"),
            ], names: ["/z/passwd": "/x/passwd", "/z/motd": "/y/motd"])
        let report = try await check(image.path, "site.cpio")
        for path in ["netroot/overlay/x/passwd", "netroot/overlay/y/motd"] {
            #expect(reasons(report)[path]?.contains("a symlink of the side-load lies on its way") == true, "\(report)")
        }
        #expect(report.refusals.count == 2)
        #expect(report.changes.contains { $0.path == "/x" && $0.target == "/etc" })
    }

    @Test(arguments: ["squashfs", "cpio"]) func aSymlinkToNetrootsFilesIsNotFollowed(layout: String) async throws {
        let image = try await RescueSample(layout, in: scratch)
        try write(
            "site.cpio",
            [
                NewcEntry("x", .symlink(Array("/netroot".utf8))), file("z/busybox"),
                NewcEntry("y", .symlink(Array("/".utf8))), file("z/init"),
            ], names: ["z/busybox": "x/busybox", "z/init": "y/init"])
        let found = reasons(try await check(image.path, "site.cpio"))
        #expect(found["x/busybox"]?.contains("leads to /netroot/busybox") == true)
        #expect(found["y/init"]?.contains("leads to /init") == true)
    }

    // MARK: - What never arrives

    @Test(arguments: ["squashfs", "cpio"]) func whatIsMountedOverIsRefused(layout: String) async throws {
        let image = try await RescueSample(layout, in: scratch)
        let overlay = "netroot/overlay/"
        try write(
            "site.cpio",
            [
                file("run/systemd/network/plain.network"), file("proc/x"), NewcEntry("sys", .directory),
                file(overlay + "run/systemd/network/a.network"), file(overlay + "dev/x"),
                NewcEntry(overlay + "proc", .directory),
                NewcEntry("varrun", .symlink(Array("/run".utf8))), file("zarrun/pid"),
            ], names: ["zarrun/pid": "varrun/pid"])
        let report = try await check(image.path, "site.cpio")
        let found = reasons(report)
        #expect(
            found["run/systemd/network/plain.network"]?.contains("below /etc/systemd") == true, "\(report.refusals)")
        #expect(found["proc/x"] != nil && found["dev/x"] != nil && found["varrun/pid"] != nil, "\(report.refusals)")
        #expect(found["sys"] == nil && found["proc"] == nil, "an empty directory is no fault")
        // In the layout cpio /init lays into the /run that goes on.
        #expect(
            report.changes.contains { $0.path == "/run/systemd/network/a.network" } == (layout == "cpio"),
            "\(report.changes)")
    }

    /// In the layout squashfs it deletes, in the layout cpio it is a file.
    @Test(arguments: ["squashfs", "cpio"]) func aPlainListOfDeletionsIsRefused(layout: String) async throws {
        let image = try await RescueSample(layout, in: scratch)
        try write("site.cpio", [file(".rootovldel", "etc/hostname\n")])
        let report = try await check(image.path, "site.cpio")
        #expect(reasons(report)[".rootovldel"]?.contains("below netroot/overlay/") == true)
        #expect(report.changes.isEmpty)
    }

    @Test func whatALaterSideLoadReplacesIsNoted() async throws {
        let image = try await RescueSample("squashfs", in: scratch)
        try write(
            "a.cpio",
            [file("netroot/overlay/.rootovldel", "etc/ssh\n"), file("netroot/root-password", "$6$a$b\n", mode: 0o600)])
        try write(
            "b.cpio",
            [
                file("netroot/overlay/.rootovldel", "usr/lib/noise\n"),
                file("netroot/root-password", "$6$c$d\n", mode: 0o600),
            ])
        let report = try await check(image.path, "a.cpio", "b.cpio")
        for path in ["netroot/overlay/.rootovldel", "netroot/root-password"] {
            #expect(
                report.notes.contains { $0.contains("b.cpio: \(path) takes the place of that of") }, "\(report.notes)")
        }
        #expect(report.changes.filter { $0.action == .deleted }.map(\.path) == ["/usr/lib/noise"])
        #expect(try await check(image.path, "b.cpio").notes.isEmpty)
    }

    /// The side-load that an initramfs has already is laid over the root, too.
    @Test func theSideLoadOfAnInitramfsCounts() async throws {
        try write(
            "initrd.img",
            [
                file("usr/lib/dracut/modules.txt", "base\nnetroot-rootovl\n"), file("netroot/overlay/etc/a"),
                file("netroot/overlay/.rootovldel", "etc/b\n"),
            ])
        try write("s.cpio", [file("netroot/overlay/.rootovldel", "etc/c\n")])
        let report = try await check(scratch.path + "/initrd.img", "s.cpio")
        #expect(report.changes.map(\.path) == ["/etc", "/etc/a"])
        #expect(report.notes.contains { $0.contains("takes the place of that of initrd.img") }, "\(report.notes)")
    }

    // MARK: - The files themselves

    /// Nobody waits for a FIFO's writer.
    @Test func aFIFOIsRefusedAtOnce() async throws {
        let image = try await RescueSample("cpio", in: scratch)
        let fifo = scratch.path + "/fifo"
        try SystemError.check("make", fifo, mkfifo(fifo, 0o600))
        for arguments in [["check", image.path, "fifo"], ["join", "--no-check", image.path, "fifo", "-o", "all"]] {
            let argv = ["timeout", "-s", "KILL", "60", Place.netroot, "sideload"] + arguments
            expectError(try await run(argv, folder: scratch.path), .failed, ["fifo", "it is a FIFO"])
        }
    }

    /// What follows lz4 data needs four zero bytes before it (lib/decompress_unlz4.c).
    @Test func lz4IsEndedByJoinAndNotedByCheck() async throws {
        let image = try await RescueSample("cpio", in: scratch)
        let plain = try NewcArchive(entries: [file("netroot/overlay/etc/a")]).bytes()
        try scratch.write("b.cpio", bytes: plain)
        let packed = try await CommandRunner().captureBytes(Command(["lz4", "-qlc"]), input: plain)
        try scratch.write("a.lz4", bytes: packed)
        try scratch.write("ended.lz4", bytes: packed + [0, 0, 0, 0])
        func isNoted(_ names: String...) async throws -> Bool {
            let paths = names.map { scratch.path + "/" + $0 }
            return try await SideLoadCheck(SideLoadTarget(archive: image.path), image: "i", sideLoads: paths).run()
                .notes
                .contains { $0.contains("a.lz4 ends in lz4 data") }
        }
        #expect(try await isNoted("a.lz4", "b.cpio"))
        #expect(try await !isNoted("b.cpio", "a.lz4"))
        #expect(try await !isNoted("ended.lz4", "b.cpio"))
        expectSuccess(
            try await run(
                [Place.netroot, "sideload", "join", image.path, "a.lz4", "b.cpio", "-o", "all"], folder: scratch.path))
        #expect(
            try await Initramfs.open(scratch.path + "/all").segments.suffix(2).map(\.compression) == [
                .lz4, .uncompressed,
            ])
    }
}
