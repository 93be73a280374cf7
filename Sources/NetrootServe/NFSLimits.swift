import NIOCore

/// What one client, and all of them together, can make the server spend.
public struct NFSLimits: Sendable {
    /// The longest request record, in bytes. The longest that a client of a read-only export sends is a WRITE of
    /// `writeBytes`; a path for MNT and credentials are shorter.
    public var recordBytes = 16 << 10
    /// The most fragments that a record comes in.
    public var fragments = 64
    /// The longest READ, in bytes; clients negotiate their rsize by it.
    public var readBytes = 1 << 20
    /// The longest WRITE that FSINFO offers, in bytes; it is answered NFS3ERR_ROFS all the same.
    /// libnfs mounts nothing that offers less than 8 KiB.
    public var writeBytes = 8 << 10
    /// The longest READDIR or READDIRPLUS reply, in bytes.
    public var directoryBytes = 64 << 10
    /// Replies that are gathered before they are sent, in bytes. While the kernel does not take them all, no further
    /// request of that client is read: what one can make the server hold is this and one reply more.
    public var batchBytes = 64 << 10
    /// The most connections at a time; for one more the longest idle one is closed, and its client connects again when
    /// it has something to ask.
    public var connections = 4096
    /// Seconds from the opening of a connection to the end of its first record.
    public var firstRecordSeconds = 30
    /// Seconds from the first byte of a record to its last.
    public var recordSeconds = 10
    /// Seconds in which a client must take the replies that wait for it.
    public var replySeconds = 60
    /// Seconds for which a file's attributes are believed before the tree on disk is asked again.
    public var attributeSeconds = 3
    /// Seconds between two questions to the provider of exports.
    public var providerSeconds = 2
    /// Files and directories that are kept open, of all trees together, the trees' roots among them.
    public var openFiles = 256
    /// Decompressed blocks of images that are kept, of all images together, in bytes.
    public var imageCacheBytes = 32 << 20
    /// Event loop threads. One serves a hundred thousand operations a second; the second one costs no memory worth
    /// naming, and goes on where the first waits for a disk.
    public var threads = min(2, System.coreCount)

    /// The defaults, which suit a boot server.
    public init() {}
}
