import Glibc
import NetrootSystem
import TestSupport
import Testing

/// Files are seen and made as by this user, who may not do everything; by this thread alone.
func asNobody(_ body: () throws -> Void) throws {
    guard geteuid() == 0 else { return try body() }
    // Not in Swift's Glibc module.
    let symbol = try #require(dlsym(nil, "setfsuid"))
    let setfsuid = unsafeBitCast(symbol, to: (@convention(c) (UInt32) -> Int32).self)
    _ = setfsuid(65534)
    defer { _ = setfsuid(0) }
    try body()
}

/// The scratch directories of all tests.
@Suite struct ScratchDirectoryTests {
    @Test func nothingIsLeftWhateverLiesInIt() throws {
        let outside = try ScratchDirectory()
        try outside.write("file", "theirs")
        try asNobody {
            var scratch: ScratchDirectory? = try ScratchDirectory()
            let path = try #require(scratch?.path)
            try scratch?.write("closed/deep/file", "text")
            let name = Array("\(path)/closed/".utf8CString.dropLast()) + [-1, -2, 0x0A, 0]
            #expect(mkdir(name, 0o755) == 0)
            #expect(mkfifo(path + "/fifo", 0o600) == 0)
            #expect(symlink(outside.path, path + "/closed/out") == 0)
            #expect(chmod(path + "/closed/deep", 0) == 0 && chmod(path + "/closed", 0o500) == 0)
            scratch = nil
            #expect(!Files.exists(path))
        }
        #expect(try Files.text(outside.path + "/file") == "theirs")
    }

    @Test func aPathLongerThanTheKernelTakesGoes() throws {
        var scratch: ScratchDirectory? = try ScratchDirectory()
        let path = try #require(scratch?.path)
        let name = String(repeating: "d", count: 255)
        var directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        for _ in 0..<20 {
            #expect(mkdirat(directory, name, 0o755) == 0)
            let next = openat(directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            close(directory)
            directory = next
        }
        close(directory)
        scratch = nil
        #expect(!Files.exists(path))
    }

    @Test func whatIsLeftFailsTheTest() throws {
        try #require(geteuid() == 0, "a file of somebody else needs root")
        var scratch: ScratchDirectory?
        try asNobody { scratch = try ScratchDirectory() }
        let path = try #require(scratch?.path)
        try scratch?.write("theirs/file", "text")
        try withKnownIssue {
            try asNobody {
                try scratch?.write("own/file", "text")
                scratch = nil
            }
        } matching: {
            "\($0)".contains("the scratch directory \(path) is left") && "\($0)".contains("\(path)/theirs/file")
        }
        #expect(try Files.names(in: path) == ["theirs"], "the rest is removed all the same")
        #expect(unlink(path + "/theirs/file") == 0 && rmdir(path + "/theirs") == 0 && rmdir(path) == 0)
    }

    @Test func oneThatIsGoneAlreadyIsNoFailure() throws {
        let scratch = try ScratchDirectory(in: .disk)
        try scratch.write("sub/file", "text")
        try scratch.remove("sub")
        try scratch.remove("sub")
        #expect(scratch.path.hasPrefix("/var/tmp/"))
        #expect(try Files.names(in: scratch.path) == [])
        try scratch.remove()
        #expect(!Files.exists(scratch.path))
    }
}
