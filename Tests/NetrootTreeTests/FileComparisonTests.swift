import CLinux
import CSquashFS
import Glibc
import NetrootImage
import NetrootSystem
import TestSupport
import Testing

@testable import NetrootTree

/// Two trees, and images of them by the project's writer, compared with each other.
@Suite struct FileComparisonTests {
    let tree: SquashfsTree
    private var scratch: ScratchDirectory { tree.scratch }
    private var copy: String { scratch.path + "/copy" }

    /// A tree with one of everything, and a copy in which every time is another one.
    init() async throws {
        tree = try await SquashfsTree.withAttributes(isSmall: true)
        _ = try await scratch.output("cp", ["-a", tree.path, copy])
        _ = try await scratch.output(
            "find", ["copy", "-depth", "-exec", "touch", "-h", "-d", "@1700000000", "{}", "+"])
    }

    private func image(_ path: String) async throws -> FileListing {
        let image = path + ".squashfs"
        _ = try await SquashfsWriter(tree: path, image: image).write()
        return try FileListing(image: try SquashfsReader(image))
    }

    /// The differences between the trees; they must be the same between tree and image, image and tree, two images.
    private func differences(sourceLocation: SourceLocation = #_sourceLocation) async throws -> [String] {
        let before = [try FileListing(directory: tree.path), try await image(tree.path)]
        let after = [try FileListing(directory: copy), try await image(copy)]
        #expect(before[0].bytes == before[1].bytes && before[0].files == before[1].files)
        let expected = try await before[0].differences(to: after[0])
        for (one, other) in [(0, 1), (1, 0), (1, 1)] {
            let found = try await before[one].differences(to: after[other])
            #expect(found == expected, "tree or image \(one), \(other)", sourceLocation: sourceLocation)
        }
        for index in 0...1 {
            let back = try await after[index].differences(to: before[index])
            #expect(back.map(\.path) == expected.map(\.path))
            #expect(back.map(\.aspects) == expected.map(\.aspects))
            #expect(back.map(\.before) == expected.map(\.after))
        }
        return expected.map { difference in
            let sign = difference.before == nil ? "+" : difference.after == nil ? "-" : "~"
            let aspects = difference.aspects.map { " \($0)" }.sorted().joined()
            return "\(sign)\(String(decoding: difference.path, as: UTF8.self))\(aspects) \(difference.bytes)"
        }
    }

    /// An ACL, too, which the image cannot hold: another one is not a difference.
    @Test func aCopyWithOtherTimesIsTheSame() async throws {
        // u::rw- u:1:r-- g::r-- m::r-- o::r--, as acl(5) is stored.
        let acl = "0x0200000001000600ffffffff020004000100000004000400ffffffff10000400ffffffff20000400ffffffff"
        _ = try await scratch.output("setfattr", ["-n", "system.posix_acl_access", "-v", acl, "copy/etc/hostname"])
        #expect(try await differences() == [])
        let listing = try FileListing(directory: tree.path)
        #expect(try await listing.differences(to: listing) == [])
        // Regular files of the fixture, hard links once.
        let files = try await scratch.output("find", ["tree", "-type", "f", "-printf", "%i\\n"])
        #expect(listing.files == Set(files.split(separator: "\n")).count)
    }

    @Test(arguments: [
        ("printf x | dd of=bin/program bs=1 seek=70000 conv=notrunc", "~/bin/program content 0"),
        ("printf x | dd of=bin/program conv=notrunc", "~/bin/program content 0"),
        ("printf x | dd of=hole bs=1 seek=14999 conv=notrunc", "~/hole content 0"),
        ("printf more >> etc/nothing", "~/etc/nothing content 4"),
        ("truncate -s 16000 bin/whole", "~/bin/whole content -384"),
        ("chmod 0600 etc/shadow", "~/etc/shadow mode 0"),
        ("chmod u-s bin/program", "~/bin/program mode 0"),
        ("chmod 0750 etc/deep", "~/etc/deep mode 0"),
        ("chmod 0700 .", "~/ mode 0"),
        ("chown 7:0 dev/fifo", "~/dev/fifo owner 0"),
        ("chown -h 0:7 bin/link", "~/bin/link owner 0"),
        ("ln -sfn /etc bin/link", "~/bin/link target 0"),
        ("setfattr -n user.small -v other bin/program", "~/bin/program xattrs 0"),
        ("setfattr -x user.directory etc", "~/etc xattrs 0"),
        ("setcap cap_net_raw+ep bin/whole", "~/bin/whole xattrs 0"),
        ("rm dev/socket", "-/dev/socket 0"),
        (
            "rm -r etc/deep/er",
            "-/etc/deep/er 0|-/etc/deep/er/and 0|-/etc/deep/er/and/deeper 0|-/etc/deep/er/and/deeper/file -5000"
        ),
        ("printf new > etc/new; mkdir 0", "+/0 0|+/etc/new 3"),
        ("rm dev/fifo; mkdir dev/fifo; chmod 0640 dev/fifo; printf x > dev/fifo/x", "~/dev/fifo type 0|+/dev/fifo/x 1"),
        ("rm -r empty; ln -s etc empty", "~/empty type 0"),
        ("rm etc/shadow; mkfifo -m 0640 etc/shadow", "~/etc/shadow type -7"),
        (
            "printf X | dd of=etc/hostname conv=notrunc",
            "~/etc/hostname content 0|~/etc/hostname2 content 0|~/many/hostname3 content 0"
        ),
        (
            "cp -a etc/hostname2 x; mv x etc/hostname2", ""
        ),
    ]) func eachKindOfChange(script: String, expected: String) async throws {
        let owner = geteuid() == 0 || !["chown", "setcap"].contains { script.hasPrefix($0) }
        try #require(owner, "needs root, for chown and setcap")
        _ = try await scratch.output("sh", ["-ec", "cd copy; export PATH=$PATH:/usr/sbin; \(script)"])
        #expect(try await differences() == expected.split(separator: "|").map(String.init))
    }

