import NetrootConfig
import NetrootStore
import NetrootSystem
import NetrootTree
import TestSupport
import Testing

@testable import NetrootBuild

@Suite struct RootLoginTests {
    let root: ScratchRoot
    var tree: RootTree { RootTree(directory: root.root) }

    init() throws {
        root = try ScratchRoot()
        try root.scratch.write("root/etc/passwd", "root:x:0:0::/root:/bin/sh\n")
        try root.scratch.write("root/etc/shadow", "root:*:1::::::\n")
    }

    private func login(_ lines: String) throws -> RootLogin {
        let file = try HostsFile(
            text: "[a]\nRECIPE = r.def\n" + lines, path: "/h.conf", transports: ["nfs", "http", .ram])
        return RootLogin(of: try file.label("a"))
    }

    @Test("Whatever makes an archive locks root's account: FORMAT, or the transport ram")
    func archives() throws {
        #expect(try login("FORMAT = squashfs\nTRANSPORTS = http ram") == .locked)
        #expect(try login("FORMAT = initramfs") == .locked)
        #expect(try login("FORMAT = squashfs\nTRANSPORTS = http") == .ofRecipe)
    }

    @Test("In a shell, a locked account is locked again, and the copies go")
    func lockedAgain() throws {
        let step = try RootLoginStep(keeping: .locked, in: tree)
        let hash = try PasswordHash(of: [1]).text
        for name in ["shadow", "shadow-"] { try root.scratch.write("root/etc/\(name)", "root:\(hash):1::::::\n") }
        let (record, note) = try step.run(in: tree)
        #expect(record == .locked && note?.contains("took root's password away") == true)
        #expect(try tree.text("etc/shadow").hasPrefix("root:*:"))
        #expect(try !tree.contains("etc/shadow-"))
        #expect(try step.run(in: tree).note == nil)
    }

    @Test("In a shell, a password that the build set is the build's as long as nobody changes it")
    func changed() throws {
        for kept in [Manifest.RootPassword.file, .generated] {
            let step = try RootLoginStep(keeping: kept, in: tree)
            try root.scratch.write("root/etc/passwd-", "root::0:0::/root:/bin/sh\n")
            let (same, nothing) = try step.run(in: tree)
            #expect(same == kept && nothing == nil)
            #expect(try !tree.contains("etc/passwd-"))
            let hash = try PasswordHash(of: [1]).text
            try root.scratch.write("root/etc/shadow", "root:\(hash):1::::::\n")
            let (after, note) = try step.run(in: tree)
            #expect(after == nil && note != nil)
            #expect(try tree.text("etc/shadow").contains(hash))
        }
        #expect(try RootLoginStep(keeping: nil, in: tree).run(in: tree).record == nil)
    }
}
