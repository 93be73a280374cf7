import NetrootImage
import NetrootSystem
import TestSupport
import Testing

@testable import NetrootTree

@Suite(.serialized) struct MutatedInputTreeTests {
    @Test("inspect says what a changed file is, or that it is none of its kinds")
    func inspection() async throws {
        let tree = try await SquashfsTree.withAttributes(isSmall: true)
        let image = try Files.read(try await tree.image("image", ["-comp", "zstd", "-b", "16384"]))
        let archive = try NewcArchive(entries: [
            NewcEntry("lib/modules/6.1/modules.dep", .bytes([])),
            NewcEntry("lib/modules/6.1/kernel/a/b.ko", .bytes([1])),
            NewcEntry("init", .symlink(Array("sbin/init".utf8))),
        ]).bytes()
        let path = tree.scratch.path + "/mutated"
        let tokens = ["hsqs", "070701", "SIF_MAGIC\0", "\u{1F}", "(\u{B5}/", "BZh9", "]\0\0"]
        try await MutatedInput("inspect", seeds: [image, archive], tokens: tokens).runAsync { bytes in
            try overwrite(path, bytes)
            _ = try await Inspection(file: path)
            return true
        }
    }

    @Test("The extended attribute of file capabilities is read or passed over, and versions of kernels are ordered")
    func attributes() throws {
        let seeds: [[UInt8]] = [
            [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], [1, 0, 0, 1, 0, 4, 0, 0, 0, 0, 0, 0],
            [0, 0, 0, 3, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ]
        try MutatedInput("file capabilities", seeds: seeds).run { bytes in
            guard let set = CapabilitySet(attribute: bytes) else { return false }
            return !set.text.isEmpty
        }
        let versions = ["6.1.0-rc1", "4.18.0-553.8.1.el8_10.x86_64", "6.1.0-37-cloud-amd64", "6.9~rc2^git1"]
        let tokens = ["~", "^", ".", "-rc", "-", "_", "00000000000000000000000000000000000001", "el8"]
        try MutatedInput("kernel versions", seeds: versions.map { Array($0.utf8) }, tokens: tokens).run { bytes in
            let text = String(decoding: bytes, as: UTF8.self)
            for order in [KernelVersionOrder.rpm, .linuxVersion] {
                for version in versions {
                    #expect(order.compare(text, version) == -order.compare(version, text), "\(text)")
                }
                #expect(order.compare(text, text) == 0)
            }
            return true
        }
    }
}
