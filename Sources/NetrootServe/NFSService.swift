import NIOCore

/// What becomes of a record.
enum Disposition {
    /// The reply is in the buffer.
    case answered
    /// The reply needs the provider of exports to be asked first.
    case ask
    /// The reply may wait for a disk, or take long: another thread is to make it.
    case later
    /// No client sends this: close the connection.
    case close
}

/// Answers calls: the programs NFS, MOUNT and NFSACL (RFC 1813, 5531). It holds what a connection's calls share, and
/// belongs to that connection.
final class NFSService {
    let exports: ExportList
    let limits: NFSLimits
    let counters: NFSCounters
    /// The tree of the last call, so that the list of all is seldom looked at.
    private var last: ServedTree?
    /// Where it is noted which trees the client uses; nil where nobody wants to know.
    var client: ClientUses.Connection?
    /// Whether the call may wait: not on a loop, which serves others too.
    private(set) var mayBlock = false
    /// The most bytes of a file or of a directory that one piece of a reply has.
    var pieceBytes: Int
    /// What is still to be sent of the last reply.
    var rest: FilePiece?

    init(exports: ExportList, limits: NFSLimits, counters: NFSCounters) {
        self.exports = exports
        self.limits = limits
        self.counters = counters
        pieceBytes = limits.pieceBytes
    }

    /// Continues the reply under way with its next piece.
    /// - Returns: `.answered` or `.later`; `.close` where the file has not the bytes that were promised.
    func continueReply(into out: inout ByteBuffer, mayBlock: Bool) -> Disposition {
        guard var piece = rest else { return .answered }
        self.mayBlock = mayBlock
        let wanted = min(piece.left, pieceBytes)
        do throws(NFSStatus) {
            let count = try fill(&piece, atMost: wanted, into: &out)
            guard count == wanted else { throw .io }
        } catch {
            guard error != .later else { return .later }
            // The client comes again, and is then promised less.
            piece.tree.note(unreadable: piece.offset, of: piece.inode)
            return .close
        }
        rest = piece.left > 0 ? piece : nil
        if piece.left == 0 { out.writeRepeatingByte(0, count: piece.padding) }
        return .answered
    }

    /// Answers one record.
    /// - Parameters:
    ///   - mayAsk: whether the call may be put off until the provider of exports has been asked for a name that is not
    ///     known. The second time it may not.
    ///   - mayBlock: whether the call may wait for a disk; if not, it may be put off for another thread.
    ///   - isNew: whether it is to be counted: one that was put off has been.
    func answer(
        _ reader: inout XDRReader, into out: inout ByteBuffer, mayAsk: Bool, mayBlock: Bool = true, isNew: Bool = true
    ) -> Disposition {
        self.mayBlock = mayBlock
        rest = nil
        let call: RPCCall
        do throws(RPCError) {
            call = try RPCCall(from: &reader)
        } catch {
            return .close
        }
        let mark = out.beginRecord()
        var disposition = Disposition.answered
        do throws(XDRError) {
            disposition = try dispatch(call, &reader, into: &out, mayAsk: mayAsk, isNew: isNew)
        } catch {
            out.truncate(to: mark + 4)
            out.writeAccepted(call.transaction, .garbageArguments)
        }
        guard case .answered = disposition else {
            out.truncate(to: mark)
            return disposition
        }
        out.endRecord(mark, more: rest.map { $0.left + $0.padding } ?? 0)
        return .answered
    }

