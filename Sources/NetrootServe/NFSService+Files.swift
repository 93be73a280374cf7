import CLinux
import Glibc
import NIOCore
import NetrootImage

/// Procedures on one file (RFC 1813, 3.3.1 to 3.3.6).
extension NFSService {
    func getAttributes(_ reader: inout XDRReader, _ out: inout ByteBuffer) throws {
        let (tree, inode) = try tree(&reader)
        let now = monotonicSeconds()
        try tree.withState(mayBlock) { (state) throws(NFSStatus) in
            let index = try state.node(inode: inode, now: now)
            out.writeInteger(NFSStatus.ok.rawValue)
            out.writeAttributes(index, of: state.table, fileSystem: tree.fileSystem)
        }
    }

    func lookup(_ reader: inout XDRReader, _ out: inout ByteBuffer) throws {
        let (tree, inode) = try tree(&reader)
        let name = try reader.opaque(limit: limits.recordBytes)
        guard name.count <= NFSv3.nameLimit else { throw NFSStatus.nameTooLong }
        guard name.count > 0 else { throw NFSStatus.invalid }
        let now = monotonicSeconds()
        let reader = reader
        try tree.withState(mayBlock) { (state) throws(NFSStatus) in
            let parent = try state.node(inode: inode, now: now)
            let directory = try state.directory(parent, now: now)
            let found: UInt32
            if let dots = reader.withBytes(of: name, Self.dots) {
                // The root is its own parent.
                found = dots == 1 ? parent : state.table.nodes[Int(parent)].parent
                try state.validate(found, now: now)
            } else {
                guard let entry = reader.withBytes(of: name, { state.table.lookup($0, in: directory) }) else {
                    throw .noEntry
                }
                do throws(NFSStatus) {
                    try state.validate(entry, in: parent, now: now)
                } catch {
                    // The name is known, and the file has gone since the directory was read.
                    throw error == .stale ? .noEntry : error
                }
                found = entry.node
            }
            out.writeInteger(NFSStatus.ok.rawValue)
            tree.handle(state.table.nodes[Int(found)].inode).write(to: &out)
            out.writeOptionalAttributes(found, of: state.table, fileSystem: tree.fileSystem)
            out.writeOptionalAttributes(parent, of: state.table, fileSystem: tree.fileSystem)
        }
    }

    /// 1 for `.`, 2 for `..`.
    private static func dots(_ name: UnsafeRawBufferPointer) -> Int? {
        guard name.count <= 2, name.allSatisfy({ $0 == UInt8(ascii: ".") }) else { return nil }
        return name.count
    }

    /// What the mode bits give the caller; nothing that changes the tree. With AUTH_SYS the client says who the caller is, so
    /// this is a service to honest clients, which ask before they let a user in, and no protection. READ does not ask.
    func access(_ call: RPCCall, _ reader: inout XDRReader, _ out: inout ByteBuffer) throws {
        let (tree, inode) = try tree(&reader)
        let wanted = try reader.uint32()
        let caller = Caller(call, in: reader.buffer)
        let now = monotonicSeconds()
        try tree.withState(mayBlock) { (state) throws(NFSStatus) in
            let index = try state.node(inode: inode, now: now)
            let node = state.table.nodes[Int(index)]
            let granted = caller.access(to: UInt32(node.mode), owner: state.table.owners[Int(node.owner)])
            out.writeInteger(NFSStatus.ok.rawValue)
            out.writeOptionalAttributes(index, of: state.table, fileSystem: tree.fileSystem)
            out.writeInteger(wanted & granted)
        }
    }

    func readLink(_ reader: inout XDRReader, _ out: inout ByteBuffer) throws {
        let (tree, inode) = try tree(&reader)
        let now = monotonicSeconds()
        try tree.withState(mayBlock) { (state) throws(NFSStatus) in
            let index = try state.node(inode: inode, now: now)
            out.writeInteger(NFSStatus.ok.rawValue)
            out.writeOptionalAttributes(index, of: state.table, fileSystem: tree.fileSystem)
            let lengthIndex = out.writerIndex
            out.writeInteger(0, as: UInt32.self)
            var status = NFSStatus.ok
            let count = out.writeWithUnsafeMutableBytes(minimumWritableBytes: Int(PATH_MAX)) { space in
                do throws(NFSStatus) {
                    return try state.readLink(
                        index, into: UnsafeMutableRawBufferPointer(rebasing: space.prefix(Int(PATH_MAX))))
                } catch {
                    status = error
                    return 0
                }
            }
            guard status == .ok else { throw status }
            out.setInteger(UInt32(count), at: lengthIndex)
            out.writeXDRPadding(after: count)
        }
    }

