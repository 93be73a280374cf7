import Synchronization

/// What a server has done since it started.
public struct NFSStatistics: Sendable, Equatable, Codable {
    /// Calls of each NFS procedure, by its number (RFC 1813, 3.3).
    public var operations: [UInt64]
    /// Calls of MOUNT and NFSACL, and calls that no procedure could be found for.
    public var otherCalls: UInt64
    /// Bytes of file contents that READ replies carried.
    public var bytesRead: UInt64
    public var connectionsAccepted: UInt64
    /// Connections open now.
    public var connectionsOpen: UInt64
    /// Connections closed by the server: malformed, too slow, or one too many.
    public var connectionsRefused: UInt64

    /// Calls of one procedure.
    public subscript(procedure: NFSProcedure) -> UInt64 { operations[Int(procedure.rawValue)] }

    /// Calls of all NFS procedures.
    public var totalOperations: UInt64 { operations.reduce(0, +) }
}

/// The counters behind `NFSStatistics`; all loops count in them.
final class NFSCounters: Sendable {
    private let operations = InlineArray<22, Atomic<UInt64>> { _ in Atomic(0) }
    private let otherCalls = Atomic<UInt64>(0)
    private let bytesRead = Atomic<UInt64>(0)
    private let connectionsAccepted = Atomic<UInt64>(0)
    private let connectionsOpen = Atomic<UInt64>(0)
    private let connectionsRefused = Atomic<UInt64>(0)

    func count(_ procedure: NFSProcedure) {
        operations[Int(procedure.rawValue)].wrappingAdd(1, ordering: .relaxed)
    }

    func countOtherCall() { otherCalls.wrappingAdd(1, ordering: .relaxed) }
    func countRead(_ bytes: Int) { bytesRead.wrappingAdd(UInt64(bytes), ordering: .relaxed) }
    func countAccepted() { connectionsAccepted.wrappingAdd(1, ordering: .relaxed) }
    func countOpened() { connectionsOpen.wrappingAdd(1, ordering: .relaxed) }
    func countClosed() { connectionsOpen.wrappingSubtract(1, ordering: .relaxed) }
    func countRefused() { connectionsRefused.wrappingAdd(1, ordering: .relaxed) }

    /// Connections open now.
    var open: UInt64 { connectionsOpen.load(ordering: .relaxed) }

    var snapshot: NFSStatistics {
        NFSStatistics(
            operations: operations.indices.map { operations[$0].load(ordering: .relaxed) },
            otherCalls: otherCalls.load(ordering: .relaxed), bytesRead: bytesRead.load(ordering: .relaxed),
            connectionsAccepted: connectionsAccepted.load(ordering: .relaxed),
            connectionsOpen: connectionsOpen.load(ordering: .relaxed),
            connectionsRefused: connectionsRefused.load(ordering: .relaxed))
    }
}
