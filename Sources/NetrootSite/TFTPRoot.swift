public import NetrootConfig
import NetrootSystem

/// The directory that the TFTP server gives out, shared by labels.
public struct TFTPRoot: Sendable {
    private let label: Label

    /// That of a label; nothing is made yet.
    public init(of label: Label) { self.label = label }

    /// Takes the lock: of two installs each keeps the other's entries.
    /// - Throws: `LockedError`, `SystemError`.
    func lock(verb: String) throws -> FileLock {
        try FileLock(
            path: label.tftpboot + "/.netroot.lock", subject: "TFTPBOOT \(label.tftpboot)",
            verb: "\(verb) \(label.name)")
    }

    /// Removes the files that runs which were killed left on their way into the label's directories and those that all labels
    /// share. Another run's are left to it.
    /// - Returns: the files that were removed.
    /// - Throws: `SystemError`.
    public func removeLeftovers() throws -> [String] {
        let own = "\(label.tftpboot)/netroot/\(label.name)"
        let shared = ["", "/pxelinux.cfg", "/grub", "/ipxe"].map { label.tftpboot + $0 }
        return (shared + (try Files.names(in: own).map { "\(own)/\($0)" })).flatMap {
            FileReplacement.removeUnfinished(in: $0)
        }
    }
}
