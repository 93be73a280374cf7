import Glibc
import NetrootSystem
import TestSupport
import Testing

@Suite struct SecretFileTests {
    let scratch: ScratchDirectory

    init() throws { scratch = try ScratchDirectory() }

    @Test("A file that only its owner reads is read", arguments: [0o600, 0o400] as [UInt16])
    func own(mode: UInt16) throws {
        let path = try scratch.write("secret", "text\n", mode: mode)
        #expect(try SecretFile.read(path, limit: 5) == Array("text\n".utf8))
    }

    @Test(
        "One that others read or change is refused, with the command",
        arguments: [0o640, 0o604, 0o620, 0o644] as [UInt16])
    func readable(mode: UInt16) throws {
        let path = try scratch.write("secret", "text\n", mode: mode)
        let error = #expect(throws: SecretFileError.self) { try SecretFile.read(path, limit: 100) }
        #expect(error?.description.contains("has mode 0\(String(mode, radix: 8))") == true)
        #expect(error?.description.hasSuffix("chmod 600 \(path)") == true)
        #expect(error?.exitStatus == .usage)
    }

    @Test("Nor is one of another user, one that is too long, a FIFO, or a directory")
    func others() throws {
        let path = try scratch.write("secret", "text\n", mode: 0o600)
        #expect(throws: SecretFileError.tooLong(path: path, limit: 4)) { try SecretFile.read(path, limit: 4) }
        if geteuid() == 0 {
            #expect(chown(path, 12345, 12345) == 0)
            #expect(throws: SecretFileError.foreign(path: path, owner: 12345)) { try SecretFile.read(path, limit: 99) }
        }
        let fifo = scratch.path + "/fifo"
        #expect(mkfifo(fifo, 0o600) == 0)
        #expect(throws: FileKindError.self) { try SecretFile.read(fifo, limit: 99) }
        #expect(throws: SystemError.self) { try SecretFile.read(scratch.path, limit: 99) }
        #expect(throws: SystemError.self) { try SecretFile.read(scratch.path + "/none", limit: 99) }
    }
}
