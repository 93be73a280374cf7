import CSquashFS
import Glibc
import NetrootSystem
import TestSupport
import Testing

@testable import NetrootImage
@testable import NetrootTree

/// Roots unpacked and copied: as they were, and nothing outside of the directory.
@Suite struct RootFillTests {
    let tree: SquashfsTree
    private var scratch: ScratchDirectory { tree.scratch }
    private var target: String { scratch.path + "/target" }

    init() async throws {
        tree = try await SquashfsTree.withAttributes(isSmall: true)
        // Neither can be made by whoever runs the tests without root.
        if geteuid() == 0 {
            _ = try await scratch.output("setcap", ["cap_net_raw+ep", "tree/bin/whole"])
            _ = try await scratch.output(
                "chown", ["-h", "12:34", "tree/bin/program", "tree/bin/link", "tree/etc/deep"])
            _ = try await scratch.output("chmod", ["4755", "tree/bin/program"])
        }
        try Files.makeDirectory(target)
    }

    /// Every name with what stat(2) says of it but times of change and access; of directories no sizes.
    private func listing(_ folder: String) async throws -> [String] {
        let format = "%P %y %m %U %G %s %n %TY-%Tm-%Td %TT %l\\0"
        let directories = "%P %y %m %U %G %TY-%Tm-%Td %TT\\0"
        let text = try await scratch.output(
            "find", [folder, "(", "-type", "d", "-printf", directories, ")", "-o", "-printf", format])
        return text.split(separator: "\0").map(String.init).sorted()
    }

    private func without(_ lines: [String], _ types: String) -> [String] {
        lines.filter { line in !types.contains { line.contains(" \($0) ") } }
    }

    private func attributes(_ folder: String) async throws -> String {
        try await scratch.output("sh", ["-c", "cd \(folder) && getfattr -R -h -d -m - . | sed 's/^#.*//'"])
    }

    @Test(arguments: ["gzip", "xz", "lz4", "zstd"])
    func anImageIsUnpackedAsItWas(codec: String) async throws {
        try #require(geteuid() == 0, "owners need root")
        _ = try await scratch.output(
            "find", ["tree", "-exec", "touch", "-h", "-d", "@\(SquashfsTree.modified)", "{}", "+"])
        let image = try await tree.image("image", ["-comp", codec, "-b", "4096"])
        let report = try RootFill(directory: target, keepsDevices: false).unpack(try SquashfsReader(image))
        #expect(report == .init(devices: 2, sockets: 1))
        let expected = without(try await listing("tree"), "s")
        #expect(try await listing("target") == expected)
        #expect(expected.count > 50 && expected.contains { $0.hasPrefix("bin/program f 4755 12 34 70001 1 ") })
        #expect(expected.contains { $0.hasPrefix("etc/hostname f 644 0 0 7 3 2020-09-13") })
        #expect(try await attributes("target") == (try await attributes("tree")))
        #expect(try await attributes("target").contains("security.capability"))
        _ = try await scratch.output(
            "diff", ["-r", "--no-dereference", "-x", "socket", "-x", "fifo", "tree", "target"])
        // Holes stay holes: 8 blocks of 512 bytes where 15000 bytes would take 30.
        #expect(try await scratch.output("stat", ["-c", "%b", "target/hole"]) == "0\n")
    }

