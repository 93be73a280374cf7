import Glibc
import NetrootSystem
import TestSupport
import Testing

@testable import NetrootTree

@Suite struct FileCapabilitiesTests {
    /// An attribute as the kernel stores it: little-endian words.
    private static func attribute(_ words: [UInt32]) -> [UInt8] {
        words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * UInt32($0))) } }
    }

    /// Magic, permitted, inheritable, and their upper halves; the texts are those of getcap(8) for the same attributes.
    private static let texts: [(words: [UInt32], text: String)] = [
        ([0x0200_0001, 0x2000, 0, 0, 0], "cap_net_raw=ep"),
        ([0x0200_0000, 0x2000, 0, 0, 0], "cap_net_raw=p"),
        ([0x0200_0001, 0x2400, 0, 0, 0], "cap_net_bind_service,cap_net_raw=ep"),
        ([0x0200_0001, 0x2000, 0x2000, 0, 0], "cap_net_raw=eip"),
        ([0x0200_0001, 0x2000, 0x80_0000, 0, 0], "cap_net_raw=ep cap_sys_nice=ei"),
        ([0x0200_0001, 0, 0, 0xC0, 0], "cap_perfmon,cap_bpf=ep"),
        ([0x0200_0001, 1, 0, 0x200, 0], "cap_chown,41=ep"),
        ([0x0200_0000, 0, 0, 0, 0], "="),
        ([0x0300_0001, 0x2000, 0, 0, 0, 0], "cap_net_raw=ep"),
        ([0x0100_0001, 0x2000, 0], "cap_net_raw=ep"),
    ]

    @Test(arguments: texts.indices)
    func textForSetcap(index: Int) {
        let (words, text) = Self.texts[index]
        #expect(CapabilitySet(attribute: Self.attribute(words))?.text == text)
    }

    private static let others: [[UInt32]] = [
        // Of another user namespace: nothing to the machine that boots.
        [0x0300_0001, 0x2000, 0, 0, 0, 100_000],
        [0x0200_0001, 0x2000, 0, 0], [0x0400_0001, 0x2000, 0, 0, 0], [0x0200_0001], [],
    ]

    @Test(arguments: others)
    func whatIsNoneOfThisMachine(words: [UInt32]) {
        #expect(CapabilitySet(attribute: Self.attribute(words)) == nil)
    }

    @Suite(.enabled(if: geteuid() == 0, "setting capabilities needs root")) struct InARoot {
        let sample: ScratchRoot
        let tree: RootTree
        let netRaw = "0x0100000200200000000000000000000000000000"

        init() throws {
            sample = try ScratchRoot()
            tree = RootTree(directory: sample.root)
        }

        private func set(_ value: String, _ path: String) async throws {
            try await CommandRunner().run(
                Command(["setfattr", "-n", "security.capability", "-v", value, "\(sample.root)/\(path)"]))
        }

        private func capabilities() throws -> FileCapabilities {
            try FileCapabilities(try FileListing(directory: sample.root))
        }

        @Test func everyNameOfEveryFile() async throws {
            try tree.write("usr/bin/ping", "x", mode: 0o755)
            try tree.write("usr/bin/ordinary", "x", mode: 0o755)
            try tree.write("opt/my tool", "x", mode: 0o755)
            try await CommandRunner().run(
                Command(["ln", "\(sample.root)/usr/bin/ping", "\(sample.root)/usr/bin/ping4"]))
            try await set(netRaw, "usr/bin/ping")
            try await set("0x0000000200000000000400000000000000000000", "opt/my tool")
            let capabilities = try capabilities()
            let grown = try capabilities.write(into: tree)
            let expected =
                "cap_net_bind_service=i /opt/my tool\ncap_net_raw=ep /usr/bin/ping\ncap_net_raw=ep /usr/bin/ping4\n"
            #expect(try tree.text(FileCapabilities.path) == expected)
            #expect(grown == Int64(expected.utf8.count))
            // Again: the list itself changes nothing.
            #expect(try self.capabilities().write(into: tree) == 0)
        }

        @Test func aListThatTheRootBroughtGoes() throws {
            try tree.write(FileCapabilities.path, "cap_sys_admin=ep /bin/sh\n")
            #expect(try capabilities().write(into: tree) == -25)
            #expect(try !tree.contains(FileCapabilities.path))
            #expect(try capabilities().write(into: tree) == 0)
        }

        @Test func aLineEndInANameIsRefused() async throws {
            try tree.write("usr/bin/two\nlines", "x")
            try await set(netRaw, "usr/bin/two\nlines")
            let listing = try FileListing(directory: sample.root)
            let error = #expect(throws: FileListingError.self) { try FileCapabilities(listing) }
            #expect(error?.description.contains("line end in its name") == true)
            #expect(error?.description.contains("\n") == false)
        }
    }
}
