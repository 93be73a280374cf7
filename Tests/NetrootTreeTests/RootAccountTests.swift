import Glibc
import NetrootSystem
import NetrootTree
import TestSupport
import Testing

@Suite struct RootAccountTests {
    let root: ScratchRoot
    /// On day 20,000.
    let account: RootAccount

    init() throws {
        root = try ScratchRoot()
        account = RootAccount(in: RootTree(directory: root.root), now: 20_000 * 86_400 + 5)
    }

    private static let hash = "$6$saltsalt$" + String(repeating: "h", count: 86)

    private func write(_ name: String, _ text: String, mode: UInt16 = 0o644) throws {
        try root.scratch.write("root/etc/\(name)", text, mode: mode)
    }

    private func text(_ name: String) throws -> String { try Files.text("\(root.root)/etc/\(name)") }

    private func accounts(root field: String, passwd: String = "x") throws {
        try write("passwd", "root:\(passwd):0:0:root:/root:/bin/sh\nrooty:x:1:1::/:/bin/sh\n")
        try write("shadow", "rooty:!:1::::::\nroot:\(field):19000:0:99999:7::21000:\nlast:*:1::::::", mode: 0o640)
    }

    @Test("Root's line alone changes; file and account keep the rest")
    func set() throws {
        try accounts(root: "*")
        if geteuid() == 0 { #expect(chown(root.root + "/etc/shadow", 0, 42) == 0) }
        for name in ["shadow-", "passwd-"] { try write(name, "root:\(Self.hash):1::::::\n") }
        try write("gshadow-", "kept")
        let hash = try PasswordHash(of: Array("secret".utf8))
        try account.set(hash)
        #expect(
            try text("shadow")
                == "rooty:!:1::::::\nroot:\(hash.text):20000:0:99999:7::21000:\nlast:*:1::::::")
        var status = stat()
        #expect(stat(root.root + "/etc/shadow", &status) == 0)
        #expect(status.st_mode & 0o7777 == 0o640)
        if geteuid() == 0 { #expect(status.st_gid == 42) }
        #expect(try Files.names(in: root.root + "/etc") == ["gshadow-", "passwd", "shadow"])
    }

    @Test("A hash in /etc/passwd goes, and a root without /etc/shadow gets one that only root reads")
    func withoutShadow() throws {
        try write("passwd", "root:\(Self.hash):0:0::/root:/bin/sh\n")
        let hash = try PasswordHash(of: Array("secret".utf8))
        try account.set(hash)
        #expect(try text("passwd") == "root:x:0:0::/root:/bin/sh\n")
        #expect(try text("shadow") == "root:\(hash.text):20000:0:99999:7:::\n")
        var status = stat()
        #expect(stat(root.root + "/etc/shadow", &status) == 0 && status.st_mode & 0o7777 == 0o600)
    }

    @Test("A root without an account root has no password to be set, and nothing to lock")
    func nobody() throws {
        #expect(try !account.lock())
        try write("passwd", "admin:x:0:0::/root:/bin/sh\n")
        #expect(throws: RootPathError.self) { try account.set(try PasswordHash(of: Array("secret".utf8))) }
        #expect(try !account.lock())
        #expect(try Files.names(in: root.root + "/etc") == ["passwd"])
    }

    @Test("What lets root in by a password goes, and is told", arguments: [hash, "", "!" + hash, "aaJJjjJJjjJJj"])
    func lock(field: String) throws {
        try accounts(root: field)
        try write("shadow-", "root:\(Self.hash):1::::::\n")
        #expect(try account.lock())
        #expect(try text("shadow").contains("\nroot:*:20000:0:99999:7::21000:\n"))
        #expect(!Files.exists(root.root + "/etc/shadow-"))
        #expect(try !account.lock(), "the second time there is nothing")
    }

    @Test("An account that is locked stays as it is", arguments: ["*", "!", "!*", "!!"])
    func locked(field: String) throws {
        try accounts(root: field)
        let before = try text("shadow")
        #expect(try !account.lock())
        #expect(try text("shadow") == before)
    }

    @Test("Neither an empty field nor a hash in /etc/passwd lets anybody in", arguments: ["", hash])
    func passwd(field: String) throws {
        try accounts(root: "*", passwd: field)
        #expect(try account.lock())
        #expect(try text("passwd").hasPrefix("root:x:0:0:"))
        #expect(try text("shadow").contains("\nroot:*:"))
    }

    @Test("What is not UTF-8, and line ends with a carriage return, stay byte for byte")
    func bytes() throws {
        func latin1(_ text: String) -> [UInt8] { text.utf8.map { $0 == UInt8(ascii: "#") ? 0xFC : $0 } }
        func file(_ root: String) -> [UInt8] {
            latin1("j:x:1:1:J#rg:/:\r\nroot:\(root)#:/root:/bin/sh\r\nk:x:2:2::/:\r\n")
        }
        func shadow(_ root: String) -> [UInt8] { latin1("#:*:1::::::\r\nroot:\(root)::::::\r\n") }
        try root.scratch.write("root/etc/passwd", file("\(Self.hash):0:0:root"))
        try root.scratch.write("root/etc/shadow", shadow("!:19000"))
        let hash = try PasswordHash(of: [1])
        let before = try account.passwords()
        try account.set(hash)
        #expect(try Files.read(root.root + "/etc/passwd") == file("x:0:0:root"))
        #expect(try Files.read(root.root + "/etc/shadow") == shadow("\(hash.text):20000"))
        #expect(try account.passwords() != before)
        #expect(try account.lock())
        #expect(try Files.read(root.root + "/etc/shadow") == shadow("*:20000"))
    }

    @Test("On the first day of 1970 too, a password need not be changed at the first login")
    func firstDay() throws {
        try accounts(root: "*")
        try RootAccount(in: RootTree(directory: root.root), now: 0).set(try PasswordHash(of: [1]))
        #expect(try text("shadow").split(separator: "\n")[1].split(separator: ":")[2] == "1")
    }

    @Test("A symlink of the root leads to nothing outside")
    func symlink() throws {
        try accounts(root: Self.hash)
        try root.scratch.write("outside/shadow", "root:\(Self.hash):1::::::\n")
        try Files.removeTree(root.root + "/etc/shadow")
        try root.link("etc/shadow", "../../outside/shadow")
        try account.set(try PasswordHash(of: [1]))
        #expect(try Files.linkTarget(root.root + "/etc/shadow") == nil)
        #expect(try Files.text(root.outside + "/shadow") == "root:\(Self.hash):1::::::\n")
    }
}
