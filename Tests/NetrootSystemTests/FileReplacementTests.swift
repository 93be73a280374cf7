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

    @Test(arguments: [("/a/b", "/a"), ("/a", "/"), ("/", "/"), ("a/b", "a"), ("a", "."), ("/a/b/", "/a")])
    func parents(path: String, parent: String) { #expect(Files.parent(path) == parent) }

    @Test(arguments: [("/a/b", "b"), ("a", "a"), ("/a/b/", "b"), ("/", "/"), ("", "")])
    func names(path: String, name: String) { #expect(Files.name(path) == name) }
}
