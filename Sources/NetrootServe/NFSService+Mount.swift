import NIOCore

/// MOUNT version 3 (RFC 1813, 5.2) and NFSACL version 3.
extension NFSService {
    /// `mountstat3` MNT3ERR_NOENT.
    private static var noSuchExport: UInt32 { 2 }

    func answerMount(
        _ call: RPCCall, _ reader: inout XDRReader, into out: inout ByteBuffer, mayAsk: Bool
    ) throws(XDRError) -> Disposition {
        guard let procedure = MountProcedure(rawValue: call.procedure) else {
            out.writeAccepted(call.transaction, .procedureUnavailable)
            return .answered
        }
        switch procedure {
        case .null, .unmountAll:
            out.writeAccepted(call.transaction)
        case .unmount:
            _ = try reader.opaque(limit: NFSv3.mountPathLimit)
            out.writeAccepted(call.transaction)
        case .mount:
            let item = try reader.opaque(limit: NFSv3.mountPathLimit)
            let path = reader.withBytes(of: item) { String(decoding: $0, as: UTF8.self) }
            // One that was removed has no clients that could go on with it, and the provider knows better.
            guard let tree = exports.tree(path: path), tree.isPresent else {
                if mayAsk, exports.mayAsk || exports.isAsking { return .ask }
                out.writeAccepted(call.transaction)
                out.writeInteger(Self.noSuchExport)
                return .answered
            }
            exports.use(tree)
            client?.add(tree.export)
            writeRoot(of: tree, call, into: &out)
        case .dump:
            // The server keeps no list of who mounted what: nothing would take a machine off it that was cut off.
            out.writeAccepted(call.transaction)
            out.writeInteger(0, as: UInt32.self)
        case .export:
            out.writeAccepted(call.transaction)
            for path in exports.paths {
                out.writeInteger(1, as: UInt32.self)
                out.writeXDR(string: path)
                // No groups: everybody may.
                out.writeInteger(0, as: UInt32.self)
            }
            out.writeInteger(0, as: UInt32.self)
        }
        return .answered
    }

    private func writeRoot(of tree: ServedTree, _ call: RPCCall, into out: inout ByteBuffer) {
        out.writeAccepted(call.transaction)
        do throws(NFSStatus) {
            let inode = try tree.withState { (state) throws(NFSStatus) in
                state.table.nodes[Int(FileTable.root)].inode
            }
            out.writeInteger(NFSStatus.ok.rawValue)
            tree.handle(inode).write(to: &out)
            // AUTH_SYS and AUTH_NONE
            out.writeMultipleIntegers(UInt32(2), UInt32(1), UInt32(0))
        } catch {
            out.writeInteger(error.rawValue)
        }
    }

    /// NFSACL's NULL and GETACL: no file has an ACL. A client needs the answer: without it only root can run anything.
    func answerACL(_ call: RPCCall, _ reader: inout XDRReader, into out: inout ByteBuffer) throws(XDRError) {
        guard call.procedure <= 1 else {
            out.writeAccepted(call.transaction, .procedureUnavailable)
            return
        }
        out.writeAccepted(call.transaction)
        guard call.procedure == 1 else { return }
        let start = out.writerIndex
        do {
            let (tree, inode) = try tree(&reader)
            let mask = try reader.uint32()
            let now = monotonicSeconds()
            try tree.withState { (state) throws(NFSStatus) in
                let index = try state.node(inode: inode, now: now)
                out.writeInteger(NFSStatus.ok.rawValue)
                out.writeOptionalAttributes(index, of: state.table, fileSystem: tree.fileSystem)
            }
            // The mask that was asked; then twice a count and the array's length: the ACL and the default ACL.
            out.writeMultipleIntegers(mask & 0xF, UInt32(0), UInt32(0), UInt32(0), UInt32(0))
        } catch let error as XDRError {
            throw error
        } catch {
            out.truncate(to: start)
            let status = error as? NFSStatus ?? .serverFault
            out.writeMultipleIntegers(status.rawValue, UInt32(0))
        }
    }
}
