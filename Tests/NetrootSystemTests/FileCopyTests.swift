import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import NetrootSystem

@Suite struct FileCopyTests {
    @Test func aCopyKeepsHoles() throws {
        let scratch = try ScratchDirectory()
        let source = scratch.path + "/source"
        let descriptor = try SystemError.check("make", source, open(source, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600))
        defer { close(descriptor) }
        #expect(pwrite(descriptor, "data", 4, 1 << 20) == 4 && ftruncate(descriptor, 4 << 20) == 0)
        try Files.copy(source, to: scratch.path + "/copy", mode: 0o640)
        #expect(try Files.read(source) == Files.read(scratch.path + "/copy"))
        var status = stat()
        #expect(stat(scratch.path + "/copy", &status) == 0 && status.st_blocks < 100 && status.st_mode & 0o777 == 0o640)
    }

    @Test func oneFileBehindAnother() throws {
        let scratch = try ScratchDirectory()
        let source = try scratch.write("source", "abc")
        let target = scratch.path + "/target"
        try FileReplacement.write(target, mode: 0o600) { file in
            var copy = FileCopy()
            for offset in [0, 4] { try copy.append(source, to: file.rawValue, at: Int64(offset)) }
        }
        #expect(try Files.text(target) == "abc\0abc")
        var copy = FileCopy()
        #expect(throws: SystemError.self) { try copy.append(scratch.path + "/nothing", to: 0, at: 0) }
    }
}
