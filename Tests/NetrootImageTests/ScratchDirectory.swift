import Glibc
import NetrootSystem
import Subprocess
import SystemPackage

/// A directory of a test's own, removed with all that is in it.
final class ScratchDirectory {
    let path: String

    init() throws {
        var template = Array("/tmp/netroot-image-test-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw SystemError("make", "/tmp/netroot-image-test", code: errno) }
        path = String(cString: made)
    }

    deinit {
        _ = nftw(path, { path, _, _, _ in path.map { remove($0) } ?? 0 }, 16, FTW_DEPTH | FTW_PHYS)
    }

    /// Runs a reference tool with its standard input from a file and returns its standard output.
    func output(_ name: String, _ arguments: [String], input: String? = nil) async throws -> String {
        let file = try FileDescriptor.open(FilePath(input ?? "/dev/null"), .readOnly)
        let result = try await run(
            .name(name), arguments: Arguments(arguments), environment: .inherit.updating(["LC_ALL": "C", "TZ": "UTC"]),
            workingDirectory: FilePath(path), input: .fileDescriptor(file, closeAfterSpawningProcess: true),
            output: .string(limit: 1 << 24), error: .string(limit: 1 << 20))
        guard result.terminationStatus.isSuccess else { throw ReferenceToolError(message: result.standardError) }
        return result.standardOutput
    }

    func write(_ name: String, _ bytes: [UInt8], mode: UInt16 = 0o644) throws -> String {
        try Files.replace("\(path)/\(name)", with: bytes, mode: mode)
        return "\(path)/\(name)"
    }
}

struct ReferenceToolError: Error {
    let message: String
}
