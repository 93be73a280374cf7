import NetrootSystem
import TestSupport
import Testing

@testable import NetrootEntry

/// The entry that an installed system's GRUB boots once.
@Suite struct GRUBCustomConfigTests {
    static let entry = BootEntry(
        name: "netroot-rescue", title: "rescue, generation 7, from RAM", kernel: "vmlinuz",
        initrds: ["rescue.cpio.zst", "site-1.cpio"],
        arguments: ["ro", "rootovlsize=50%", "dyndbg=file a.c +p", "x=$y'z"],
        needsNetwork: false)
    static let places = ["/netroot/rescue", "/boot/netroot/rescue"]

    private func replaced(_ text: String, isNew: Bool = false) throws -> GRUBCustomConfig {
        try GRUBCustomConfig(bytes: Array(text.utf8)).replacing(
            Self.entry, label: "rescue", places: Self.places, isNew: isNew)
    }

    @Test func aNewFile() async throws {
        let new = try replaced("", isNew: true)
        let text = String(decoding: new.bytes, as: UTF8.self)
        try expectGolden("grub-custom", text)
        #expect(new.initrds(of: "rescue") == ["rescue.cpio.zst", "site-1.cpio"])
        #expect(new.initrds(of: "other").isEmpty)
        #expect(try replaced(text) == new, "the same again")
        #expect(!new.isEmptyAndOwn)
        #expect(try new.removing("rescue").isEmptyAndOwn)
        let scratch = try ScratchDirectory()
        try #require(Files.exists("/usr/bin/grub-script-check"), "the package grub-common is missing")
        _ = try await CommandRunner().capture(Command(["grub-script-check", try scratch.write("custom.cfg", text)]))
    }

    /// Byte for byte, whatever the owner has at the file's end.
    @Test(arguments: ["set x=1\n", "set x=1", "set x=1\n\n", "\n", "", "a\n\n\nb", "caf\u{e9}\n"])
    func whatWasThereIsThereAgain(text: String) throws {
        let once = try replaced(text)
        #expect(String(decoding: once.bytes, as: UTF8.self).hasPrefix(text))
        let twice = try replaced(String(decoding: once.bytes, as: UTF8.self))
        #expect(twice == once)
        let left = try twice.removing("rescue")
        #expect(String(decoding: left.bytes, as: UTF8.self) == text)
        #expect(try left.removing("rescue") == left)
        #expect(!left.isEmptyAndOwn)
    }

    @Test func linesBehindTheSectionStay() throws {
        let text = String(decoding: try replaced("set x=1").bytes, as: UTF8.self) + "set y=2\n"
        let left = try GRUBCustomConfig(bytes: Array(text.utf8)).removing("rescue")
        #expect(String(decoding: left.bytes, as: UTF8.self) == "set x=1\nset y=2\n")
    }

    /// Byte for byte, in whatever order two labels go.
    @Test(arguments: ["set x=1\n", "set x=1", ""], [["rescue", "other"], ["other", "rescue"]])
    func twoLabelsLeaveNothing(text: String, order: [String]) throws {
        var config = try GRUBCustomConfig(bytes: Array(text.utf8))
        for label in ["rescue", "other"] {
            config = try config.replacing(Self.entry, label: label, places: Self.places, isNew: false)
        }
        let between = try config.removing(order[0]).replacing(
            Self.entry, label: order[1], places: Self.places, isNew: false)
        #expect(try between == config.removing(order[0]), "the same again")
        #expect(String(decoding: try between.removing(order[1]).bytes, as: UTF8.self) == text)
    }

    @Test func anEntryOfAnotherPlace() throws {
        let config = try replaced("")
        #expect(config.place(of: "rescue") == "/netroot/rescue" && config.place(of: "other") == nil)
    }

    @Test(arguments: ["/a b", "/a'b", "/a$b", "/a\nb"]) func placesThatGRUBCannotName(place: String) {
        #expect(throws: SharedConfigError.badValue(file: "custom.cfg", what: "path", value: place)) {
            try GRUBCustomConfig().replacing(Self.entry, label: "rescue", places: [place], isNew: true)
        }
    }

    @Test func noLoaderNamesACardForARootInRAM() throws {
        #expect(!Self.entry.addsBootCard)
        let entry = BootEntry(name: "a", kernel: "k", initrds: ["i"], arguments: ["ro"], needsNetwork: false)
        #expect(!String(decoding: try GRUBConfig().replacing(entry).bytes, as: UTF8.self).contains("BOOTIF"))
        #expect(String(decoding: try PXELinuxConfig().replacing(entry).bytes, as: UTF8.self).contains("SYSAPPEND 0"))
        #expect(!(try IPXEScript.script(entry, base: "http://h").contains("BOOTIF")))
    }
}
