import NIOCore

/// MOUNT version 3 (RFC 1813, 5.2) and NFSACL version 3.
extension NFSService {
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
            return try mount(call, &reader, into: &out, mayAsk: mayAsk)
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

    /// MNT of an export, or of a directory in one. `mountstat3` has the numbers of `nfsstat3`.
    private func mount(
        _ call: RPCCall, _ reader: inout XDRReader, into out: inout ByteBuffer, mayAsk: Bool
    ) throws(XDRError) -> Disposition {
        let item = try reader.opaque(limit: NFSv3.mountPathLimit)
        guard mayBlock else { return .later }
        let path = reader.withBytes(of: item) { MountPath(Array($0)) }
        let found = exports.tree(path: path)
        // One that was removed has no clients that could go on with it, and the provider knows better.
        guard let (tree, names) = found, tree.isPresent else {
            if mayAsk, exports.mayAsk || exports.isAsking || found?.tree.hasSuccessor == true { return .ask }
            out.writeAccepted(call.transaction)
            out.writeInteger(NFSStatus.noEntry.rawValue)
            return .answered
        }
        out.writeAccepted(call.transaction)
        do throws(NFSStatus) {
            let now = monotonicSeconds()
            let inode = try tree.withState(mayBlock) { (state) throws(NFSStatus) in
                let index = names.isEmpty ? FileTable.root : try state.directory(at: names, now: now)
                return state.table.nodes[Int(index)].inode
            }
            exports.use(tree)
            client?.add(tree.export)
            out.writeInteger(NFSStatus.ok.rawValue)
            tree.handle(inode).write(to: &out)
            // AUTH_SYS and AUTH_NONE
            out.writeMultipleIntegers(UInt32(2), UInt32(1), UInt32(0))
        } catch {
            // A directory that goes at this moment is not there, and MNT has no word for stale.
            out.writeInteger((error == .stale ? NFSStatus.noEntry : error).rawValue)
        }
        return .answered
    }

    /// NFSACL's NULL and GETACL: no file has an ACL. A client needs the answer: without it only root can run anything.
    func answerACL(
        _ call: RPCCall, _ reader: inout XDRReader, into out: inout ByteBuffer
    ) throws(XDRError) -> Disposition {
        guard call.procedure <= 1 else {
            out.writeAccepted(call.transaction, .procedureUnavailable)
            return .answered
        }
        out.writeAccepted(call.transaction)
        guard call.procedure == 1 else { return .answered }
        let start = out.writerIndex
        do {
            let (tree, inode) = try tree(&reader)
            let mask = try reader.uint32()
            let now = monotonicSeconds()
            try tree.withState(mayBlock) { (state) throws(NFSStatus) in
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
            guard status != .later else { return .later }
            out.writeMultipleIntegers(status.rawValue, UInt32(0))
        }
        return .answered
    }
}
