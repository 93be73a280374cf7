import Glibc
import NIOCore
import NetrootImage

/// Procedures on one file (RFC 1813, 3.3.1 to 3.3.6).
extension NFSService {
    func getAttributes(_ reader: inout XDRReader, _ out: inout ByteBuffer) throws {
        let (tree, inode) = try tree(&reader)
        let now = monotonicSeconds()
        try tree.withState { (state) throws(NFSStatus) in
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
        try tree.withState { (state) throws(NFSStatus) in
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

    /// What the mode bits give the caller; nothing that writes. With AUTH_SYS the client says who the caller is, so
    /// this is a service to honest clients, which ask before they let a user in, and no protection. READ does not ask.
    func access(_ call: RPCCall, _ reader: inout XDRReader, _ out: inout ByteBuffer) throws {
        let (tree, inode) = try tree(&reader)
        let wanted = try reader.uint32()
        let caller = Caller(call, in: reader.buffer)
        let now = monotonicSeconds()
        try tree.withState { (state) throws(NFSStatus) in
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
        try tree.withState { (state) throws(NFSStatus) in
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

    /// - Throws: `ImageRead` where blocks are to be decompressed and the call may be put off until they are.
    func read(_ reader: inout XDRReader, _ out: inout ByteBuffer, mayUnpack: Bool) throws {
        let (tree, inode) = try tree(&reader)
        let offset = try reader.uint64()
        let asked = try reader.uint32()
        let now = monotonicSeconds()
        let (contents, size) = try tree.withState { (state) throws(NFSStatus) in
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
        let wanted = offset >= size ? 0 : Int(min(UInt64(asked), UInt64(limits.readBytes), size - offset))
        let header = out.writerIndex
        out.writeMultipleIntegers(UInt32(0), UInt32(0), UInt32(0))
        let count =
            switch contents {
            case .open(let file): try read(file, at: offset, count: wanted, &out)
            case .packed(let image, let reference):
                try read(image, reference, at: offset, count: wanted, &out, mayUnpack: mayUnpack) { error in
                    exports.note(error, inode: inode, in: tree)
                }
            }
        // A file that was cut since its attributes were read ends here.
        let isEnd = offset + UInt64(count) >= size || count < wanted
        out.setInteger(UInt32(count), at: header)
        out.setInteger(UInt32(isEnd ? 1 : 0), at: header + 4)
        out.setInteger(UInt32(count), at: header + 8)
        out.writeXDRPadding(after: count)
        counters.countRead(count)
    }

    private func read(
        _ file: OpenFile, at offset: UInt64, count wanted: Int, _ out: inout ByteBuffer
    ) throws(NFSStatus) -> Int {
        var failed = false
        let count = out.writeWithUnsafeMutableBytes(minimumWritableBytes: wanted + 3) { space in
            guard wanted > 0 else { return 0 }
            let count = pread(file.descriptor, space.baseAddress, wanted, off_t(offset))
            failed = count < 0
            return max(0, count)
        }
        guard !failed else { throw .io }
        return count
    }

    private func read(
        _ image: SquashfsReader, _ reference: UInt64, at offset: UInt64, count wanted: Int, _ out: inout ByteBuffer,
        mayUnpack: Bool, note: (SquashfsReadError) -> Void
    ) throws -> Int {
        do {
            let file = try image.file(reference)
            if mayUnpack, !image.isCached(file, at: offset, count: wanted) {
                throw ImageRead(image: image, file: file, offset: offset, count: wanted)
            }
            return try out.writeWithUnsafeMutableBytes(minimumWritableBytes: wanted + 3) { space in
                guard wanted > 0 else { return 0 }
                return try image.read(file, at: offset, into: UnsafeMutableRawBufferPointer(rebasing: space[..<wanted]))
            }
        } catch let error as SquashfsReadError {
            note(error)
            throw NFSStatus.io
        }
    }
}

/// A READ of blocks that are not decompressed yet: a megabyte takes milliseconds, in which the loop would serve nobody,
/// so that another thread puts them into the cache, and the call is then answered from there. Should they be gone
/// again by then, the loop decompresses them after all.
struct ImageRead: Error {
    let image: SquashfsReader
    let file: SquashfsFile
    let offset: UInt64
    let count: Int

    /// Decompresses the blocks. What fails is told when the call is answered.
    func run() { image.unpack(file, at: offset, count: count) }
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

    /// The ACCESS3 bits (RFC 1813, 3.3.4) READ 1, LOOKUP 2 and EXECUTE 32.
    func access(to mode: UInt32, owner: Owner) -> UInt32 {
        let isDirectory = mode & 0o170000 == 0o040000
        let bits: UInt32 =
            if user == 0 {
                isDirectory || mode & 0o111 != 0 ? 0o5 : 0o4
            } else if user == owner.user {
                mode >> 6
            } else if groups.contains(owner.group) {
                mode >> 3
            } else {
                mode
            }
        var granted: UInt32 = bits & 0o4 != 0 ? 1 : 0
        if bits & 0o1 != 0 { granted |= isDirectory ? 2 : 32 }
        return granted
    }
}
