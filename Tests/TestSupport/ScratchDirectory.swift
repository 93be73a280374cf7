import Glibc
import NetrootSystem
import Subprocess
import SystemPackage
import Testing

/// A directory of a test's own. It goes with its owner, whatever lies in it; where it cannot, the test fails.
package final class ScratchDirectory: Sendable {
    /// The directory in which it is made.
    package enum Place: String, Sendable {
        /// The usual one. It may be a tmpfs.
        case temporary = "/tmp"
        /// For what is large, as roots are, or needs a filesystem on a disk.
        case disk = "/var/tmp"
    }

    package let path: String

    /// - Throws: `SystemError`.
    package init(in place: Place = .temporary) throws {
        var template = Array("\(place.rawValue)/netroot-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("make a directory in", place.rawValue, code: errno) }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        // mkdtemp(3) lets nobody else in, and some tests run programs as another user.
        try SystemError.check("protect", path, chmod(path, 0o755))
    }

    deinit {
        do { try remove() } catch { Issue.record("the scratch directory \(path) is left: \(error)") }
    }

    /// Removes it before its owner goes; nothing where that was done already.
    /// - Throws: `SystemError`, the first, when all that can be removed has been.
    package func remove() throws { try Files.removeTree(path, stoppingWhenCancelled: false) }

    /// Removes a file or directory in it; nothing where there is none.
    /// - Throws: as `remove()`.
    package func remove(_ name: String) throws {
        try Files.removeTree("\(path)/\(name)", stoppingWhenCancelled: false)
    }

    /// Runs a reference tool in it, with its standard input from a file, and returns its standard output.
    /// - Throws: `TestFailure` with what the tool wrote to standard error.
    package func output(_ name: String, _ arguments: [String], input: String? = nil) async throws -> String {
        let file = try FileDescriptor.open(FilePath(input ?? "/dev/null"), .readOnly)
        let result = try await run(
            .name(name), arguments: Arguments(arguments), environment: .inherit.updating(["LC_ALL": "C", "TZ": "UTC"]),
            workingDirectory: FilePath(path), input: .fileDescriptor(file, closeAfterSpawningProcess: true),
            output: .string(limit: 1 << 24), error: .string(limit: 1 << 20))
        guard result.terminationStatus.isSuccess else { throw TestFailure("\(name): \(result.standardError)") }
        return result.standardOutput
    }

    /// Sets flags of files in it by chattr(1). Where that is not possible the test is skipped, with the reason.
    /// - Throws: the cancellation of the test.
    package func chattr(_ flags: String, _ paths: String...) async throws {
        do {
            _ = try await output("chattr", [flags] + paths)
        } catch let failure as TestFailure
            where ["not supported", "Inappropriate ioctl", "not permitted"].contains(
                where: "\(failure)".contains)
        {
            try Test.cancel("chattr(1) sets no flags here: \(failure)")
        }
    }

    /// Writes a file, makes the directories above it, and returns its path.
    /// - Throws: `SystemError`.
    @discardableResult
    package func write(_ name: String, _ bytes: [UInt8], mode: UInt16 = 0o644) throws -> String {
        let file = "\(path)/\(name)"
        if let slash = file.lastIndex(of: "/") { try Files.makeDirectory(String(file[..<slash])) }
        try Files.replace(file, with: bytes, mode: mode)
        return file
    }

    /// Writes a text as `write` does bytes.
    @discardableResult
    package func write(_ name: String, _ text: String, mode: UInt16 = 0o644) throws -> String {
        try write(name, Array(text.utf8), mode: mode)
    }
}
