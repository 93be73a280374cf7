import Glibc
import TestSupport
import Testing

@testable import NetrootSystem

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

/// What openat2(2) promises, as netroot asks it.
@Suite struct DirectoryHandleTests {
    let scratch: ScratchDirectory
    let root: DirectoryHandle

    init() throws {
        scratch = try ScratchDirectory()
        for folder in ["root/usr/lib", "outside"] { try Files.makeDirectory("\(scratch.path)/\(folder)") }
        try Files.replace(scratch.path + "/outside/file", with: bytes("outside"))
        try Files.replace(scratch.path + "/root/usr/lib/file", with: bytes("inside"))
        for (name, target) in [
            ("lib", "usr/lib"), ("absolute", "/usr/lib"), ("up", "../outside"), ("far", scratch.path + "/outside"),
            ("loop", "loop"),
        ] { try Files.replaceLink("\(scratch.path)/root/\(name)", target: target) }
        root = try DirectoryHandle(scratch.path + "/root")
    }

    private func code(_ path: String, _ symlinks: DirectoryHandle.Symlinks) throws -> Int32 {
        do {
            close(try root.open(bytes(path), O_RDONLY, symlinks))
            return 0
        } catch let error as SystemError {
            return error.code
        }
    }

    @Test func noSymlinkIsFollowed() throws {
        for path in ["usr/lib/file", "/usr/lib/file", "//usr//lib/./file", "usr/../usr/lib", "", "/"] {
            #expect(try code(path, .refused) == 0, "\(path)")
        }
        for path in ["lib", "lib/file", "absolute/file", "up/file", "far/file", "loop", "usr/../lib/file"] {
            #expect(try code(path, .refused) == ELOOP, "\(path)")
        }
        #expect(try code("..", .refused) == EXDEV && code("../outside/file", .refused) == EXDEV)
        #expect(try code("usr/../../outside/file", .refused) == EXDEV)
        #expect(throws: SystemError("read", scratch.path + "/root/lib/file", code: ELOOP)) {
            _ = try root.open(bytes("/lib/file"), O_RDONLY)
        }
    }

    @Test func symlinksLeadWhereTheyDoInTheRoot() throws {
        for path in ["lib/file", "absolute/file", "/lib/file", "../../usr/lib/file", "lib/../../usr/lib/file"] {
            #expect(try code(path, .inside) == 0, "\(path)")
        }
        for path in ["up/file", "far/file", "../outside/file"] { #expect(try code(path, .inside) == ENOENT, "\(path)") }
        #expect(try code("loop", .inside) == ELOOP)
    }

    /// PATH_MAX holds for one call.
    @Test func pathsMayBeLongerThanTheKernelTakes() throws {
        let name = String(repeating: "x", count: 200)
        var handle = root
        for _ in 0..<30 {
            try SystemError.check("make", name, mkdirat(handle.descriptor, name, 0o755))
            handle = try handle.below(bytes(name))
        }
        let path = Array((0..<30).map { _ in bytes(name) }.joined(separator: [UInt8(ascii: "/")]))
        #expect(path.count > Int(PATH_MAX))
        #expect(try root.below(path).status().st_ino == handle.status().st_ino)
        #expect(throws: SystemError.self) { try root.below(path, .inside) }
        try root.removeAll(bytes(name))
        #expect(!Files.exists("\(scratch.path)/root/\(name)"))
    }

    @Test(arguments: [
        ("a/b/c", "a/b", "c"), ("/a//b/", "a", "b"), ("a", "", "a"), ("/", "", ""), ("", "", ""), ("//a", "", "a"),
        ("a/..", "a", ".."),
    ])
    func pathsAreSplit(path: String, directory: String, name: String) {
        let split = DirectoryHandle.split(bytes(path))
        #expect(split.directory == bytes(directory) && split.name == bytes(name))
    }

    @Test func aWalkMeetsEveryFileOnceAndInOrder() throws {
        for folder in ["b/d", "b/c", "a"] { try Files.makeDirectory("\(scratch.path)/tree/\(folder)") }
        for file in ["b/c/x", "b/y", "a/z", "b.txt"] { try Files.replace("\(scratch.path)/tree/\(file)", with: []) }
        try Files.replaceLink(scratch.path + "/tree/link", target: "b")
        var met: [String] = []
        try DirectoryHandle(scratch.path + "/tree").walk { met.append(String(decoding: $0.path, as: UTF8.self)) }
        #expect(met == ["a", "b", "b.txt", "link", "a/z", "b/c", "b/d", "b/y", "b/c/x"])
    }

    @Test func aWalkStaysOnItsFilesystem() throws {
        try #require(try Files.text("/proc/self/mounts").contains(" /dev/shm "), "a mount below /dev")
        func meets(_ oneFilesystem: Bool) throws -> Set<[UInt8]> {
            let file = "/dev/shm/netroot-walk-\(getpid())"
            try Files.replace(file, with: [])
            defer { unlink(file) }
            var met: Set<[UInt8]> = []
            try DirectoryHandle("/dev").walk(oneFilesystem: oneFilesystem) { entry in
                if entry.path.starts(with: bytes("shm")) { met.insert(entry.path) }
            }
            return met
        }
        #expect(try meets(true) == [bytes("shm")])
        #expect(try meets(false).contains(bytes("shm/netroot-walk-\(getpid())")))
    }
}