    /// mknod wants root.
    @Test(.enabled(if: geteuid() == 0, "mknod needs root")) func devices() async throws {
        for path in [tree.path, copy] {
            try SystemError.check("make", path, mknod(path + "/dev/a", S_IFCHR | 0o600, 0x501))
        }
        for (path, number) in [(tree.path, dev_t(0x10_0325)), (copy, dev_t(0x10_0326))] {
            try SystemError.check("make", path, mknod(path + "/dev/b", S_IFBLK | 0o600, number))
        }
        #expect(try await differences() == ["~/dev/b device 0"])
        let listing = try FileListing(directory: copy)
        let block = try #require(listing.nodes.first { $0.entry.type == .blockDevice }).entry
        #expect(block.deviceMajor == 3 && block.deviceMinor == 0x126)
    }

    @Test func namesInAnyBytes() async throws {
        let old = [UInt8]("/empty/".utf8) + [0x5C, 0x0A, 0xC3]
        let text = (Array(copy.utf8) + old).map { CChar(bitPattern: $0) } + [0]
        try SystemError.check("make", copy, mkdir(text, 0o755))
        let before = try await image(tree.path)
        let found = try await before.differences(to: try FileListing(directory: copy))
        #expect(found.map(\.path) == [old])
    }

    /// PATH_MAX holds for one system call, not for a tree.
    @Test func pathsLongerThanPathMax() async throws {
        let name = String(repeating: "n", count: 240)
        func write(_ text: String, below path: String) throws {
            var directory = try SystemError.check("read", path, open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
            for _ in 0..<20 {
                _ = mkdirat(directory, name, 0o755)
                let next = openat(directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                close(directory)
                directory = try SystemError.check("make", path, next)
            }
            defer { close(directory) }
            let file = openat(directory, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
            defer { close(file) }
            try #require(Glibc.write(file, text, text.utf8.count) == text.utf8.count)
            try #require(lsetxattr("/proc/self/fd/\(directory)/file", "user.a", text, 3, 0) == 0)
        }
        try write("abc", below: tree.path + "/empty")
        try write("abc", below: copy + "/empty")
        #expect(try await differences() == [])
        try write("abd", below: copy + "/empty")
        let path = "/empty" + String(repeating: "/" + name, count: 20) + "/file"
        #expect(try await differences() == ["~\(path) content xattrs 0"])
        _ = try await scratch.output("rm", ["-r", "tree/empty", "copy/empty"])
    }

    /// A block that cannot be decompressed is an error, not a difference. The first one is behind the superblock and the
    /// compressor's options.
    @Test func aDamagedImageIsAnError() async throws {
        let before = try FileListing(directory: tree.path)
        _ = try await image(tree.path)
        let path = tree.path + ".squashfs"
        var bytes = try Files.read(path)
        for index in 106..<110 { bytes[index] = ~bytes[index] }
        try Files.replace(path, with: bytes)
        let damaged = try FileListing(image: try SquashfsReader(path))
        await #expect(throws: SquashfsReadError.self) { try await before.differences(to: damaged) }
        for index in max(96, bytes.count - 6000)..<bytes.count { bytes[index] = ~bytes[index] }
        try Files.replace(path, with: bytes)
        #expect(throws: SquashfsReadError.self) { try FileListing(image: try SquashfsReader(path)) }
    }

    /// What is gone, or shorter, when it is read was there when it was listed.
    @Test func aFileThatChangesMeanwhileIsNamed() async throws {
        let before = try FileListing(directory: tree.path)
        let after = try FileListing(directory: copy)
        try SystemError.check("cut", copy, truncate(copy + "/bin/whole", 5))
        await #expect(throws: FileListingError.changed(path: copy + "/bin/whole")) {
            try await before.differences(to: after)
        }
        try SystemError.check("remove", copy, unlink(copy + "/bin/whole"))
        await #expect(throws: FileListingError.changed(path: copy + "/bin/whole")) {
            try await before.differences(to: after)
        }
        #expect(throws: SystemError.self) { try FileListing(directory: scratch.path + "/absent") }
        #expect(throws: SystemError.self) { try FileListing(directory: tree.path + "/etc/shadow") }
    }

    @Test func comparisonEndsWhenItIsCancelled() async throws {
        let path = tree.path
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try FileListing(directory: path)
        }
        await #expect(throws: CancellationError.self) { try await task.value }
    }
}
