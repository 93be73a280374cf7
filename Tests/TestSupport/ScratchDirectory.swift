import Glibc
import NetrootSystem
import Subprocess
import SystemPackage

/// A directory of a test's own, removed with all that is in it.
package final class ScratchDirectory: Sendable {
    package let path: String

    package init() throws {
        var template = Array("/tmp/netroot-image-test-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw SystemError("make", "/tmp/netroot-image-test", code: errno) }
        path = String(cString: made)
    }

    deinit { Self.remove(Array(path.utf8CString)) }

    /// Removes a directory by its path with the NUL; names need not be text.
    private static func remove(_ directory: [CChar]) {
        guard let stream = opendir(directory) else { return }
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                $0.prefix { $0 != 0 }.map { CChar(bitPattern: $0) }
            }
            if name == [0x2E] || name == [0x2E, 0x2E] { continue }
            let path = directory.dropLast() + [0x2F] + name + [0]
            if unlink(Array(path)) != 0 { remove(Array(path)) }
        }
        closedir(stream)
        rmdir(directory)
    }

    /// Runs a reference tool with its standard input from a file and returns its standard output.
    package func output(_ name: String, _ arguments: [String], input: String? = nil) async throws -> String {
        let file = try FileDescriptor.open(FilePath(input ?? "/dev/null"), .readOnly)
        let result = try await run(
            .name(name), arguments: Arguments(arguments), environment: .inherit.updating(["LC_ALL": "C", "TZ": "UTC"]),
            workingDirectory: FilePath(path), input: .fileDescriptor(file, closeAfterSpawningProcess: true),
            output: .string(limit: 1 << 24), error: .string(limit: 1 << 20))
        guard result.terminationStatus.isSuccess else { throw ReferenceToolError(message: result.standardError) }
        return result.standardOutput
    }

    package func write(_ name: String, _ bytes: [UInt8], mode: UInt16 = 0o644) throws -> String {
        try Files.replace("\(path)/\(name)", with: bytes, mode: mode)
        return "\(path)/\(name)"
    }
}

package struct ReferenceToolError: Error {
    package let message: String
}
