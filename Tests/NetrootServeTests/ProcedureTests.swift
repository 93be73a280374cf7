import Glibc
import NIOCore
import NetrootImage
import Testing

@testable import NetrootServe

/// Tests with servers run one after the other: their clients block a thread each.
@Suite(.serialized) struct ServerTests {}

extension ServerTests {
    @Suite(.serialized) struct ProcedureTests {
        @Test(arguments: TreeKind.allCases) func attributesAreThoseOnDisk(kind: TreeKind) async throws {
            let tree = try TestTree.sample()
            try await withServer([try await tree.export(kind)]) { server in
                let client = try RawClient(port: server.port)
                let root = try client.mount("/x")
                for (name, type) in [("etc/hostname", 1), ("etc", 2), ("sbin", 5), ("fifo", 7)] as [(String, UInt32)] {
                    var status = stat()
                    #expect(lstat(tree.path + "/" + name, &status) == 0)
                    let attributes = try client.attributes(try client.walk(name, from: root))
                    #expect(attributes.type == type)
                    #expect(attributes.mode == UInt32(status.st_mode) & 0o7777)
                    #expect(attributes.links == UInt32(status.st_nlink))
                    #expect(attributes.user == status.st_uid && attributes.group == status.st_gid)
                    // What squashfs does not hold: a directory's size, and blocks.
                    if kind == .tree || type != 2 { #expect(attributes.size == UInt64(status.st_size)) }
                    if kind == .tree {
                        #expect(attributes.used == UInt64(status.st_blocks) * 512)
                        #expect(attributes.inode == UInt64(status.st_ino))
                    }
                    #expect(attributes.modified == UInt64(status.st_mtim.tv_sec) << 32)
                }
                #expect(server.statistics[.getAttributes] == 4)
            }
        }

        @Test(
            "Times before 1970 and after 2106 are the same from a tree and from its image", arguments: TreeKind.allCases
        )
        func timesOutOfRange(kind: TreeKind) async throws {
            let tree = try TestTree.sample()
            let times: [(String, Int, UInt32)] = [
                ("etc/hostname", -1, 0), ("etc", 1 << 32, .max), ("fifo", 5_000_000_000, .max),
                ("sbin", Int(UInt32.max), .max),
            ]
            for (name, seconds, _) in times {
                let time = timespec(tv_sec: seconds, tv_nsec: 999_999_999)
                #expect(utimensat(AT_FDCWD, tree.path + "/" + name, [time, time], AT_SYMLINK_NOFOLLOW) == 0)
            }
            // By our own packer: mksquashfs keeps the lower 32 bits of a time.
            var export = tree.export()
            if kind == .image {
                let image = tree.path + ".squashfs"
                _ = try await SquashfsWriter(tree: tree.path, image: image).write()
                export = Export(path: "/x", image: image, generation: 1)
            }
            try await withServer([export]) { server in
                let client = try RawClient(port: server.port)
                let root = try client.mount("/x")
                for (name, _, expected) in times {
                    let attributes = try client.attributes(try client.walk(name, from: root))
                    #expect(attributes.modified == UInt64(expected) << 32, "\(name)")
                }
            }
        }

        @Test(arguments: TreeKind.allCases) func lookupFindsNamesAndDots(kind: TreeKind) async throws {
            let tree = try TestTree.sample()
            try await withServer([try await tree.export(kind)]) { server in
                let client = try RawClient(port: server.port)
                let root = try client.mount("/x")
                let etc = try client.lookup("etc", in: root)
                #expect(try client.lookup("..", in: etc) == root)
                #expect(try client.lookup(".", in: etc) == etc)
                #expect(try client.lookup("..", in: root) == root)
                let first = try client.lookup("hostname", in: etc)
                #expect(try client.lookup("hostname2", in: etc) == first)
                #expect(try client.attributes(first).links == 2)
                for name in ["absent", "etc/hostname", "../outside", "...", "hostname/"] {
                    #expect(throws: NFSStatus.noEntry) { try client.lookup(name, in: etc) }
                }
                #expect(throws: NFSStatus.nameTooLong) {
                    try client.lookup(String(repeating: "a", count: 256), in: etc)
                }
                #expect(throws: NFSStatus.invalid) { try client.lookup("", in: etc) }
                #expect(throws: NFSStatus.notDirectory) { try client.lookup("x", in: first) }
            }
        }

