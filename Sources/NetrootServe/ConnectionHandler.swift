import NIOCore
import NIOPosix

/// What the connections of one event loop share: replies are written here, and are with the kernel, or held by a
/// connection that does not read, before the next connection has its turn.
final class LoopScratch {
    var replies: ByteBuffer
    let connections: LoopConnections

    init(_ limits: NFSLimits) {
        connections = LoopConnections(limits)
        replies = ByteBufferAllocator().buffer(capacity: 64 << 10)
    }

    /// The buffer, empty, to be put back. Should writing to a connection lead to another connection's
    /// turn, that one gets an empty buffer of its own.
    func take() -> ByteBuffer {
        defer { replies = Self.none }
        // A connection that was closed in the middle of a batch leaves replies behind, which are nobody else's.
        replies.clear()
        return replies
    }

    private static let none = ByteBuffer()
}

/// One client's connection: records in, replies out, and the limits on both.
final class ConnectionHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = IOData

    private let service: NFSService
    private var records: RecordAssembler
    private let scratch: LoopScratch
    private let limits: NFSLimits
    private var context: ChannelHandlerContext?
    /// Replies that the kernel did not take yet stop the reading of further requests.
    private var isPaused = false
    /// A call waits for the provider of exports, or for blocks of an image to be decompressed.
    private var isAsking = false
    private var isClosed = false
    /// When the unfinished record began, and whether a check is on its way.
    private var recordStart: NIODeadline?
    private var isRecordCheckScheduled = false
    /// When the client last took all that was there for it.
    private var pauseStart: NIODeadline?
    private var hasRead = false
    /// When the connection was opened, and whether a whole record has come since.
    let opened = NIODeadline.now()
    private(set) var hasCalled = false
    /// The turn of the last whole record, or of the opening.
    private(set) var lastUse: UInt64 = 0
    /// Where `LoopConnections` has this connection; nil when it no longer counts as open.
    var place: Int?

    init(service: NFSService, scratch: LoopScratch) {
        self.service = service
        self.scratch = scratch
        limits = service.limits
        records = RecordAssembler(recordBytes: limits.recordBytes, fragments: limits.fragments)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        service.counters.countOpened()
        lastUse = scratch.connections.nextTurn()
        scratch.connections.add(self, on: context.eventLoop)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        isClosed = true
        self.context = nil
        leave()
        // Deadlines that are still to come keep the handler, not what it held.
        records = RecordAssembler(recordBytes: limits.recordBytes, fragments: limits.fragments)
    }

    /// Counts as open no longer.
    private func leave() {
        guard place != nil else { return }
        scratch.connections.remove(self)
        service.counters.countClosed()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isClosed else { return }
        hasRead = true
        records.append(unwrapInboundIn(data))
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        guard hasRead else { return }
        hasRead = false
        process(context)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        guard context.channel.isWritable, isPaused else { return }
        isPaused = false
        pauseStart = nil
        process(context)
        if !isPaused, !isAsking { setReading(true, context) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A connection that was reset, most of all. Nothing can be answered, and nobody else is touched by it.
        context.close(promise: nil)
    }

    /// Answers what has come, in batches.
    private func process(_ context: ChannelHandlerContext) {
        guard !isPaused, !isAsking, !isClosed else { return }
        // Out of the shared place, so that it is written to without a look at who else holds it.
        var replies = scratch.take()
        defer { scratch.replies = replies }
        var isIncomplete = false
        loop: while !isIncomplete {
            switch records.next() {
            case .incomplete:
                isIncomplete = true
            case .tooLarge:
                return refuse(context)
            case .record(let buffer, let offset, let count):
                recordStart = nil
                lastUse = scratch.connections.nextTurn()
                hasCalled = true
                var reader = XDRReader(buffer, offset: offset, count: count)
                switch service.answer(&reader, into: &replies, mayAsk: true) {
                case .answered: break
                case .close: return refuse(context)
                case .ask:
                    ask(XDRReader(buffer, offset: offset, count: count), context)
                    break loop
                case .unpack(let work):
                    unpack(work, XDRReader(buffer, offset: offset, count: count), context)
                    break loop
                }
                if replies.readableBytes >= limits.batchBytes {
                    send(&replies, context)
                    if isPaused { break loop }
                }
            }
        }
        send(&replies, context)
        if isIncomplete { watchRecord(context) }
    }

    private func send(_ replies: inout ByteBuffer, _ context: ChannelHandlerContext) {
        guard replies.readableBytes > 0 else { return }
        context.writeAndFlush(wrapOutboundOut(.byteBuffer(replies)), promise: nil)
        // One that the connection still holds is left to it: then this makes a new one.
        replies.clear()
        // The water mark is one byte: not writable means that the kernel has not taken all.
        guard !context.channel.isWritable, !isPaused, !isClosed else { return }
        isPaused = true
        setReading(false, context)
        let start = NIODeadline.now()
        pauseStart = start
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.eventLoop.assumeIsolated().scheduleTask(in: .seconds(Int64(limits.replySeconds))) {
            let handler = bound.value
            if handler.pauseStart == start, let context = handler.context { handler.refuse(context) }
        }
    }

    private func setReading(_ on: Bool, _ context: ChannelHandlerContext) {
        do {
            try context.channel.syncOptions?.setOption(.autoRead, value: on)
        } catch {
            context.close(promise: nil)
        }
    }

    /// Closes a record that does not end.
    private func watchRecord(_ context: ChannelHandlerContext) {
        guard records.isInside else {
            recordStart = nil
            return
        }
        if recordStart == nil { recordStart = .now() }
        guard !isRecordCheckScheduled, let start = recordStart else { return }
        isRecordCheckScheduled = true
        let limit = TimeAmount.seconds(Int64(limits.recordSeconds))
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.eventLoop.assumeIsolated().scheduleTask(deadline: start + limit) {
            let handler = bound.value
            handler.isRecordCheckScheduled = false
            guard let start = handler.recordStart, let context = handler.context else { return }
            if start + limit <= .now() { handler.refuse(context) } else { handler.watchRecord(context) }
        }
    }

    /// Answers a call when the provider of exports has been asked; until then the connection waits.
    private func ask(_ reader: XDRReader, _ context: ChannelHandlerContext) {
        isAsking = true
        setReading(false, context)
        let exports = service.exports
        let loop = context.eventLoop
        let bound = NIOLoopBound((self, reader), eventLoop: loop)
        Task {
            await exports.refresh()
            loop.execute {
                let (handler, reader) = bound.value
                handler.finishAsking(reader)
            }
        }
    }

    /// Answers a READ when another thread has decompressed what it needs; until then this connection waits, so that
    /// replies keep their order, and one client has no more than one thread at work for it.
    private func unpack(_ work: ImageRead, _ reader: XDRReader, _ context: ChannelHandlerContext) {
        isAsking = true
        setReading(false, context)
        let loop = context.eventLoop
        let bound = NIOLoopBound((self, reader), eventLoop: loop)
        NIOThreadPool.singleton.submit { _ in
            work.run()
            loop.execute {
                let (handler, reader) = bound.value
                handler.finishAsking(reader)
            }
        }
    }

    private func finishAsking(_ reader: XDRReader) {
        isAsking = false
        guard let context, !isClosed else { return }
        var reader = reader
        var replies = scratch.take()
        _ = service.answer(&reader, into: &replies, mayAsk: false)
        send(&replies, context)
        scratch.replies = replies
        process(context)
        if !isPaused, !isAsking { setReading(true, context) }
    }

    /// Closes the connection for something that its client did, or did not do.
    func refuse() {
        if let context { refuse(context) }
    }

    private func refuse(_ context: ChannelHandlerContext) {
        guard !isClosed else { return }
        isClosed = true
        leave()
        service.counters.countRefused()
        context.close(promise: nil)
    }
}
