import Glibc

/// Where the renewer says something: the console, through the kernel's log, and the journal.
public struct LeaseConsole: Sendable {
    private let kernelLog: Int32

    /// - Parameter path: `/dev/kmsg`; where it cannot be opened, the journal has the lines alone.
    public init(path: String) {
        kernelLog = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY)
    }

    /// Says a line aloud: with priority 3 it reaches a console that is quiet (`loglevel=4`).
    public func sayAloud(_ line: String) {
        if kernelLog >= 0 {
            let bytes = Array("<3>netroot-lease: \(line)\n".utf8)
            // A console that cannot take the line is no reason to stop.
            _ = write(kernelLog, bytes, bytes.count)
        }
        note(line)
    }

    /// Says a line in the journal alone.
    public func note(_ line: String) {
        let bytes = Array("\(line)\n".utf8)
        // A journal that does not read must not keep the lease from being renewed.
        if send(1, bytes, bytes.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL)) < 0, errno == ENOTSOCK {
            _ = write(1, bytes, bytes.count)
        }
    }
}