    @Test func devicesAreMadeWhereTheyAreAllowed() async throws {
        try #require(geteuid() == 0, "device nodes need root")
        let image = try await tree.image("image", [])
        let report = try RootFill(directory: target, keepsDevices: true).unpack(try SquashfsReader(image))
        #expect(report.devices == 0)
        #expect(
            try await scratch.output("stat", ["-c", "%F %a %t:%T", "target/dev/disk"])
                == "block special file 660 103:12c\n")
        #expect(
            try await scratch.output("stat", ["-c", "%F %a %t:%T", "target/dev/console"])
                == "character special file 600 5:1\n")
    }

    @Test func aDirectoryIsCopiedAsItWas() async throws {
        try #require(geteuid() == 0, "owners need root")
        _ = try await scratch.output("setfacl", ["-m", "u:7:r", "tree/etc/hostname"])
        _ = try await scratch.output("setfacl", ["-d", "-m", "g:8:rx", "tree/etc/deep"])
        _ = try await scratch.output("mknod", ["tree/dev/null", "c", "1", "3"])
        try SystemError.check("link", "dev/null", link(tree.path + "/dev/null", tree.path + "/dev/null2"))
        let report = try RootFill(directory: target, keepsDevices: false).copy(tree.path)
        #expect(report == .init(devices: 1, sockets: 1))
        let all = try await listing("tree")
        #expect(try await listing("target") == without(all, "sc"))
        #expect(try await attributes("target") == (try await attributes("tree")))
        _ = try await scratch.output(
            "diff", ["-r", "--no-dereference", "-x", "socket", "-x", "fifo", "-x", "null*", "tree", "target"])
        #expect(try await scratch.output("stat", ["-c", "%b", "target/hole"]) == "0\n")
        #expect(try await scratch.output("getfacl", ["-n", "-p", "target/etc/hostname"]).contains("user:7:r--"))
        // Not the source's file under another name.
        let inodes = try await scratch.output("stat", ["-c", "%i", "tree/etc/hostname", "target/etc/hostname"])
        #expect(Set(inodes.split(separator: "\n")).count == 2)
        try Files.makeDirectory(scratch.path + "/second")
        let kept = try RootFill(directory: scratch.path + "/second", keepsDevices: true).copy(tree.path)
        #expect(kept.devices == 0)
        #expect(try await listing("second") == without(all, "s"))
    }

    /// What is mounted in it is another filesystem's: the mount point stays, empty.
    @Test func onlyOneFilesystemIsCopied() async throws {
        try #require(geteuid() == 0, "whose files these are")
        try #require(try Files.text("/proc/self/mounts").contains(" /dev/shm "), "a mount below /dev")
        let report = try RootFill(directory: target, keepsDevices: false).copy("/dev/shm/..")
        #expect(report.devices > 0)
        #expect(try Files.names(in: target + "/shm").isEmpty && Files.isDirectory(target + "/shm"))
    }

    @Test func somethingInTheDirectoryIsAnError() async throws {
        try Files.replace(target + "/x", with: [])
        #expect(throws: RootFillError.notEmpty(path: target)) {
            try RootFill(directory: target, keepsDevices: false).copy(tree.path)
        }
        #expect(throws: SystemError.self) {
            try RootFill(directory: target + "/x", keepsDevices: false).copy(tree.path)
        }
    }

    /// A symlink in the place of a directory, as somebody could put it there while the copy runs.
    @Test func noSymlinkIsFollowedOnTheWay() throws {
        try SystemError.check("link", target, symlink(tree.path, scratch.path + "/way"))
        let above = try DirectoryHandle(scratch.path)
        #expect(throws: SystemError("read", scratch.path + "/way/etc", code: ELOOP)) {
            _ = try above.below(Array("/way/etc".utf8))
        }
        #expect(try above.below(Array("/tree/etc".utf8)).names().contains(Array("hostname".utf8)))
        var writer = try RootWriter(target)
        try SystemError.check("link", target, symlink(tree.path, target + "/out"))
        let attributes = RootWriter.Attributes(
            mode: 0o644, uid: geteuid(), gid: getegid(), modified: timespec(), xattrs: [])
        #expect(throws: SystemError("make", target + "/out", code: EEXIST)) {
            try writer.file(Array("out".utf8), in: writer.root, attributes) { _ in }
        }
        #expect(throws: SystemError("read", target + "/out/etc", code: ELOOP)) {
            try writer.link(Array("/out/etc/hostname".utf8), to: Array("x".utf8), in: writer.root)
        }
    }

    // MARK: - Images that want more

    /// An image whose names are those of `names`, each changed to one of the same length that mksquashfs would not write.
    private func forged(_ names: [String: String]) async throws -> SquashfsReader {
        let evil = scratch.path + "/evil"
        try Files.makeDirectory(evil + "/sub")
        for name in names.keys { try Files.replace("\(evil)/sub/\(name)", with: Array("pwned".utf8)) }
        let options = ["-noappend", "-no-progress", "-quiet", "-noI", "-no-fragments"]
        _ = try await scratch.output("mksquashfs", ["evil", "evil.squashfs"] + options)
        var bytes = try Files.read(evil + ".squashfs")
        // Only there are names: before it a time may have the same byte.
        let table = Int(try SquashfsReader(evil + ".squashfs").superblock.directoryTable)
        for (name, other) in names {
            let found = bytes[table...].firstRange(of: Array(name.utf8))
            bytes.replaceSubrange(try #require(found), with: Array(other.utf8))
        }
        return try SquashfsReader(try scratch.write("evil.squashfs", bytes))
    }

    @Test(arguments: [
        ["zz": ".."], ["qqqqqqqqq": "../../out"], ["qqqqqqqqq": "/tmp/evil"], ["zzz1": "zzz0", "zzz2": "zzz0"],
        ["zzzzz": "a\u{0}b/c"], ["y": "."],
    ])
    func aNameThatLeadsOutIsRefused(names: [String: String]) async throws {
        let before = try await listing(scratch.path + "/tree")
        let error = await #expect(throws: SquashfsReadError.self) {
            try RootFill(directory: target, keepsDevices: false).unpack(try await forged(names))
        }
        #expect(error?.description.contains("/sub: a name that is none, or out of order") == true)
        #expect(try await listing(scratch.path + "/tree") == before)
        #expect(!Files.exists("/tmp/evil") && !Files.exists(scratch.path + "/out"))
        #expect(try Files.names(in: target + "/sub") == [])
    }

    /// CVE-2021-41072's way: a symlink, and a directory of the same name with files for where the symlink leads.
    @Test func aSymlinkAndADirectoryOfOneName() async throws {
        let evil = scratch.path + "/evil"
        let outside = scratch.path + "/outside"
        try Files.makeDirectory(outside)
        try Files.makeDirectory(evil + "/nama")
        try Files.replace(evil + "/nama/pwned", with: Array("pwned".utf8))
        try SystemError.check("link", evil, symlink(outside, evil + "/namb"))
        _ = try await scratch.output(
            "mksquashfs", ["evil", "evil.squashfs", "-noappend", "-no-progress", "-quiet", "-noI", "-no-fragments"])
        var bytes = try Files.read(evil + ".squashfs")
        // Behind the symlink's inode there are the names of the directory.
        for name in ["nama", "namb"] {
            let found = bytes.firstRange(of: Array(name.utf8))
            bytes.replaceSubrange(try #require(found), with: Array("name".utf8))
        }
        let image = try scratch.write("evil.squashfs", bytes)
        #expect(throws: SquashfsReadError.self) {
            try RootFill(directory: target, keepsDevices: false).unpack(try SquashfsReader(image))
        }
        #expect(try Files.names(in: outside) == [] && Files.names(in: target) == [])
    }

    /// An inode that is said to have one name, and has two.
    @Test func aLinkCountThatLiesIsNamed() async throws {
        let evil = scratch.path + "/evil"
        try Files.makeDirectory(evil)
        try PackSample.put(evil + "/file", PackSample.noise(1234))
        try SystemError.check("link", evil, link(evil + "/file", evil + "/other"))
        let options = ["-noappend", "-no-progress", "-quiet", "-noI", "-no-fragments"]
        _ = try await scratch.output("mksquashfs", ["evil", "evil.squashfs"] + options)
        let reader = try SquashfsReader(evil + ".squashfs")
        var found: SquashfsInode?
        try reader.scan { found = $0.entries.first?.inode }
        let inode = try #require(found)
        var bytes = try Files.read(evil + ".squashfs")
        let place =
            Int(reader.superblock.inodeTable) + Int(inode.reference >> 16) + 2 + Int(inode.reference & 0xFFFF)
        try #require(bytes[place] == 9 && bytes[place + 40] == 2)
        bytes[place + 40] = 1
        let lying = try SquashfsReader(try scratch.write("evil.squashfs", bytes))
        let error = #expect(throws: SquashfsReadError.self) {
            try RootFill(directory: target, keepsDevices: false).unpack(lying)
        }
        #expect(error?.description.contains("/other: it has more names than its inode says") == true)
    }

    /// Symlinks are kept as they are; nothing is written through one.
    @Test func symlinksThatLeadOutAreKept() async throws {
        let evil = scratch.path + "/evil"
        try Files.makeDirectory(evil)
        for (name, goal) in [("absolute", "/etc/passwd"), ("up", "../../../../etc"), ("loop", "loop")] {
            try SystemError.check("link", evil, symlink(goal, "\(evil)/\(name)"))
        }
        _ = try await scratch.output("mksquashfs", ["evil", "evil.squashfs", "-noappend", "-no-progress", "-quiet"])
        for source in [evil, evil + ".squashfs"] {
            _ = try await scratch.output("rm", ["-rf", "target"])
            try Files.makeDirectory(target)
            _ = try RootSource(source).fill(RootFill(directory: target, keepsDevices: false))
            #expect(try Files.linkTarget(target + "/absolute") == "/etc/passwd")
            #expect(try Files.linkTarget(target + "/up") == "../../../../etc")
            #expect(try Files.linkTarget(target + "/loop") == "loop")
        }
    }

    @Test func whatNoRootCanBeTakenFromIsNamed() async throws {
        let script = try scratch.write("x.sif", Array("#!/bin/sh\n".utf8))
        let looks: [(String, String)] = [
            (script, "a script"), (try scratch.write("empty.squashfs", []), "empty"), ("/dev/null", "a device"),
            (try scratch.write("x.tar.gz", [0x1F, 0x8B, 8, 0]), "gzip data"),
        ]
        for (path, words) in looks {
            #expect(throws: RootSourceError(path: path, looks: words)) { try RootSource(path) }
        }
        let image = try await tree.image("image.tar", [])
        guard case .image = try RootSource(image) else {
            Issue.record("an image by another name is one")
            return
        }
    }
}
