import NetrootSystem
import TestSupport
import Testing

@testable import NetrootTree

@Suite struct RootSourceTests {
    /// By its content, not by its name.
    @Test func aSourceIsToldByItsContent() async throws {
        let scratch = try ScratchDirectory()
        try Files.makeDirectory(scratch.path + "/tree/etc")
        _ = try await scratch.output("mksquashfs", ["tree", "root.sif", "-noappend", "-no-progress", "-quiet"])
        _ = try await scratch.output("siftool", ["new", "x.squashfs"])
        let partition = ["--datatype", "4", "--partfs", "1", "--parttype", "2", "--partarch", "2", "--groupid", "1"]
        _ = try await scratch.output("siftool", ["add"] + partition + ["x.squashfs", "root.sif"])
        _ = try scratch.write("text", Array("text".utf8))
        let kinds = try ["tree", "root.sif", "x.squashfs"].map { name in
            switch try RootSource("\(scratch.path)/\(name)") {
            case .directory: "directory"
            case .image: "image"
            case .sif: "sif"
            }
        }
        #expect(kinds == ["directory", "image", "sif"])
        #expect(throws: RootSourceError.self) { try RootSource(scratch.path + "/text") }
    }
}
