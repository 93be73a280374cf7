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
    /// request of that connection is read: what one can make the server hold is this and one piece of a reply more.
    public var batchBytes = 32 << 10
    /// Bytes of a file that are read and sent at a time; a READ of more goes out in pieces. At least 4 KiB.
    public var pieceBytes = 64 << 10
    /// As `pieceBytes`, when half of `replyBytes` is used.
    public var tightPieceBytes = 8 << 10
    /// Bytes of replies that clients have not taken, and of requests that are not whole, of all connections together.
    /// When half of it is used, connections get less; when all is used, one of the client that holds the most is closed.
    public var replyBytes = 64 << 20
    /// Seconds in which a connection must take something of what waits for it, when half of `replyBytes` is used.
    public var tightSeconds = 5
    /// Bytes that the kernel takes of a connection and has not sent yet (`TCP_NOTSENT_LOWAT`).
    public var unsentBytes = 128 << 10
    /// The most connections of one client at a time; for one more the longest idle one of that client is closed. A
    /// client is an IPv4 or IPv6 address.
    public var connectionsPerClient = 256
    /// The most connections from one IPv6 network of 64 bits, in which a whole site may be; for one more the longest idle
    /// one of that network is closed.
    public var connectionsPerNetwork: Int { max(connectionsPerClient, connections / 2) }
    /// The most connections at a time; for one more the longest idle one is closed, and its client connects again when
    /// it has something to ask.
    public var connections = 4096
    /// Seconds after which a connection that does nothing goes before others where there are too many.
    public var idleSeconds = 1
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

    /// Threads that wait for disks and decompress images.
    public var workers = min(4, max(2, System.coreCount))

    /// The defaults, which suit a boot server.
    public init() {}
}
