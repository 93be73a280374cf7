import NIOCore

/// What the connections of one event loop share: replies are written here, and are with the kernel, or held by a
/// connection that does not read, before the next connection has its turn.
final class LoopScratch {
    var replies: ByteBuffer
    let connections: LoopConnections
    let budget: ReplyBudget
    let work: WorkQueue
    let memory: MemoryReturn
    private let capacity: Int

    init(_ limits: NFSLimits, work: WorkQueue, memory: MemoryReturn) {
        connections = LoopConnections(limits, memory: memory)
        budget = ReplyBudget(limit: limits.replyBytes / max(1, limits.threads))
        self.work = work
        self.memory = memory
        capacity = limits.batchBytes + limits.pieceBytes
        replies = ByteBufferAllocator().buffer(capacity: capacity)
    }

    /// The buffer, empty, to be put back. Should writing to a connection lead to another connection's
    /// turn, that one gets an empty buffer of its own.
    func take() -> ByteBuffer {
        defer { replies = Self.none }
        // A list of very many exports is not what the next connection is to hold.
        if replies.capacity > 2 * capacity { replies = ByteBufferAllocator().buffer(capacity: capacity) }
        // A connection that was closed in the middle of a batch leaves replies behind, which are nobody else's.
        replies.clear()
        return replies
    }

    private static let none = ByteBuffer()
}
