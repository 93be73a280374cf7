import NIOCore

/// What becomes of a record.
enum Disposition {
    /// The reply is in the buffer.
    case answered
    /// The reply needs the provider of exports to be asked first.
    case ask
    /// The reply needs blocks of an image that are to be decompressed first, elsewhere.
    case unpack(ImageRead)
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

    init(exports: ExportList, limits: NFSLimits, counters: NFSCounters) {
        self.exports = exports
        self.limits = limits
        self.counters = counters
    }

    /// Answers one record.
    /// - Parameter mayAsk: whether the call may be put off: until the provider of exports has been asked for a name that
    ///   is not known, or until blocks are decompressed. The second time it may not.
    func answer(_ reader: inout XDRReader, into out: inout ByteBuffer, mayAsk: Bool) -> Disposition {
        let call: RPCCall
        do throws(RPCError) {
            call = try RPCCall(from: &reader)
        } catch {
            return .close
        }
        let mark = out.beginRecord()
        var disposition = Disposition.answered
        do throws(XDRError) {
            disposition = try dispatch(call, &reader, into: &out, mayAsk: mayAsk)
        } catch {
            out.truncate(to: mark + 4)
            out.writeAccepted(call.transaction, .garbageArguments)
        }
        guard case .answered = disposition else {
            out.truncate(to: mark)
            return disposition
        }
        out.endRecord(mark)
        return .answered
    }

    private func dispatch(
        _ call: RPCCall, _ reader: inout XDRReader, into out: inout ByteBuffer, mayAsk: Bool
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
            // A call that was put off has been counted.
            if mayAsk { counters.count(procedure) }
            out.writeAccepted(call.transaction)
            let work = try answerNFS(procedure, call, &reader, into: &out, mayUnpack: mayAsk)
            return work.map(Disposition.unpack) ?? .answered
        }
        counters.countOtherCall()
        switch call.program {
        case NFSv3.program, NFSv3.mountProgram, NFSv3.aclProgram:
            guard call.version == NFSv3.version else {
                out.writeVersionMismatch(call.transaction, supported: NFSv3.version)
                return .answered
            }
            if call.program == NFSv3.mountProgram {
                return try answerMount(call, &reader, into: &out, mayAsk: mayAsk)
            }
            try answerACL(call, &reader, into: &out)
        default:
            out.writeAccepted(call.transaction, .programUnavailable)
        }
        return .answered
    }

    /// Answers one NFS procedure behind the reply's header; what fails is answered with its status and failure body.
    /// - Returns: what is to be decompressed first; then nothing is answered yet.
    private func answerNFS(
        _ procedure: NFSProcedure, _ call: RPCCall, _ reader: inout XDRReader, into out: inout ByteBuffer,
        mayUnpack: Bool
    ) throws(XDRError) -> ImageRead? {
        let start = out.writerIndex
        do {
            switch procedure {
            case .null: break
            case .getAttributes: try getAttributes(&reader, &out)
            case .lookup: try lookup(&reader, &out)
            case .access: try access(call, &reader, &out)
            case .readLink: try readLink(&reader, &out)
            case .read: try read(&reader, &out, mayUnpack: mayUnpack)
            case .readDirectory: try readDirectory(&reader, &out, plus: false)
            case .readDirectoryPlus: try readDirectory(&reader, &out, plus: true)
            case .fileSystemStatus: try fileSystemStatus(&reader, &out)
            case .fileSystemInformation: try fileSystemInformation(&reader, &out)
            case .pathConfiguration: try pathConfiguration(&reader, &out)
            case .setAttributes, .write, .create, .makeDirectory, .makeSymlink, .makeNode, .remove, .removeDirectory,
                .rename, .link, .commit:
                throw NFSStatus.readOnly
            }
        } catch let work as ImageRead {
            return work
        } catch let status as NFSStatus {
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
        return nil
    }

    /// Reads a handle and finds the tree that it belongs to.
    func tree(_ reader: inout XDRReader) throws -> (ServedTree, UInt64) {
        guard let handle = try FileHandle.read(from: &reader) else { throw NFSStatus.badHandle }
        if let last, last.pathHash == handle.export, last.export.generation == handle.generation {
            return (last, handle.inode)
        }
        if let tree = exports.tree(handle) {
            exports.use(tree)
            client?.add(tree.export)
            last = tree
            return (tree, handle.inode)
        }
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
