import NetrootConfig
import TestSupport
import Testing

@testable import NetrootEntry

private func entry(_ name: String, generation: Int = 7) -> BootEntry {
    BootEntry(
        name: name, title: "\(name), generation \(generation)", kernel: "netroot/\(name)/\(generation)/vmlinuz",
        initrds: ["netroot/\(name)/\(generation)/initrd.img", "netroot/\(name)/\(generation)/site-1.cpio"],
        arguments: ["ip=dhcp", "rd.neednet=1", "ro", "rootovl", "dyndbg=file a.c +p", "x=$y'z"])
}

private func grub(_ text: String) throws(SharedConfigError) -> GRUBConfig { try GRUBConfig(bytes: Array(text.utf8)) }

extension GRUBConfig {
    fileprivate var text: String { String(decoding: bytes, as: UTF8.self) }
}

@Suite struct GRUBConfigTests {
    @Test func freshFile() throws {
        let one = try grub("").replacing(entry("debian12"))
        try expectGolden("grub-fresh", one.text)
        #expect(one.defaultName == "debian12")
        let two = try one.replacing(entry("debian12@nbd"), makeDefault: false)
        #expect(two.names == ["debian12", "debian12@nbd"])
        #expect(two.defaultName == "debian12")
        #expect(try two.replacing(entry("debian12@nbd")).defaultName == "debian12@nbd")
    }

    @Test func whatOthersWroteStays() throws {
        let hand = "set default=0\nmenuentry 'Disk' {\n    exit\n}"
        let kept = try grub(hand).replacing(entry("a"), makeDefault: false)
        #expect(kept.text.hasPrefix(hand + "\n\n# netroot begin a\n"))
        #expect(kept.defaultName == "0")
        let made = try kept.replacing(entry("a", generation: 8))
        #expect(made.text.hasPrefix("set default='a'\nmenuentry 'Disk' {"))
        #expect(made.text.contains("/netroot/a/8/vmlinuz") && !made.text.contains("/netroot/a/7/"))
        #expect(try made.replacing(entry("a", generation: 8)) == made)
        #expect(try grub("# by hand\n").replacing(entry("a")).text.hasPrefix("set default='a'\n# by hand\n"))
    }

    /// GRUB takes `0` and `12a` for places in its menu.
    @Test("A label that begins with a digit is GRUB's default by its name", arguments: ["0", "12", "3d-node"])
    func digits(name: String) throws {
        let config = try GRUBConfig().replacing(entry("a")).replacing(entry(name))
        #expect(config.text.contains("\nset default='@\(name)'\n") && config.text.contains("--id '@\(name)' {"))
        #expect(config.defaultName == name && config.names == ["a", name])
        #expect(try grub("set default=0\n").replacing(entry(name)).text.hasPrefix("set default='@\(name)'\n"))
    }

    @Test(arguments: ["menuentry a {", "  menuentry 'x' --id 'a' {", "menuentry \"a\"{"])
    func anEntryOfOthers(line: String) throws {
        #expect(throws: SharedConfigError.foreignEntry(file: GRUBConfig.file, entry: "a", line: 2)) {
            try grub("set timeout=5\n\(line)\n}\n").replacing(entry("a"))
        }
        #expect(try grub(line + "\n}\n").replacing(entry("b")).names == ["b"])
    }

    @Test func brokenMarkersAreToldWithTheFile() throws {
        let error = try #require(throws: SharedConfigError.self) { try grub("\n# netroot begin a\n") }
        #expect(error.description.hasPrefix("grub/grub.cfg:2: "))
    }

    @Test(arguments: [
        ("ro", "ro"), ("a b", "'a b'"), ("x=$y", "'x=$y'"), ("it's", "'it'\\''s'"), ("", "''"),
        ("root=nfs:10.0.2.2:/r:vers=3,port=1", "root=nfs:10.0.2.2:/r:vers=3,port=1"), ("a;b", "'a;b'"),
        ("a{b}", "'a{b}'"), ("a#b", "'a#b'"),
    ])
    func quoting(word: String, quoted: String) { #expect(GRUBConfig.quoted(word) == quoted) }
}

/// What GRUB's image does before it reads the configuration.
@Suite struct GRUBImageTests {
    @Test(arguments: ["10.1.0.1", "boot.example.org", "fd00::1"])
    func embeddedConfiguration(address: String) throws {
        let text = GRUBConfig.embedded(server: try ServerAddress(parsing: address))
        try expectGolden("grub-embedded-\(address.filter { $0 != ":" })", text)
    }
}

@Suite struct IPXEScriptTests {
    @Test func script() throws {
        var entry = entry("debian12")
        entry.arguments.removeLast()
        let text = try IPXEScript.script(entry, base: "http://10.1.0.1:8080")
        try expectGolden("ipxe-entry", text)
        #expect(IPXEScript.title(of: text) == "debian12, generation 7")
    }

    @Test(arguments: ["x=${y}", "&&", "a;b || c"])
    func whatIPXEWouldRead(argument: String) throws {
        var entry = entry("a")
        entry.arguments = argument.hasPrefix("a;b") ? ["a", "||", "c"] : [argument]
        #expect(throws: SharedConfigError.self) { try IPXEScript.script(entry, base: "http://h") }
    }

    @Test func index() throws {
        let text = IPXEScript.index(
            [("debian12", "debian12, generation 7"), ("debian12@nbd", "debian12, generation 7 by nbd")],
            chosen: "debian12@nbd")
        try expectGolden("ipxe-index", text)
        #expect(IPXEScript.chosen(of: text) == "debian12@nbd")
        #expect(IPXEScript.chosen(of: "") == nil)
    }
}
