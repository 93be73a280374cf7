import Glibc
import NetrootConfig
import NetrootEntry
import NetrootSystem
import NetrootTree
import TestSupport
import Testing

@testable import NetrootBuild

/// What a build says of file capabilities that a transport loses.
@Suite(.enabled(if: geteuid() == 0, "setting capabilities needs root")) struct CapabilityListTests {
    let sample: ScratchRoot
    let tree: RootTree

    init() async throws {
        sample = try ScratchRoot()
        tree = RootTree(directory: sample.root)
        try tree.write("usr/bin/ping", "x", mode: 0o755)
        // cap_net_raw=ep.
        try await CommandRunner().run(
            Command([
                "setfattr", "-n", "security.capability", "-v", "0x0100000200200000000000000000000000000000",
                "\(sample.root)/usr/bin/ping",
            ]))
    }

    private func write(_ transports: [TransportName]) throws -> (rootBytes: Int64, warning: String?) {
        let list = CapabilityList(tree: tree, transports: try Transports.shipped.require(transports))
        return try list.write(try FileListing(directory: sample.root))
    }

    @Test func withoutSetcapABuildWarnsWhereTheTransportLosesThem() throws {
        let list = "cap_net_raw=ep /usr/bin/ping\n"
        let (bytes, warning) = try write(["http", "nfs"])
        #expect(try tree.text(FileCapabilities.path) == list)
        #expect(bytes == Int64(1 + list.utf8.count))
        for words in ["warning: 1 file has capabilities", "lost by nfs", "no setcap", "add libcap2-bin to the recipe"] {
            #expect(warning?.contains(words) == true, "\(warning ?? "none")")
        }
        #expect(try write(["nbd", "http", "iscsi"]).warning == nil)
        try tree.write("usr/sbin/setcap", "x", mode: 0o755)
        #expect(try write(["nfs"]).warning == nil)
    }

    @Test func aRootWithoutCapabilitiesNeedsNoSetcap() throws {
        try tree.write("usr/bin/ping", "x", mode: 0o755)
        let (bytes, warning) = try write(["nfs"])
        #expect(bytes == 1 && warning == nil)
        #expect(try !tree.contains(FileCapabilities.path))
    }
}