    func read(_ reader: inout XDRReader, _ out: inout ByteBuffer) throws {
        let (tree, inode) = try tree(&reader)
        let offset = try reader.uint64()
        let asked = try reader.uint32()
        let now = monotonicSeconds()
        let (contents, size) = try tree.withState(mayBlock) { (state) throws(NFSStatus) in
            let index = try state.node(inode: inode, now: now)
            let node = state.table.nodes[Int(index)]
            switch NFSFileType(mode: UInt32(node.mode)) {
            case .regular: break
            case .directory: throw .isDirectory
            default: throw .invalid
            }
            out.writeInteger(NFSStatus.ok.rawValue)
            out.writeOptionalAttributes(index, of: state.table, fileSystem: tree.fileSystem)
            return (try state.contents(ofFile: index), node.size)
        }
        var wanted = offset >= size ? 0 : Int(min(UInt64(asked), UInt64(limits.readBytes), size - offset))
        wanted = try readable(wanted, at: offset, of: contents, inode: inode, in: tree)
        let header = out.writerIndex
        out.writeMultipleIntegers(UInt32(0), UInt32(0), UInt32(0))
        var piece = FilePiece(tree: tree, inode: inode, contents: contents, offset: offset, left: wanted)
        let first = try fill(&piece, atMost: pieceBytes, into: &out)
        // A file that was cut since its attributes were read ends here.
        if piece.left > 0, first < pieceBytes {
            wanted = first
        } else if piece.left > 0 {
            rest = piece
        }
        let isEnd = offset + UInt64(wanted) >= size || rest == nil && piece.left > 0
        out.setInteger(UInt32(wanted), at: header)
        out.setInteger(UInt32(isEnd ? 1 : 0), at: header + 4)
        out.setInteger(UInt32(wanted), at: header + 8)
        if rest == nil { out.writeXDRPadding(after: wanted) }
        rest?.padding = -wanted & 3
        counters.countRead(wanted)
    }

    /// How many of the wanted bytes can be promised: a reply that has begun cannot be taken back, and its connection would
    /// have to be closed.
    /// - Throws: `.later` where blocks of an image are to be decompressed first; `.io` where one cannot be.
    private func readable(
        _ wanted: Int, at offset: UInt64, of contents: FileContents, inode: UInt64, in tree: ServedTree
    ) throws(NFSStatus) -> Int {
        var wanted = wanted
        if let bad = tree.firstUnreadable(of: inode), bad > offset { wanted = Int(min(UInt64(wanted), bad - offset)) }
        if tree.hasManyUnreadable { wanted = min(wanted, pieceBytes) }
        guard case .packed(let image, let reference) = contents, wanted > pieceBytes else { return wanted }
        guard mayBlock else {
            guard image.isCached(reference, at: offset, count: wanted) else { throw .later }
            return wanted
        }
        do throws(SquashfsReadError) {
            try image.check(try image.file(reference), at: offset, count: wanted)
            return wanted
        } catch {
            exports.note(error, inode: inode, in: tree)
            throw .io
        }
    }

    /// Writes the next bytes of a file.
    /// - Returns: how many; fewer than there should be where the file was cut.
    /// - Throws: `.later`, then nothing is written; `.io`.
    func fill(_ piece: inout FilePiece, atMost limit: Int, into out: inout ByteBuffer) throws(NFSStatus) -> Int {
        let wanted = min(piece.left, limit)
        let count =
            switch piece.contents {
            case .open(let file): try read(file, at: piece.offset, count: wanted, &out)
            case .packed(let image, let reference): try read(image, reference, piece, count: wanted, &out)
            }
        piece.offset += UInt64(count)
        piece.left -= count
        return count
    }

