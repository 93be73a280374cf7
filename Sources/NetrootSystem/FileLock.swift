import Glibc
import SystemPackage

/// A lock that another run holds.
public struct LockedError: ReportableError, Equatable {
    /// What is locked, for the message.
    public let subject: String
    /// Who holds it.
    public let holder: String

    /// Always `.locked`.
    public var exitStatus: ExitStatus { .locked }
    /// One line that names the holder.
    public var description: String {
        "\(subject) is locked by \(TerminalText.line(holder)); wait for it, or end it"
    }
}

/// An exclusive advisory lock on a file (`flock(2)`): the kernel drops it when the process ends, however it ends.
///
/// Only its owner can open the file: who can open it can lock it, and netroot would wait for him.
public final class FileLock: Sendable {
    private let descriptor: Int32

    /// Takes the lock at once or not at all, and notes the holder in the file.
    /// - Parameters:
    ///   - path: the lock file; made where it is missing, never deleted.
    ///   - subject: what it guards, for the message.
    ///   - verb: what the holder does, for the message of the next one.
    /// - Throws: `LockedError`, `FileKindError`, `SystemError`.
    public init(path: String, subject: String, verb: String) throws {
        // A FIFO is not waited for, and a symlink that somebody put there leads nowhere.
        let flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK
        let file = try SystemError.check("lock", path, open(path, flags, 0o600))
        do {
            try FileKindError.requireRegular(file, path)
            guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
                guard errno == EWOULDBLOCK else { throw SystemError("lock", path, code: errno) }
                throw LockedError(subject: subject, holder: try Self.holder(of: file, path))
            }
            try Self.protect(file, path)
            try Self.write(LockHolder(verb: verb).text, to: file, path)
        } catch {
            close(file)
            throw error
        }
        descriptor = file
    }

    /// An older netroot made the file for everybody to read.
    private static func protect(_ file: Int32, _ path: String) throws {
        var status = stat()
        try SystemError.check("lock", path, fstat(file, &status))
        guard status.st_mode & 0o777 != 0o600 else { return }
        try SystemError.check("protect", path, fchmod(file, 0o600))
    }

    private static func write(_ text: String, to file: Int32, _ path: String) throws {
        try SystemError.wrap("write", path) {
            let file = FileDescriptor(rawValue: file)
            try file.resize(to: 0)
            _ = try file.writeAll(toAbsoluteOffset: 0, text.utf8)
        }
    }

    /// Who holds a lock that was not to be had: as he wrote it, if he lives, or else by the kernel's list of locks.
    private static func holder(of file: Int32, _ path: String) throws -> String {
        let bytes = try SystemError.wrap("read", path) {
            try [UInt8](unsafeUninitializedCapacity: 512) { buffer, count in
                count = try FileDescriptor(rawValue: file).read(
                    fromAbsoluteOffset: 0, into: UnsafeMutableRawBufferPointer(buffer))
            }
        }
        if let written = LockHolder(text: String(decoding: bytes, as: UTF8.self)), written.lives {
            return written.description
        }
        var status = stat()
        try SystemError.check("read", path, fstat(file, &status))
        let owner = LockHolder.process(
            holding: UInt64(status.st_ino), on: status.st_dev, in: try Files.text("/proc/locks"))
        return owner.map { "process \($0)" } ?? "a process that has not said what it does"
    }

    deinit {
        // A holder that is gone is not to be read about. Where it cannot be cut, the next one sees that he does not live.
        _ = ftruncate(descriptor, 0)
        // Not by closing alone: a child that is forked at this moment has the descriptor until it calls exec.
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }
}

/// What the holder of a lock writes into its file: what it does, which process it is, and when that began, since the numbers
/// of processes are used again.
struct LockHolder: Equatable, CustomStringConvertible {
    let verb: String
    let process: Int32
    /// In clock ticks since the machine's start (proc(5), `/proc/PID/stat`); nil where it cannot be read.
    let began: UInt64?

    /// This process.
    init(verb: String) {
        self.verb = verb
        process = getpid()
        began = Self.start(of: process)
    }

    /// What a lock file holds; nil where it is not of this form.
    init?(text: String) {
        let lines = text.split(separator: "\n")
        guard let first = lines.first, first.hasPrefix("netroot "),
            let comma = first.ranges(of: ", process ").last, let process = Int32(first[comma.upperBound...])
        else { return nil }
        verb = String(first[..<comma.lowerBound].dropFirst("netroot ".count))
        self.process = process
        began = lines.dropFirst().first.flatMap { UInt64($0) }
    }

    var text: String { "\(description)\n" + (began.map { "\($0)\n" } ?? "") }
    var description: String { "netroot \(verb), process \(process)" }

    /// Whether the process that wrote it still runs.
    var lives: Bool { began != nil && Self.start(of: process) == began }

    /// When a process began; nil where there is none.
    static func start(of process: Int32) -> UInt64? {
        let line: String
        do { line = try Files.text("/proc/\(process)/stat", limit: 1 << 12) } catch { return nil }
        // The name, in parentheses, may hold anything; the state is the third field, the start the 22nd.
        guard let name = line.lastIndex(of: ")") else { return nil }
        let fields = line[line.index(after: name)...].split(separator: " ")
        return fields.count > 19 ? UInt64(fields[19]) : nil
    }

    /// The process that holds an flock(2) on an inode of a device (stat(2)), by the text of `/proc/locks` (proc(5)); nil where
    /// none is named.
    static func process(holding inode: UInt64, on device: dev_t, in locks: String) -> Int32? {
        // Other file systems have the same inode numbers.
        // As makedev(3) puts them together.
        let major = device >> 8 & 0xFFF | device >> 32 & ~0xFFF
        let minor = device & 0xFF | device >> 12 & 0xFFFF_FF00
        /// `MAJOR:MINOR:INODE`, the device in hexadecimal.
        func isFile(_ field: Substring) -> Bool {
            let parts = field.split(separator: ":")
            return parts.count == 3 && dev_t(parts[0], radix: 16) == major && dev_t(parts[1], radix: 16) == minor
                && UInt64(parts[2]) == inode
        }
        for line in locks.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count >= 6, fields[1] == "FLOCK", fields[3] == "WRITE", isFile(fields[5]),
                let process = Int32(fields[4]), process > 0
            else { continue }
            return process
        }
        return nil
    }
}
