import Glibc
import TestSupport
import Testing

@testable import NetrootSystem

@Suite struct CacheDirectoryTests {
    let scratch: ScratchDirectory

    init() throws { scratch = try ScratchDirectory() }

    @Test("A directory of the cache is made for its owner alone, and found again")
    func itIsPrivate() throws {
        let cache = scratch.path + "/cache"
        for _ in 0..<2 {
            #expect(try CacheDirectory.make("debootstrap/a", in: cache) == cache + "/debootstrap/a")
        }
        for name in ["debootstrap", "debootstrap/a"] {
            var status = stat()
            #expect(stat("\(cache)/\(name)", &status) == 0 && status.st_mode & 0o7777 == 0o700)
        }
    }

    @Test(
        "A cache that others can write is refused, at whichever level",
        arguments: ["", "/debootstrap", "/debootstrap/a"])
    func othersWrite(level: String) throws {
        let cache = scratch.path + "/cache"
        _ = try CacheDirectory.make("debootstrap/a", in: cache)
        for mode: UInt16 in [0o777, 0o1777, 0o720] {
            #expect(chmod(cache + level, mode_t(mode)) == 0)
            #expect(throws: CacheError.writable(path: cache + level, mode: mode, cache: cache)) {
                try CacheDirectory.make("debootstrap/a", in: cache)
            }
        }
        #expect(chmod(cache + level, 0o755) == 0)
        _ = try CacheDirectory.make("debootstrap/a", in: cache)
    }

    @Test("The one command that is named makes a cache of an older netroot, with umask 002, usable at all levels")
    func theOneCommand() async throws {
        let cache = scratch.path + "/cache"
        _ = try CacheDirectory.make("dnf/a/b", in: cache)
        for level in ["", "/dnf", "/dnf/a", "/dnf/a/b"] { #expect(chmod(cache + level, 0o775) == 0) }
        let error = #expect(throws: CacheError.self) { try CacheDirectory.make("dnf/a/b", in: cache) }
        let command = ["chmod", "-R", "go-w", cache]
        #expect(error?.description.contains("\n" + command.joined(separator: " ") + ", if nobody has;") == true)
        _ = try await CommandRunner().capture(Command(command))
        _ = try CacheDirectory.make("dnf/a/b", in: cache)
    }

    @Test("A cache of another user is refused", .enabled(if: geteuid() == 0))
    func anothersCache() throws {
        let cache = scratch.path + "/cache"
        try Files.makeDirectory(cache)
        #expect(chown(cache, 4711, 4711) == 0)
        #expect(throws: CacheError.foreign(path: cache, owner: 4711)) { try CacheDirectory.make("a", in: cache) }
    }
}
