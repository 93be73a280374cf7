import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import NetrootSystem

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

@Suite struct FileReplacementTests {
    @Test func nothingIsLeftOfWhatFails() throws {
        struct Stop: Error {}
        let scratch = try ScratchDirectory()
        let file = scratch.path + "/file"
        try Files.replace(file, with: bytes("old"))
        #expect(throws: Stop.self) {
            try FileReplacement.write(file, mode: 0o644) { descriptor in
                _ = try descriptor.writeAll(bytes("new"))
                throw Stop()
            }
        }
        #expect(try Files.text(file) == "old" && Files.names(in: scratch.path) == ["file"])
    }

    /// A symlink under the temporary name is replaced, not followed.
    @Test(arguments: [false, true]) func aTemporaryNameThatLeadsOut(isLink: Bool) throws {
        let scratch = try ScratchDirectory()
        try Files.replace(scratch.path + "/victim", with: bytes("theirs"))
        try SystemError.check("link", "", symlink("victim", scratch.path + "/file.netroot-new"))
        let directory = try DirectoryHandle(scratch.path)
        if isLink {
            try FileReplacement.link(bytes("file"), in: directory, to: "x")
        } else {
            try FileReplacement.write(bytes("file"), in: directory, mode: 0o600) { _ = try $0.writeAll(bytes("ours")) }
        }
        #expect(try Files.text(scratch.path + "/victim") == "theirs")
        #expect(try Files.names(in: scratch.path) == ["file", "victim"])
    }

    @Test("What a killed run left of its files goes; what a run writes now stays, and so does what is not ours")
    func whatIsLeftOfKilledRunsGoes() throws {
        let scratch = try ScratchDirectory()
        try Files.replace(scratch.path + "/kept", with: bytes("text"))
        let left = ["a.netroot-new", "b.netroot-new-0123456789abcdef"]
        let others = [".netroot-new", "b.netroot-new-0123", "c.netroot-new.old"]
        for name in left + others { try scratch.write(name, "half") }
        #expect(symlink("kept", scratch.path + "/link.netroot-new") == 0)
        #expect(mkdir(scratch.path + "/folder.netroot-new", 0o755) == 0)
        let writing = try FileReplacement(of: scratch.path + "/now")
        let removed = FileReplacement.removeUnfinished(in: scratch.path)
        #expect(removed == left.map { "\(scratch.path)/\($0)" })
        try writing.publish(mode: 0o644)
        #expect(
            try Set(Files.names(in: scratch.path))
                == Set(["folder.netroot-new", "kept", "link.netroot-new", "now"] + others))
    }

    @Test(arguments: [("/a/b", "/a"), ("/a", "/"), ("/", "/"), ("a/b", "a"), ("a", "."), ("/a/b/", "/a")])
    func parents(path: String, parent: String) { #expect(Files.parent(path) == parent) }

    @Test(arguments: [("/a/b", "b"), ("a", "a"), ("/a/b/", "b"), ("/", "/"), ("", "")])
    func names(path: String, name: String) { #expect(Files.name(path) == name) }
}
