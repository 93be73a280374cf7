import Glibc
import TestSupport
import Testing

@testable import NetrootSystem

/// What removes trees, whatever is in them.
@Suite struct TreeRemovalTests {
    let scratch: ScratchDirectory

    init() throws { scratch = try ScratchDirectory(in: .disk) }

    @Test("A tree with immutable and append-only files and directories is removed")
    func flagsAreNoObstacle() async throws {
        for name in ["tree/sub/deep/file", "tree/sub/log", "tree/plain"] { try scratch.write(name, "text") }
        try await scratch.chattr("+a", "tree/sub/log")
        try await scratch.chattr("+i", "tree/sub/deep/file", "tree/sub/deep", "tree/sub", "tree")
        try Files.removeTree(scratch.path + "/tree")
        #expect(try Files.names(in: scratch.path) == [])
    }

    @Test("An append-only directory is emptied and removed")
    func anAppendOnlyDirectory() async throws {
        try scratch.write("tree/logs/old/file", "text")
        try await scratch.chattr("+a", "tree/logs", "tree/logs/old")
        try Files.removeTree(scratch.path + "/tree")
        #expect(try Files.names(in: scratch.path) == [])
    }

    @Test("An immutable file that a symlink of the tree leads to keeps its flag and its content")
    func whatASymlinkLeadsToStays() async throws {
        try scratch.write("outside/file", "theirs")
        try scratch.write("tree/immutable", "text")
        try Files.replaceLink(scratch.path + "/tree/out", target: scratch.path + "/outside")
        try Files.replaceLink(scratch.path + "/tree/file", target: scratch.path + "/outside/file")
        try await scratch.chattr("+i", "outside/file", "tree/immutable")
        try Files.removeTree(scratch.path + "/tree")
        #expect(try Files.names(in: scratch.path) == ["outside"])
        #expect(try Files.text(scratch.path + "/outside/file") == "theirs")
        #expect(try await scratch.output("lsattr", ["outside/file"]).contains("-i-"))
    }

    @Test("An immutable file that this user may not change is named, and the rest of the tree is removed")
    func anImmutableFileOfAnOrdinaryUserIsNamed() async throws {
        try Files.makeDirectory(scratch.path + "/tree")
        #expect(chown(scratch.path + "/tree", 65534, 65534) == 0)
        try asNobody {
            try scratch.write("tree/a/other", "text")
            try scratch.write("tree/b/file", "text")
        }
        try await scratch.chattr("+i", "tree/b/file")
        let path = scratch.path + "/tree/b/file"
        try asNobody {
            #expect(throws: TreeRemovalError.immutable(path: path)) { try scratch.remove("tree") }
        }
        #expect(try Files.names(in: scratch.path + "/tree") == ["b"])
        let words = TreeRemovalError.immutable(path: path).description
        #expect(words.contains("cannot remove \(path): it is immutable") && words.contains("sudo chattr -i -a \(path)"))
    }

    @Test("What is missing already, and a path without a name")
    func whatIsNotThere() throws {
        try Files.removeTree(scratch.path + "/none")
        try Files.removeTree(scratch.path + "/none/below")
        for path in ["/", "\(scratch.path)/.", "\(scratch.path)/.."] {
            #expect(throws: SystemError("remove", path, code: EINVAL)) { try Files.removeTree(path) }
        }
        try scratch.write("a", "text")
        try Files.removeTree(scratch.path + "/a/")
        #expect(try Files.names(in: scratch.path) == [])
    }

    @Test("A tree deeper than the number of descriptors is removed")
    func aDeepTree() throws {
        var directory = open(scratch.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        for _ in 0..<2000 {
            #expect(mkdirat(directory, "d", 0o755) == 0)
            let next = openat(directory, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            close(directory)
            directory = next
        }
        close(directory)
        try Files.removeTree(scratch.path + "/d")
        #expect(try Files.names(in: scratch.path) == [])
    }
}

/// The flags of chattr(1).
@Suite struct InodeFlagsTests {
    let scratch: ScratchDirectory

    init() throws { scratch = try ScratchDirectory(in: .disk) }

    @Test("The flags that forbid changes go from a whole tree, and others stay")
    func flagsGo() async throws {
        for name in ["tree/a/file", "tree/b/log", "tree/dump", "outside"] { try scratch.write(name, "text") }
        try Files.replaceLink(scratch.path + "/tree/link", target: scratch.path + "/outside")
        try await scratch.chattr("+id", "tree/a/file")
        try await scratch.chattr("+a", "tree/b/log")
        try await scratch.chattr("+i", "tree/b", "tree", "outside")
        let found = try InodeFlags.clear(tree: scratch.path + "/tree").map { String(decoding: $0, as: UTF8.self) }
        #expect(found.sorted() == ["", "a/file", "b", "b/log"])
        let flags = try await scratch.output(
            "lsattr", ["-d", "tree", "tree/a/file", "tree/b", "tree/b/log", "outside"]
        )
        .split(separator: "\n").map { String($0.prefix { $0 != " " }) }
        #expect(flags.dropLast().allSatisfy { !$0.contains("i") && !$0.contains("a") }, "\(flags)")
        #expect(flags[1].contains("d") && flags[4].contains("i"), "\(flags)")
        #expect(try InodeFlags.clear(tree: scratch.path + "/tree") == [])
        try InodeFlags.clear(scratch.path + "/outside")
        #expect(try await !scratch.output("lsattr", ["-d", "outside"]).prefix { $0 != " " }.contains("i"))
    }
}