        @Test(arguments: TreeKind.allCases) func symlinksAreGivenAndNeverFollowed(kind: TreeKind) async throws {
            let tree = try TestTree.sample()
            try await withServer([try await tree.export(kind)]) { server in
                let client = try RawClient(port: server.port)
                let root = try client.mount("/x")
                for (name, target) in [
                    ("sbin", "usr/sbin"), ("escape", "../../outside"), ("escape-absolute", tree.outside),
                ] {
                    let link = try client.lookup(name, in: root)
                    var reader = try client.call(5) { $0.write(handle: link) }
                    try reader.status()
                    _ = try reader.optionalAttributes()
                    #expect(try reader.string() == target)
                    #expect(throws: NFSStatus.notDirectory) { try client.lookup("secret", in: link) }
                    #expect(throws: NFSStatus.invalid) { try client.read(link, offset: 0, count: 10) }
                }
                let file = try client.walk("etc/hostname", from: root)
                var reader = try client.call(5) { $0.write(handle: file) }
                #expect(throws: NFSStatus.invalid) { try reader.status() }
            }
        }

        @Test(arguments: TreeKind.allCases) func readGivesTheBytes(kind: TreeKind) async throws {
            let tree = try TestTree.sample()
            try await withServer([try await tree.export(kind)]) { server in
                let client = try RawClient(port: server.port)
                let root = try client.mount("/x")
                let file = try client.walk("usr/lib/systemd/systemd", from: root)
                let whole = Array(String(repeating: "systemd\n", count: 40_000).utf8)
                let all = try client.read(file, offset: 0, count: 1 << 20)
                #expect(all.bytes == whole && all.isEnd)
                let middle = try client.read(file, offset: 1001, count: 333)
                #expect(middle.bytes == Array(whole[1001..<1334]) && !middle.isEnd)
                let last = try client.read(file, offset: 319_990, count: 333)
                #expect(last.bytes == Array(whole[319_990...]) && last.isEnd)
                for offset in [320_000, 320_001, UInt64.max] {
                    let beyond = try client.read(file, offset: offset, count: 10)
                    #expect(beyond.bytes.isEmpty && beyond.isEnd)
                }
                let none = try client.read(file, offset: 0, count: 0)
                #expect(none.bytes.isEmpty && !none.isEnd)
                #expect(throws: NFSStatus.isDirectory) { try client.read(root, offset: 0, count: 1) }
                let fifo = try client.lookup("fifo", in: root)
                #expect(throws: NFSStatus.invalid) { try client.read(fifo, offset: 0, count: 1) }
                #expect(server.statistics.bytesRead == UInt64(320_000 + 333 + 10))
            }
        }

        @Test(arguments: [false, true], TreeKind.allCases)
        func directoriesAreListedOnceEach(plus: Bool, kind: TreeKind) async throws {
            let tree = try TestTree.sample()
            let export = try await tree.export(kind)
            var cookie: UInt64 = 0
            var verifier: UInt64 = 0
            var names: [String] = []
            // A new server for each reply: cookies outlive it.
            for _ in 0..<200 {
                var isEnd = false
                try await withServer([export]) { server in
                    let client = try RawClient(port: server.port)
                    let many = try client.walk("many", from: try client.mount("/x"))
                    let page = try Self.page(client, many, cookie, verifier, size: 8192, plus: plus)
                    #expect(page.verifier == 1)
                    names += page.names
                    cookie = page.cookie
                    verifier = page.verifier
                    isEnd = page.isEnd
                }
                if isEnd { break }
            }
            #expect(names.count == 502)
            #expect(Set(names) == Set((0..<500).map { "file-\($0)" } + [".", ".."]))
        }

