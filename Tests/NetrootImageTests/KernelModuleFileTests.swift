import NetrootSystem
import TestSupport
import Testing

@testable import NetrootImage

@Suite struct KernelModuleFileTests {
    private static let sample = FabricatedModule.bytes([
        "firmware=bnx2/a.fw", "alias=pci:v*", "firmware=iwlwifi-*.ucode", "license=GPL", "empty=", "no equals",
    ])

    @Test("The fields of .modinfo are read in their order, and what is no field is passed over")
    func fields() throws {
        let module = try KernelModuleFile(Self.sample)
        #expect(module.values("firmware") == ["bnx2/a.fw", "iwlwifi-*.ucode"])
        #expect(module.fields.map(\.name) == ["firmware", "alias", "firmware", "license", "empty"])
        #expect(module.values("softdep") == [])
    }

    @Test(
        "Compressed modules are read too",
        arguments: [["xz", "-c"], ["xz", "-c", "--check=crc32"], ["zstd", "-qc"], ["gzip", "-c"]])
    func compressed(command: [String]) async throws {
        let scratch = try ScratchDirectory()
        let path = try scratch.write("m.ko", Self.sample)
        let packed = try await CommandRunner().captureBytes(Command(command + [path]))
        #expect(packed != Self.sample)
        #expect(try KernelModuleFile(packed) == KernelModuleFile(Self.sample))
    }

    @Test(
        "A file that is none, one that is cut anywhere, and one with wrong numbers end with an error or nothing, never a trap"
    )
    func damaged() throws {
        #expect(throws: KernelModuleError(problem: "it is not an ELF file")) { try KernelModuleFile(Array("x".utf8)) }
        #expect(throws: KernelModuleError.self) { try KernelModuleFile([]) }
        // Of the last section what follows its size is not read.
        for length in 0..<(Self.sample.count - 24) {
            #expect(throws: KernelModuleError.self) { try KernelModuleFile(Array(Self.sample.prefix(length))) }
        }
        var errors = 0
        for index in Self.sample.indices {
            for value in [UInt8(0), 0x7F, 0xFF] {
                var bytes = Self.sample
                bytes[index] = value
                do { _ = try KernelModuleFile(bytes) } catch is KernelModuleError { errors += 1 }
            }
        }
        #expect(errors > 20)
    }
}
