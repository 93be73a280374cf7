import Glibc
public import Logging
import NIOCore
import NIOPosix

/// A read-only NFS version 3 server, with MOUNT and NFSACL on the same TCP port (RFC 1813, RFC 5531).
public struct NFSServer: Sendable {
    private let group: MultiThreadedEventLoopGroup
    private let channel: any Channel
    private let counters: NFSCounters
    private let exports: ExportList
    private let uses: ClientUses?
    let work: WorkQueue
    private let logs: QueuedLog
    /// The TCP port that is listened on.
    public let port: Int
    /// The address that is listened on.
    public let address: String

    /// Reads the trees and begins to serve them.
    /// - Parameters:
    ///   - exports: what is served; of two with the same path MNT takes the first.
    ///   - provider: asked for the exports of now when a client names one that is not known.
    ///   - address: a numeric address of this machine.
    ///   - port: the TCP port; 0 for any that is free.
    ///   - accepts: whether a client with this numeric address may connect; nil: everybody may.
    ///   - onFirstUse: called once for each export, when MNT or a handle first names it and before that is answered, on
    ///     a thread that serves no clients.
    ///   - onUse: called with a client's address when a connection first uses a tree, when it ends, and by `renewUses`. It
    ///     runs on a thread that serves clients, and must not wait for anything.
    ///   - limits: what clients can make the server spend.
    ///   - log: where trees that cannot be read are told of.
    /// - Throws: `.noExports`, `.unreadableExport`, `.unreadableImage`, `.portInUse`, `.cannotListen`, `.resource`,
    ///   `.tooFewDescriptors`.
    public static func start(
        exports: [Export], provider: ExportProvider? = nil, address: String = "127.0.0.1", port: Int = 2049,
        accepts: (@Sendable (String) -> Bool)? = nil, onFirstUse: (@Sendable (Export) -> Void)? = nil,
        onUse: ClientUse? = nil,
        limits: NFSLimits = .init(),
        log: Logger = Logger(label: "netroot.nfs")
    ) async throws(ServeError) -> NFSServer {
        guard !exports.isEmpty else { throw .noExports }
        let limits = try DescriptorNeed(exports: exports.count).raiseLimit(for: limits)
        let logs = QueuedLog()
        let log = logs.logger(to: log)
        let work = WorkQueue(threads: max(1, limits.workers), mostWaiting: limits.connectionsPerClient)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: max(1, limits.threads))
        do {
            let list = try ExportList(exports, provider: provider, onFirstUse: onFirstUse, limits: limits, log: log)
            let counters = NFSCounters()
            let uses = onUse.map(ClientUses.init)
            let door = accepts.map { ClientDoor(accepts: $0, log: log) }
            let memory = MemoryReturn(loop: group.next(), work: work, cache: list.cache, counters: counters)
            let acceptor = Acceptor(
                group: group, exports: list, counters: counters, limits: limits, door: door, uses: uses, work: work,
                memory: memory)
            let channel = try await bind(group, acceptor, address: address, port: port)
            forgetStartUpCode()
            return NFSServer(
                group: group, channel: channel, counters: counters, exports: list, uses: uses, work: work, logs: logs,
                port: channel.localAddress?.port ?? port, address: address)
        } catch {
            await shutDown(group, work, logs, log: log)
            if let error = error as? ServeError { throw error }
            if let error = error as? IOError, error.errnoCode == EADDRINUSE {
                throw .portInUse(address: address, port: port)
            }
            let reason = (error as? IOError).map { "\(Errno(code: $0.errnoCode))" } ?? "\(error)"
            throw .cannotListen(address: address, port: port, reason: reason)
        }
    }

    /// What has been done since the start.
    public var statistics: NFSStatistics { counters.snapshot }

    /// The exported paths.
    public var paths: [String] { exports.paths }

    /// Calls `onUse` for every client that has a connection, also for one that asks nothing.
    public func renewUses() { uses?.renew() }

    /// Stops listening, closes all connections and ends the threads.
    /// - Throws: `.cannotStop`.
    public func stop() async throws(ServeError) {
        do {
            try await channel.close()
        } catch ChannelError.alreadyClosed {
            // What is wanted.
        } catch {
            throw .cannotStop(reason: "\(error)")
        }
        do {
            // First: what is being done ends on a loop.
            try await work.stop()
            try await group.shutdownGracefully()
            try await logs.stop()
        } catch {
            throw .cannotStop(reason: "\(error)")
        }
    }

    private static func bind(
        _ group: MultiThreadedEventLoopGroup, _ acceptor: Acceptor, address: String, port: Int
    ) async throws -> any Channel {
        try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(ListenHandler())
                }
            }
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            // A client that lost its power does not say goodbye.
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            // What the kernel holds of replies that cannot be sent: it would be megabytes for each connection.
            .childChannelOption(
                .tcpOption(.init(rawValue: TCP_NOTSENT_LOWAT)), value: .init(acceptor.limits.unsentBytes)
            )
            // A request has some 200 bytes. Each connection keeps its buffer, so it must be small; it grows with
            // clients that send many requests at a time.
            .childChannelOption(
                .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 512, initial: 512, maximum: 32 << 10)
            )
            .childChannelOption(.writeBufferWaterMark, value: .init(low: 1, high: 1))
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try acceptor.accept(channel) }
            }
            .bind(host: address, port: port)
            .get()
    }

    private static func shutDown(
        _ group: MultiThreadedEventLoopGroup, _ work: WorkQueue, _ logs: QueuedLog, log: Logger
    ) async {
        do {
            try await work.stop()
            try await group.shutdownGracefully()
            try await logs.stop()
        } catch {
            log.error("the NFS server's threads do not end: \(error)")
        }
    }
}

/// Keeps the listening socket open when a connection cannot be accepted.
private final class ListenHandler: ChannelInboundHandler {
    typealias InboundIn = any Channel

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // The connection is gone, or there is no descriptor for it; the next one may be better off. NIO's own
        // `AcceptBackoffHandler` before this one waits a second, so that this is no loop.
    }
}
