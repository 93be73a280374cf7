import Glibc
import TestSupport
import Testing

@testable import NetrootSystem

/// What does not come from the caller; CommandTests have the whole program.
@Suite struct CallerStateTests {
    let scratch: ScratchDirectory

    init() throws { scratch = try ScratchDirectory(in: .disk) }

    @Test("A directory below one with default ACLs and a setgid bit hands nothing down")
    func aDirectoryInheritsNothing() async throws {
        let above = scratch.path + "/above"
        try Files.makeDirectory(above)
        try #require(geteuid() == 0, "another group needs root")
        #expect(chown(above, 0, 12) == 0 && chmod(above, 0o2755) == 0)
        _ = try await scratch.output("setfacl", ["-d", "-m", "u:nobody:rwx,g::-,m::rwx,o::-", "above"])
        let own = above + "/own"
        #expect(mkdir(own, 0o755) == 0)
        #expect(try await scratch.output("getfacl", ["-c", "above/own"]).contains("default:user:nobody:rwx"))
        try Files.disinherit(own)
        #expect(
            try await scratch.output("getfacl", ["-c", "-n", "above/own"])
                == "user::rwx\ngroup::r-x\nother::r-x\n\n")
        #expect(try await scratch.output("stat", ["-c", "%a %u %g", "above/own"]) == "755 0 0\n")
        _ = try await scratch.output("sh", ["-c", "umask 022; mkdir above/own/sub; : > above/own/sub/file"])
        let made = try await scratch.output("stat", ["-c", "%a %g", "above/own/sub", "above/own/sub/file"])
        #expect(made == "755 0\n644 0\n")
        try Files.disinherit(own, mode: 0o700)
        #expect(try await scratch.output("stat", ["-c", "%a", "above/own"]) == "700\n")
    }

    @Test("Temporary files go to TMPDIR only where it is a directory by its whole path that can be written")
    func temporaryFiles() throws {
        try scratch.write("file", "text")
        #expect(Files.temporaryPlace(scratch.path) == scratch.path)
        for bad in [nil, "", "relative", ".", scratch.path + "/none", scratch.path + "/file"] {
            #expect(Files.temporaryPlace(bad) == "/tmp", "\(bad ?? "nil")")
        }
    }

    @Test("Every variable is dropped once, and none that a recipe or a proxy needs")
    func droppedVariables() {
        let dropped = CallerState.droppedVariables
        #expect(Set(dropped).count == dropped.count)
        for name in ["TMPDIR", "LANGUAGE", "PERL5LIB", "GREP_OPTIONS", "CDPATH", "ENV", "BASH_ENV"] {
            #expect(dropped.contains(name))
        }
        for name in ["PATH", "HOME", "http_proxy", "no_proxy", "SOURCE_DATE_EPOCH", "XDG_RUNTIME_DIR", "TERM"] {
            #expect(!dropped.contains(name))
        }
    }
}