    private func read(
        _ file: OpenFile, at offset: UInt64, count wanted: Int, _ out: inout ByteBuffer
    ) throws(NFSStatus) -> Int {
        guard wanted > 0 else { return 0 }
        var code: Int32 = 0
        let count = out.writeWithUnsafeMutableBytes(minimumWritableBytes: wanted + 3) { space in
            let count = Self.read(file, at: offset, into: space.baseAddress, count: wanted, mayBlock: mayBlock)
            code = count < 0 ? errno : 0
            return max(0, count)
        }
        if !mayBlock, code == EAGAIN || code == EOPNOTSUPP || code == 0 && count < wanted {
            out.truncate(to: out.writerIndex - count)
            throw .later
        }
        guard code == 0 else { throw .io }
        return count
    }

    /// As pread(2); on a loop only what needs no disk (preadv2(2), `RWF_NOWAIT`).
    private static func read(
        _ file: OpenFile, at offset: UInt64, into space: UnsafeMutableRawPointer?, count: Int, mayBlock: Bool
    ) -> Int {
        guard !mayBlock, file.mayWait else { return pread(file.descriptor, space, count, off_t(offset)) }
        return pread_cached(file.descriptor, space, count, Int(clamping: offset))
    }

    private func read(
        _ image: SquashfsReader, _ reference: UInt64, _ piece: FilePiece, count wanted: Int, _ out: inout ByteBuffer
    ) throws(NFSStatus) -> Int {
        guard wanted > 0 else { return 0 }
        guard mayBlock || image.isCached(reference, at: piece.offset, count: wanted) else { throw .later }
        do {
            let file = try image.file(reference)
            return try out.writeWithUnsafeMutableBytes(minimumWritableBytes: wanted + 3) { space in
                try image.read(
                    file, at: piece.offset, into: UnsafeMutableRawBufferPointer(rebasing: space[..<wanted]))
            }
        } catch {
            if let error = error as? SquashfsReadError { exports.note(error, inode: piece.inode, in: piece.tree) }
            throw .io
        }
    }
}

/// The bytes of a READ that are still to be sent. A reply goes out in pieces, each read when the client has taken those
/// before: who asks for much and takes nothing makes the server hold one piece.
struct FilePiece {
    let tree: ServedTree
    let inode: UInt64
    let contents: FileContents
    var offset: UInt64
    var left: Int
    /// Zero bytes behind the last one.
    var padding = 0
}

/// Who calls, as AUTH_SYS says (RFC 5531, appendix A); nobody where there is no such credential.
struct Caller {
    private var user: UInt32 = 65534
    private var groups: [UInt32] = [65534]

    init(_ call: RPCCall, in buffer: ByteBuffer) {
        guard call.credentialFlavor == 1 else { return }
        var reader = XDRReader(buffer, offset: call.credential.offset, count: call.credential.count)
        do throws(XDRError) {
            _ = try reader.uint32()
            _ = try reader.opaque(limit: 255)
            let user = try reader.uint32()
            var groups = [try reader.uint32()]
            let count = try reader.uint32()
            guard count <= 16 else { return }
            // Root is asked for nothing; it need not be read to the end.
            if user != 0 { for _ in 0..<count { groups.append(try reader.uint32()) } }
            self.user = user
            self.groups = groups
        } catch {
            // A credential that cannot be read is that of nobody.
        }
    }

    /// The ACCESS3 bits (RFC 1813, 3.3.4) READ 1, LOOKUP 2 and EXECUTE 32; of a FIFO, a socket or a device node MODIFY 4
    /// and EXTEND 8 too: who writes to one changes nothing in the tree, and the client asks for both.
    func access(to mode: UInt32, owner: Owner) -> UInt32 {
        let type = NFSFileType(mode: mode)
        let isDirectory = type == .directory
        let bits: UInt32 =
            if user == 0 {
                isDirectory || mode & 0o111 != 0 ? 0o7 : 0o6
            } else if user == owner.user {
                mode >> 6
            } else if groups.contains(owner.group) {
                mode >> 3
            } else {
                mode
            }
        var granted: UInt32 = bits & 0o4 != 0 ? 1 : 0
        if bits & 0o1 != 0 { granted |= isDirectory ? 2 : 32 }
        switch type {
        case .fifo, .socket, .blockDevice, .characterDevice: if bits & 0o2 != 0 { granted |= 4 | 8 }
        case .regular, .directory, .symlink: break
        }
        return granted
    }
}
