import Foundation
import TestSupport
import Testing

@testable import NetrootSystem

@Suite struct FilesTests {
    @Test func replaceKeepsTheOldFileWhereItFails() throws {
        let scratch = try ScratchDirectory()
        let path = scratch.path + "/file"
        try Files.replace(path, with: Array("old".utf8))
        try FileManager.default.createDirectory(
            atPath: path + ".netroot-new", withIntermediateDirectories: false)
        #expect(throws: SystemError.self) { try Files.replace(path, with: Array("new".utf8)) }
        #expect(try Files.text(path) == "old")
    }

    @Test func replaceSetsTheModeWhateverTheUmask() throws {
        let scratch = try ScratchDirectory()
        let path = scratch.path + "/file"
        let before = umask(0o077)
        defer { umask(before) }
        try Files.replace(path, with: [], mode: 0o644)
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o644)
    }

    @Test func aLinkIsReplacedInOneStep() throws {
        let scratch = try ScratchDirectory()
        let link = scratch.path + "/current"
        try Files.replaceLink(link, target: "generations/1")
        try Files.replaceLink(link, target: "generations/2")
        #expect(try Files.linkTarget(link) == "generations/2")
        #expect(try Files.names(in: scratch.path) == ["current"])
    }

    @Test func aFileAboveTheLimitIsRefused() throws {
        let scratch = try ScratchDirectory()
        try Files.replace(scratch.path + "/big", with: [UInt8](repeating: 0, count: 1000))
        #expect(throws: SystemError.self) { _ = try Files.read(scratch.path + "/big", limit: 999) }
    }

    @Test func theNearestDirectoryExists() throws {
        let scratch = try ScratchDirectory()
        #expect(Files.nearestDirectory(scratch.path + "/a/b/c") == scratch.path)
        #expect(Files.nearestDirectory("/no-such-directory-here/x") == "/")
    }

    @Test func aSecondLockNamesTheHolder() throws {
        let scratch = try ScratchDirectory()
        let path = scratch.path + "/lock"
        let first = try FileLock(path: path, subject: "label a", verb: "build a")
        let error = #expect(throws: LockedError.self) {
            _ = try FileLock(path: path, subject: "label a", verb: "shell a")
        }
        #expect(error?.holder == "netroot build a, process \(getpid())")
        #expect(error?.exitStatus == .locked)
        withExtendedLifetime(first) {}
    }

    @Test func aLockIsFreeWhenItsHolderIsGone() throws {
        let scratch = try ScratchDirectory()
        let path = scratch.path + "/lock"
        do { _ = try FileLock(path: path, subject: "label a", verb: "build a") }
        _ = try FileLock(path: path, subject: "label a", verb: "build a")
    }

    @Test func missingToolsNameTheirPackages() throws {
        let error = #expect(throws: MissingError.self) {
            try Tool.require([
                Tool("sh", package: "dash"), Tool("no-such-a", package: "pkg"), Tool("no-such-b", package: "pkg"),
            ])
        }
        #expect(error?.description == "not installed: no-such-a, no-such-b; apt-get install pkg")
        #expect(error?.exitStatus == .unavailable)
    }

    @Test func errorsAdviseWhatToDo() {
        #expect(SystemError("write", "/x", code: ENOSPC).description.hasSuffix("free space there"))
        #expect(SystemError("write", "/x", code: ENOSPC).isDiskFull)
        #expect(!SystemError("write", "/x", code: ENOENT).isDiskFull)
    }

    @Test func decimalsHaveNoLocale() {
        #expect(Progress.decimal(12.34) == "12.3")
        #expect(Progress.decimal(0.05) == "0.1")
        #expect(Progress.decimal(0) == "0.0")
    }
}
