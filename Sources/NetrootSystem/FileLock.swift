import Glibc
import SystemPackage

/// A lock that another run holds.
public struct LockedError: ReportableError, Equatable {
    /// What is locked, for the message.
    public let subject: String
    /// What the holder wrote about itself.
    public let holder: String

    /// Always `.locked`.
    public var exitStatus: ExitStatus { .locked }
    /// One line that names the holder.
    public var description: String { "\(subject) is locked by \(holder); wait for it, or end it" }
}

/// An exclusive advisory lock on a file (`flock(2)`): the kernel drops it when the process ends, however it ends.
public final class FileLock: Sendable {
    private let descriptor: FileDescriptor

    /// Takes the lock at once or not at all, and notes the holder in the file.
    /// - Parameters:
    ///   - path: the lock file; made where it is missing, never deleted.
    ///   - subject: what it guards, for the message.
    ///   - verb: what the holder does, for the message of the next one.
    /// - Throws: `LockedError`, `SystemError`.
    public init(path: String, subject: String, verb: String) throws {
        let file = try SystemError.wrap("lock", path) {
            try FileDescriptor.open(
                FilePath(path), .readWrite, options: [.create, .closeOnExec],
                permissions: [.ownerReadWrite, .groupRead, .otherRead])
        }
        descriptor = file
        guard flock(file.rawValue, LOCK_EX | LOCK_NB) == 0 else {
            guard errno == EWOULDBLOCK else { throw SystemError("lock", path, code: errno) }
            let holder = try SystemError.wrap("read", path) { try Self.text(of: file) }
            throw LockedError(subject: subject, holder: holder.isEmpty ? "another run" : holder)
        }
        try SystemError.wrap("write", path) {
            try file.resize(to: 0)
            _ = try file.writeAll("netroot \(verb), process \(getpid())".utf8)
        }
    }

    private static func text(of descriptor: FileDescriptor) throws -> String {
        let bytes = try [UInt8](unsafeUninitializedCapacity: 512) { buffer, count in
            count = try descriptor.read(fromAbsoluteOffset: 0, into: UnsafeMutableRawBufferPointer(buffer))
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    deinit {
        // Not by closing alone: a child that is forked at this moment has the descriptor until it calls exec.
        flock(descriptor.rawValue, LOCK_UN)
        close(descriptor.rawValue)
    }
}