        @Test("a listing that was begun before an upgrade goes on where it was", arguments: TreeKind.allCases)
        func anOldListingGoesOn(kind: TreeKind) async throws {
            let tree = try TestTree.sample()
            try await withServer([try await tree.export(kind)]) { server in
                let client = try RawClient(port: server.port)
                let many = try client.walk("many", from: try client.mount("/x"))
                let all = try Self.page(client, many, 0, size: 65536, plus: false).names
                #expect(all.count == 502)
                // As the server of then made it, of an entry in the middle, whose hash no other name has.
                let cookie = UInt64(ServedTree.hash(all[250])) << 16 + 3
                var page = try Self.page(client, many, cookie, 0, size: 4096, plus: false)
                var names = page.names
                while !page.isEnd {
                    #expect(page.verifier == 0)
                    page = try Self.page(client, many, page.cookie, page.verifier, size: 4096, plus: false)
                    names += page.names
                }
                #expect(names == Array(all[251...]))
            }
        }

        /// One reply's names, its last cookie, its cookie verifier and whether it was the last.
        static func page(
            _ client: RawClient, _ handle: [UInt8], _ cookie: UInt64, _ verifier: UInt64 = 0, size: UInt32, plus: Bool
        ) throws -> (names: [String], cookie: UInt64, verifier: UInt64, isEnd: Bool) {
            var reader = try client.call(plus ? 17 : 16) { buffer in
                buffer.write(handle: handle)
                buffer.writeMultipleIntegers(cookie, verifier, size)
                if plus { buffer.writeInteger(size) }
            }
            #expect(reader.remaining <= Int(size))
            try reader.status()
            _ = try reader.optionalAttributes()
            let verifier = try reader.uint64()
            var names: [String] = []
            var cookie = cookie
            while try reader.bool() {
                let inode = try reader.uint64()
                names.append(try reader.string())
                cookie = try reader.uint64()
                guard plus else { continue }
                let attributes = try reader.optionalAttributes()
                #expect(attributes?.inode == inode)
                #expect(try reader.bool())
                let entry = try reader.handle()
                if names.count == 3 { #expect(try client.attributes(entry) == attributes) }
            }
            return (names, cookie, verifier, try reader.bool())
        }

        @Test(arguments: TreeKind.allCases) func aListThatCannotHoldOneEntryIsTooSmall(kind: TreeKind) async throws {
            let tree = try TestTree.sample()
            try await withServer([try await tree.export(kind)]) { server in
                let client = try RawClient(port: server.port)
                let root = try client.mount("/x")
                for plus in [false, true] {
                    #expect(throws: NFSStatus.tooSmall) { try Self.page(client, root, 0, size: 100, plus: plus) }
                }
                let empty = try Self.page(client, try client.lookup("empty", in: root), 0, size: 4096, plus: false)
                #expect(empty.names == [".", ".."] && empty.isEnd)
            }
        }

        @Test(arguments: TreeKind.allCases) func accessFollowsTheModeBits(kind: TreeKind) async throws {
            let tree = try TestTree.sample()
            try await withServer([try await tree.export(kind)]) { server in
                let client = try RawClient(port: server.port)
                let root = try client.mount("/x")
                func access(_ name: String, _ user: UInt32) throws -> UInt32 {
                    let handle = try client.walk(name, from: root)
                    var reader = try client.call(4, user: user) { buffer in
                        buffer.write(handle: handle)
                        buffer.writeInteger(UInt32(0x3F))
                    }
                    try reader.status()
                    _ = try reader.optionalAttributes()
                    return try reader.uint32()
                }
                let mine = getuid()
                #expect(try access("etc", 4711) == 1 | 2)
                #expect(try access("etc/shadow", 4711) == 0)
                #expect(try access("etc/shadow", mine) == 1)
                #expect(try access("etc/shadow", 0) == 1)
                #expect(try access("usr/lib/systemd/systemd", 4711) == 1 | 32)
                #expect(try access("usr/lib/systemd/systemd", 0) == 1 | 32)
            }
        }

        @Test("whoever may write to a FIFO, a socket or a device node is told so", arguments: TreeKind.allCases)
        func specialFilesGrantWriting(kind: TreeKind) async throws {
            let tree = try TestTree.sample()
            let groups: [UInt32: [UInt32]] = [2000: [44, 4711]]
            // Read and execute are as for other files, and a client asks for both bits of writing.
            let write: UInt32 = 4 | 8
            for (name, mode) in [("pipe", mode_t(0o640)), ("open", 0o662), ("closed", 0o400)] {
                #expect(mkfifo(tree.path + "/" + name, mode) == 0 && chmod(tree.path + "/" + name, mode) == 0)
                #expect(chown(tree.path + "/" + name, 1000, 44) == 0)
            }
            let canMake = mknod(tree.path + "/null", S_IFCHR | 0o666, 0x103) == 0
            if canMake { #expect(chmod(tree.path + "/null", 0o666) == 0) }
            #expect(mknod(tree.path + "/socket", S_IFSOCK | 0o620, 0) == 0)
            #expect(chmod(tree.path + "/socket", 0o620) == 0 && chown(tree.path + "/socket", 1000, 44) == 0)
            try await withServer([try await tree.export(kind)]) { server in
                let client = try RawClient(port: server.port)
                let root = try client.mount("/x")
                func access(_ name: String, _ user: UInt32) throws -> UInt32 {
                    let handle = try client.walk(name, from: root)
                    var reader = try client.call(4, user: user, groups: groups[user] ?? []) { buffer in
                        buffer.write(handle: handle)
                        buffer.writeInteger(UInt32(0x3F))
                    }
                    try reader.status()
                    _ = try reader.optionalAttributes()
                    return try reader.uint32()
                }
                #expect(try access("pipe", 0) == 1 | write)
                #expect(try access("pipe", 1000) == 1 | write)
                #expect(try access("pipe", 2000) == 1)
                #expect(try access("pipe", 3000) == 0)
                #expect(try access("open", 2000) == 1 | write)
                #expect(try access("open", 3000) == write)
                #expect(try access("closed", 1000) == 1)
                #expect(try access("closed", 0) == 1 | write)
                #expect(try access("socket", 2000) == write)
                if canMake { #expect(try access("null", 3000) == 1 | write) }
                // What would change the tree is granted to nobody.
                #expect(try access("etc", 0) == 1 | 2)
                #expect(try access("etc/hostname", 0) == 1)
            }
        }

        @Test(arguments: TreeKind.allCases) func everythingThatWritesIsRefused(kind: TreeKind) async throws {
            let tree = try TestTree.sample()
            try await withServer([try await tree.export(kind)]) { server in
                let client = try RawClient(port: server.port)
                let root = try client.mount("/x")
                let bodies: [UInt32: Int] = [2: 2, 7: 2, 8: 2, 9: 2, 10: 2, 11: 2, 12: 2, 13: 2, 14: 4, 15: 3, 21: 2]
                for (procedure, words) in bodies {
                    var reader = try client.call(procedure) { $0.write(handle: root) }
                    #expect(throws: NFSStatus.readOnly) { try reader.status() }
                    #expect(reader.remaining == words * 4, "procedure \(procedure)")
                    for _ in 0..<words { #expect(try !reader.bool()) }
                }
            }
        }

        @Test(arguments: TreeKind.allCases) func theFileSystemIsDescribed(kind: TreeKind) async throws {
            let tree = try TestTree.sample()
            try await withServer([try await tree.export(kind)]) { server in
                let client = try RawClient(port: server.port)
                let root = try client.mount("/x")
                for (procedure, bytes) in [(18, 52), (19, 48), (20, 24)] as [(UInt32, Int)] {
                    var reader = try client.call(procedure) { $0.write(handle: root) }
                    try reader.status()
                    _ = try reader.optionalAttributes()
                    #expect(reader.remaining == bytes)
                    if procedure == 19 { #expect(try reader.uint32() == 1 << 20) }
                }
            }
        }

        @Test(arguments: TreeKind.allCases) func getACLAnswersWithTheMaskAndNoEntries(kind: TreeKind) async throws {
            let tree = try TestTree.sample()
            try await withServer([try await tree.export(kind)]) { server in
                let client = try RawClient(port: server.port)
                let root = try client.mount("/x")
                #expect(try client.call(0, program: NFSv3.aclProgram).remaining == 0)
                var reader = try client.call(1, program: NFSv3.aclProgram, user: 1000) { buffer in
                    buffer.write(handle: root)
                    buffer.writeInteger(UInt32(0xF))
                }
                try reader.status()
                #expect(try reader.optionalAttributes() != nil)
                #expect(try reader.uint32() == 0xF)
                #expect(reader.remaining == 16)
                for _ in 0..<4 { #expect(try reader.uint32() == 0) }
            }
        }

        @Test(arguments: TreeKind.allCases) func mountKnowsItsExportsOnly(kind: TreeKind) async throws {
            let tree = try TestTree.sample()
            try await withServer([try await tree.export(kind, "/x/y")]) { server in
                let client = try RawClient(port: server.port)
                let root = try client.mount("/x/y")
                #expect(try client.mount("/x/y//") == root)
                #expect(try client.mount("/") == root)
                for path in ["/x", "/x/yy", "/etc", tree.path, "/x/../x/y"] {
                    #expect(throws: NFSStatus.noEntry) { try client.mount(path) }
                }
                var reader = try client.call(5, program: NFSv3.mountProgram)
                #expect(try reader.bool())
                #expect(try reader.string() == "/x/y")
                #expect(try !reader.bool())
                #expect(try !reader.bool())
                for procedure in [0, 4] as [UInt32] {
                    #expect(try client.call(procedure, program: NFSv3.mountProgram).remaining == 0)
                }
                #expect(try client.call(2, program: NFSv3.mountProgram).remaining == 4)
                #expect(try client.call(3, program: NFSv3.mountProgram) { $0.writeXDR(string: "/x/y") }.remaining == 0)
            }
        }

        @Test(arguments: TreeKind.allCases) func whatIsNotThereIsAnsweredAsRPCSays(kind: TreeKind) async throws {
            let tree = try TestTree.sample()
            try await withServer([try await tree.export(kind)]) { server in
                let client = try RawClient(port: server.port)
                func accepted(_ procedure: UInt32, _ program: UInt32, _ version: UInt32) throws -> UInt32 {
                    var reader = try client.reply(procedure, program: program, version: version)
                    #expect(try reader.uint32() == 0)
                    _ = try reader.uint64()
                    return try reader.uint32()
                }
                #expect(try accepted(0, 100_000, 2) == 1)
                #expect(try accepted(0, NFSv3.program, 4) == 2)
                #expect(try accepted(0, NFSv3.mountProgram, 1) == 2)
                #expect(try accepted(22, NFSv3.program, 3) == 3)
                #expect(try accepted(6, NFSv3.mountProgram, 3) == 3)
                #expect(try accepted(2, NFSv3.aclProgram, 3) == 3)
                #expect(try accepted(1, NFSv3.program, 3) == 4)
                var reader = try client.reply(0, rpcVersion: 3)
                #expect(try reader.uint32() == 1)
                #expect(try reader.uint32() == 0)
                #expect(try reader.uint32() == 2)
            }
        }
    }
}