    private func dispatch(
        _ call: RPCCall, _ reader: inout XDRReader, into out: inout ByteBuffer, mayAsk: Bool, isNew: Bool
    ) throws(XDRError) -> Disposition {
        guard call.rpcVersion == RPC.version else {
            out.writeRPCMismatch(call.transaction)
            return .answered
        }
        if call.program == NFSv3.program, call.version == NFSv3.version {
            guard let procedure = NFSProcedure(rawValue: call.procedure) else {
                counters.countOtherCall()
                out.writeAccepted(call.transaction, .procedureUnavailable)
                return .answered
            }
            if isNew { counters.count(procedure) }
            out.writeAccepted(call.transaction)
            return try answerNFS(procedure, call, &reader, into: &out)
        }
        if isNew { counters.countOtherCall() }
        switch call.program {
        case NFSv3.program, NFSv3.mountProgram, NFSv3.aclProgram:
            guard call.version == NFSv3.version else {
                out.writeVersionMismatch(call.transaction, supported: NFSv3.version)
                return .answered
            }
            if call.program == NFSv3.mountProgram {
                return try answerMount(call, &reader, into: &out, mayAsk: mayAsk)
            }
            return try answerACL(call, &reader, into: &out)
        default:
            out.writeAccepted(call.transaction, .programUnavailable)
        }
        return .answered
    }

    /// Answers one NFS procedure behind the reply's header; what fails is answered with its status and failure body.
    /// - Returns: `.answered` or `.later`.
    private func answerNFS(
        _ procedure: NFSProcedure, _ call: RPCCall, _ reader: inout XDRReader, into out: inout ByteBuffer
    ) throws(XDRError) -> Disposition {
        let start = out.writerIndex
        do {
            switch procedure {
            case .null: break
            case .getAttributes: try getAttributes(&reader, &out)
            case .lookup: try lookup(&reader, &out)
            case .access: try access(call, &reader, &out)
            case .readLink: try readLink(&reader, &out)
            case .read: try read(&reader, &out)
            case .readDirectory: try readDirectory(&reader, &out, plus: false)
            case .readDirectoryPlus: try readDirectory(&reader, &out, plus: true)
            case .fileSystemStatus: try fileSystemStatus(&reader, &out)
            case .fileSystemInformation: try fileSystemInformation(&reader, &out)
            case .pathConfiguration: try pathConfiguration(&reader, &out)
            case .setAttributes, .write, .create, .makeDirectory, .makeSymlink, .makeNode, .remove, .removeDirectory,
                .rename, .link, .commit:
                throw NFSStatus.readOnly
            }
        } catch let status as NFSStatus {
            guard status != .later else { return .later }
            rest = nil
            out.truncate(to: start)
            out.writeInteger(status.rawValue)
            // No attributes follow: each optional one is the word FALSE.
            for _ in 0..<procedure.failureWords { out.writeInteger(0, as: UInt32.self) }
        } catch let error as XDRError {
            throw error
        } catch {
            // Nothing else is thrown above; should that change, the client learns that it is our fault.
            out.truncate(to: start)
            out.writeInteger(NFSStatus.serverFault.rawValue)
            for _ in 0..<procedure.failureWords { out.writeInteger(0, as: UInt32.self) }
        }
        return .answered
    }

    /// Reads a handle and finds the tree that it belongs to.
    func tree(_ reader: inout XDRReader) throws -> (ServedTree, UInt64) {
        guard let handle = try FileHandle.read(from: &reader) else { throw NFSStatus.badHandle }
        if let last, last.owns(handle) {
            exports.look(at: last)
            return (last, handle.inode)
        }
        if let tree = exports.tree(handle) {
            guard mayBlock || !exports.isFirstUse(of: tree) else { throw NFSStatus.later }
            exports.use(tree)
            client?.add(tree.export)
            exports.look(at: tree)
            last = tree
            return (tree, handle.inode)
        }
        last = nil
        guard exports.mayAsk || exports.isAsking else { throw NFSStatus.stale }
        // It may be a generation built a moment ago. The client comes again by itself, and by then we know.
        let exports = exports
        Task { await exports.refresh() }
        throw NFSStatus.jukebox
    }
}

extension NFSProcedure {
    /// Words of the failure body behind the status: one for `post_op_attr`, two for `wcc_data` (RFC 1813, 3.3).
    var failureWords: Int {
        switch self {
        case .null, .getAttributes: 0
        case .setAttributes, .write, .create, .makeDirectory, .makeSymlink, .makeNode, .remove, .removeDirectory,
            .commit:
            2
        case .link: 3
        case .rename: 4
        default: 1
        }
    }
}
