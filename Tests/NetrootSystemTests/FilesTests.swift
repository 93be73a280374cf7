import Foundation
import Glibc
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

    @Test("A FIFO, a socket, a device, a directory or ten gigabytes in the place of a file are refused at once")
    func whatIsNoFileIsRefused() throws {
        let scratch = try ScratchDirectory()
        let path = scratch.path + "/file"
        let begin = ContinuousClock.now
        #expect(mkfifo(path, 0o600) == 0)
        let error = #expect(throws: FileKindError.self) { _ = try Files.read(path) }
        #expect(error?.description == "cannot read \(path): it is a FIFO and not a file; put the file in its place")
        #expect(throws: FileKindError(path: path, found: "a FIFO")) {
            try Files.copy(path, to: scratch.path + "/copy", mode: 0o600)
        }
        #expect(throws: FileKindError(path: "/dev/zero", found: "a device")) { _ = try Files.read("/dev/zero") }
        #expect(throws: SystemError("read", scratch.path, code: EISDIR)) { _ = try Files.read(scratch.path) }
        #expect(unlink(path) == 0)
        try Files.replace(path, with: [])
        #expect(truncate(path, 10 << 30) == 0)
        #expect(throws: SystemError("read", path, code: EFBIG)) { _ = try Files.read(path) }
        #expect(ContinuousClock.now - begin < .seconds(20))
        // Of the kernel's files the size is 0.
        #expect(try Files.text("/proc/self/status").contains("Pid:"))
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

    @Test("A lock file is for its owner alone, one of an older netroot too")
    func aLockFileIsPrivate() throws {
        let scratch = try ScratchDirectory()
        let path = scratch.path + "/lock"
        for older in [false, true] {
            if older { try Files.replace(path, with: Array("netroot build a, process 1".utf8), mode: 0o644) }
            do {
                let lock = try FileLock(path: path, subject: "label a", verb: "build a")
                withExtendedLifetime(lock) {}
            }
            var status = stat()
            #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
            #expect(try Files.text(path) == "", "a holder that is gone is not to be read about")
        }
    }

    @Test("A holder that has died, or whose number another process has now, is not named")
    func aDeadHolderIsNotNamed() throws {
        let scratch = try ScratchDirectory()
        let path = scratch.path + "/lock"
        for text in [
            "netroot build a, process 2147483646\n12\n", "netroot build a, process \(getpid())\n12\n",
            "netroot build a, process \(getpid())", "garbage",
        ] {
            try Files.replace(path, with: Array(text.utf8), mode: 0o600)
            let descriptor = open(path, O_RDONLY | O_CLOEXEC)
            defer { close(descriptor) }
            #expect(flock(descriptor, LOCK_EX) == 0)
            let error = #expect(throws: LockedError.self) {
                _ = try FileLock(path: path, subject: "label a", verb: "shell a")
            }
            // By the kernel's list of locks.
            #expect(error?.holder == "process \(getpid())", "\(text)")
        }
        #expect(LockHolder(text: LockHolder(verb: "build, process 7").text) == LockHolder(verb: "build, process 7"))
        // Two file systems have the same inode.
        let locks = "1: FLOCK  ADVISORY  WRITE 4711 08:01:99 0 EOF\n2: FLOCK  ADVISORY  WRITE 4712 fd:10:99 0 EOF\n"
        #expect(LockHolder.process(holding: 99, on: 0xFD10, in: locks) == 4712)
        #expect(LockHolder.process(holding: 99, on: 0x802, in: locks) == nil)
        #expect(LockHolder(verb: "build a").lives && LockHolder(verb: "build a").began != nil)
    }

    @Test("A symlink or a FIFO in the place of a lock file is refused")
    func aLockFileThatIsNone() throws {
        let scratch = try ScratchDirectory()
        let path = scratch.path + "/lock"
        try scratch.write("victim", "theirs")
        #expect(symlink("victim", path) == 0)
        #expect(throws: SystemError("lock", path, code: ELOOP)) {
            _ = try FileLock(path: path, subject: "a", verb: "b")
        }
        #expect(unlink(path) == 0 && mkfifo(path, 0o600) == 0)
        #expect(throws: FileKindError.self) { _ = try FileLock(path: path, subject: "a", verb: "b") }
        #expect(try Files.text(scratch.path + "/victim") == "theirs")
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
