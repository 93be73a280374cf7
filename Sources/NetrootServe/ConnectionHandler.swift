import NIOCore
import NIOPosix

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
    private(set) var isPaused = false
    /// A call waits for the provider of exports, or for another thread that answers it.
    private(set) var isAsking = false
    /// The work of the other thread.
    private var ticket: WorkQueue.Ticket?
    /// The call that waits for the provider.
    private var question: XDRReader?
    /// Bytes of memory of replies that the kernel has not taken.
    private var unsent = 0
    /// Bytes of memory of a request that another thread answers.
    private var asked = 0
    /// What is counted in the loop's budget, and since when nothing of it was taken, and no call answered.
    private(set) var charged = 0
    private(set) var heldSince = NIODeadline.distantFuture
    let client: ClientKey
    private let clients: ClientCounts
    private var isClosed = false
    /// When the unfinished record began.
    private var recordStart: NIODeadline?
    /// When a call was last answered or a piece of a reply taken, or the connection opened.
    private(set) var lastTaken = NIODeadline.now()
    /// When the client last took all that was there for it.
    private var pauseStart: NIODeadline?
    private var hasRead = false
    /// When the connection was opened, and whether a whole record has come since.
    let opened = NIODeadline.now()
    private(set) var hasCalled = false
    /// The turn of the last whole record, or of the opening.
    private(set) var lastUse: UInt64 = 0
    /// Whether a call waits for another thread, or a reply for the client.
    var isBusy: Bool { isAsking || isPaused || service.rest != nil }
    /// Whether it is the client that lets the server hold what it holds.
    var mustTake: Bool { !isAsking && charged > 0 }
    /// Where `LoopConnections` has this connection; nil when it no longer counts as open.
    var place: Int?

    init(service: NFSService, scratch: LoopScratch, client: ClientKey, clients: ClientCounts) {
        self.service = service
        self.client = client
        self.clients = clients
        self.scratch = scratch
        limits = service.limits
        records = RecordAssembler(recordBytes: limits.recordBytes, fragments: limits.fragments)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        service.counters.countOpened()
        clients.add(client)
        lastUse = scratch.connections.nextTurn()
        scratch.connections.add(self, on: context.eventLoop)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        isClosed = true
        self.context = nil
        leave()
        records = RecordAssembler(recordBytes: limits.recordBytes, fragments: limits.fragments)
    }

    /// Counts as open no longer. What another thread is doing for it cannot be stopped: until that ends it counts as its
    /// client's, or one who connects, asks and leaves would have more and more done.
    private func leave() {
        guard place != nil else { return }
        scratch.connections.remove(self)
        service.counters.countClosed()
        if question != nil {
            question = nil
            asked = 0
        }
        if let ticket, scratch.work.drop(ticket) { endWork() }
        if isAsking { charge(asked) } else { release() }
    }

    private func endWork() {
        ticket = nil
        question = nil
        isAsking = false
        asked = 0
    }

    /// Gives back what was counted. Nothing of the connection is left anywhere.
    private func release() {
        charge(0)
        clients.remove(client)
    }

    /// Counts what is held now in the loop's budget.
    private func settle(_ context: ChannelHandlerContext) {
        guard place != nil else { return }
        charge(unsent + asked + records.held)
        if charged > 0, scratch.budget.isTight { scratch.connections.relieve(scratch.budget, on: context.eventLoop) }
    }

    private func charge(_ bytes: Int) {
        guard bytes != charged else { return }
        if charged == 0 { heldSince = .now() }
        let wasTight = scratch.budget.isTight
        scratch.budget.change(by: bytes - charged, of: client)
        charged = bytes
        if wasTight, !scratch.budget.isTight { scratch.memory.request() }
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
        unsent = 0
        charge(records.held)
        noteTaken()
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
        defer {
            scratch.replies = replies
            settle(context)
        }
        let isTight = scratch.budget.isTight
        let batch = isTight ? min(limits.batchBytes, limits.tightPieceBytes) : limits.batchBytes
        service.pieceBytes = isTight ? min(limits.pieceBytes, limits.tightPieceBytes) : limits.pieceBytes
        var isIncomplete = false
        var hasAnswered = false
        defer { if hasAnswered { noteTaken() } }
        loop: while !isIncomplete {
            if service.rest != nil {
                switch service.continueReply(into: &replies, mayBlock: false) {
                case .answered: hasAnswered = true
                case .later, .ask:
                    send(&replies, context)
                    work(nil, context)
                    break loop
                case .close: return refuse(context)
                }
            } else {
                switch records.next() {
                case .incomplete:
                    isIncomplete = true
                    continue
                case .tooLarge:
                    return refuse(context)
                case .record(let buffer, let offset, let count):
                    recordStart = nil
                    lastUse = scratch.connections.nextTurn()
                    hasCalled = true
                    var reader = XDRReader(buffer, offset: offset, count: count)
                    switch service.answer(&reader, into: &replies, mayAsk: true, mayBlock: false) {
                    case .answered: hasAnswered = true
                    case .close: return refuse(context)
                    case .ask:
                        ask(XDRReader(buffer, offset: offset, count: count), context)
                        break loop
                    case .later:
                        work(Call(reader: XDRReader(buffer, offset: offset, count: count), mayAsk: true), context)
                        break loop
                    }
                }
            }
            if replies.readableBytes >= batch || service.rest != nil {
                send(&replies, context)
                if isPaused || isClosed { break loop }
            }
        }
        send(&replies, context)
        if isIncomplete { watchRecord(context) }
    }

    /// A client that goes on does not hold what is there, however much of it there always is.
    private func noteTaken() {
        lastTaken = .now()
        heldSince = lastTaken
    }

    private func send(_ replies: inout ByteBuffer, _ context: ChannelHandlerContext) {
        guard replies.readableBytes > 0, !isClosed else { return }
        var sent = replies
        if isPaused || scratch.budget.isTight {
            // Only what is needed, for it may be held.
            sent = context.channel.allocator.buffer(capacity: replies.readableBytes)
            sent.writeImmutableBuffer(replies)
        }
        let held = sent.storageCapacity
        context.writeAndFlush(wrapOutboundOut(.byteBuffer(sent)), promise: nil)
        // One that the connection still holds is left to it: then this makes a new one.
        sent = Self.none
        replies.clear()
        // The water mark is one byte: not writable means that the kernel has not taken all.
        guard !context.channel.isWritable, !isClosed else { return }
        unsent += held
        guard !isPaused else { return }
        isPaused = true
        setReading(false, context)
        let start = NIODeadline.now()
        pauseStart = start
        heldSince = start
        scratch.connections.watch(on: context.eventLoop)
    }

    private static let none = ByteBuffer()

    /// When the connection is closed unless its client goes on; nil where it need do nothing. `LoopConnections` looks.
    var deadline: NIODeadline? {
        var earliest: NIODeadline?
        func add(_ start: NIODeadline?, _ seconds: Int) {
            guard let start else { return }
            let end = start + .seconds(Int64(seconds))
            earliest = earliest.map { min($0, end) } ?? end
        }
        add(hasCalled ? nil : opened, limits.firstRecordSeconds)
        // A record that does not end, and a client that takes nothing.
        add(recordStart, limits.recordSeconds)
        add(pauseStart, limits.replySeconds)
        return earliest
    }

    private func setReading(_ on: Bool, _ context: ChannelHandlerContext) {
        do {
            try context.channel.syncOptions?.setOption(.autoRead, value: on)
        } catch {
            context.close(promise: nil)
        }
    }

    /// Notes when a record began that is not whole yet.
    private func watchRecord(_ context: ChannelHandlerContext) {
        guard records.isInside else {
            recordStart = nil
            return
        }
        guard recordStart == nil else { return }
        recordStart = .now()
        scratch.connections.watch(on: context.eventLoop)
    }

    /// Answers a call when the provider of exports has been asked; until then the connection waits.
    private func ask(_ reader: XDRReader, _ context: ChannelHandlerContext) {
        isAsking = true
        asked = reader.buffer.storageCapacity
        question = reader
        setReading(false, context)
        let exports = service.exports
        let loop = context.eventLoop
        let bound = NIOLoopBound(self, eventLoop: loop)
        Task {
            await exports.refresh(noticesSuccessors: true)
            loop.execute {
                let handler = bound.value
                let reader = handler.question
                handler.endWork()
                guard let reader, let context = handler.context, !handler.isClosed else { return handler.release() }
                handler.work(Call(reader: reader, mayAsk: false), context)
            }
        }
    }

    /// A call that another thread answers.
    private struct Call {
        var reader: XDRReader
        var mayAsk: Bool
    }

    /// What another thread does for a connection.
    ///
    /// It is sent between threads, and `NFSService` is not made for that. But each has it in its turn: the loop gives it to
    /// the queue and leaves the service alone (`isAsking`) until the thread gives it back by `execute`.
    private final class Job: @unchecked Sendable {
        let service: NFSService
        var call: Call?
        var replies = ByteBuffer()
        var disposition = Disposition.answered

        init(service: NFSService, call: Call?) {
            self.service = service
            self.call = call
        }

        func run() {
            guard var call else {
                disposition = service.continueReply(into: &replies, mayBlock: true)
                return
            }
            disposition = service.answer(
                &call.reader, into: &replies, mayAsk: call.mayAsk, mayBlock: true, isNew: false)
        }
    }

    /// Has a call, or the next piece of a reply, made by a thread that may wait; until then this connection waits, so that
    /// replies keep their order, and one client has no more than one thread at work for each connection.
    private func work(_ call: Call?, _ context: ChannelHandlerContext) {
        guard !isClosed else { return }
        isAsking = true
        asked = call?.reader.buffer.storageCapacity ?? 0
        setReading(false, context)
        let loop = context.eventLoop
        let job = Job(service: service, call: call)
        let bound = NIOLoopBound(self, eventLoop: loop)
        ticket = scratch.work.submit(client) {
            job.run()
            loop.execute { bound.value.finish(job) }
        }
        if ticket == nil {
            endWork()
            refuse(context)
        }
    }

    private func finish(_ job: Job) {
        endWork()
        guard let context, !isClosed else { return release() }
        scratch.memory.request()
        noteTaken()
        switch job.disposition {
        case .answered, .later: break
        case .close: return refuse(context)
        case .ask:
            if let call = job.call { ask(call.reader, context) }
            return
        }
        send(&job.replies, context)
        settle(context)
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
