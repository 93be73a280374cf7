import NIOCore
import NIOPosix

/// What all connections share, and who becomes one.
final class Acceptor: Sendable {
    let limits: NFSLimits
    private let exports: ExportList
    private let counters: NFSCounters
    private let door: ClientDoor?
    private let uses: ClientUses?
    private let work: WorkQueue
    private let memory: MemoryReturn
    private let clients = ClientCounts()
    private let scratches: [(loop: any EventLoop, box: NIOLoopBoundBox<LoopScratch?>)]

    init(
        group: MultiThreadedEventLoopGroup, exports: ExportList, counters: NFSCounters, limits: NFSLimits,
        door: ClientDoor?, uses: ClientUses?, work: WorkQueue, memory: MemoryReturn
    ) {
        self.limits = limits
        self.exports = exports
        self.counters = counters
        self.door = door
        self.uses = uses
        self.work = work
        self.memory = memory
        scratches = group.makeIterator().map { loop in
            (loop, NIOLoopBoundBox<LoopScratch?>.makeEmptyBox(valueType: LoopScratch.self, eventLoop: loop))
        }
    }

    /// Makes a new connection one that is served; on its loop.
    /// - Throws: where it may not connect, or there is no room. Then it is closed.
    func accept(_ channel: any Channel) throws {
        counters.countAccepted()
        // Before anything is read: one that may not connect costs no more than this.
        if let door, !door.letsIn(channel.remoteAddress) { throw refusal() }
        let box = scratches.first { $0.loop === channel.eventLoop }?.box
        let scratch = box?.value ?? LoopScratch(limits, work: work, memory: memory)
        box?.value = scratch
        let client = ClientKey(channel.remoteAddress)
        // Each loop gets every so-manyth connection, so each has some that can go.
        try makeRoom(for: client, limits.connectionsPerClient, scratch.connections) { $0.client == client }
        if let network = client.network {
            try makeRoom(for: network, limits.connectionsPerNetwork, scratch.connections) {
                $0.client.network == network
            }
        }
        if counters.open >= UInt64(limits.connections) {
            guard scratch.connections.closeLongestIdle(where: { _ in true }) else { throw refusal() }
        }
        let service = NFSService(exports: exports, limits: limits, counters: counters)
        if let uses, let address = channel.remoteAddress?.ipAddress {
            service.client = ClientUses.Connection(uses, address: address)
        }
        try channel.pipeline.syncOperations.addHandler(
            ConnectionHandler(service: service, scratch: scratch, client: client, clients: clients))
    }

    /// Closes a connection of a client, or of a network, that has as many as it may.
    private func makeRoom(
        for key: ClientKey, _ limit: Int, _ connections: LoopConnections, _ isOne: (ConnectionHandler) -> Bool
    ) throws {
        guard clients.count(of: key) >= limit else { return }
        // What is still being done for one that was closed counts too.
        guard connections.closeLongestIdle(where: isOne), clients.count(of: key) < limit else { throw refusal() }
    }

    private func refusal() -> ChannelError {
        counters.countRefused()
        return .ioOnClosedChannel
    }
}
