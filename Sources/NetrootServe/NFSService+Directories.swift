import Glibc
import NIOCore

/// Procedures on directories and filesystems (RFC 1813, 3.3.16 to 3.3.20).
extension NFSService {
    /// READDIR and READDIRPLUS. Cookies: 1 is `.`, 2 is `..`, and an entry's is made of the hash of its name, by which
    /// entries are sorted, so they hold for ever. The cookie verifier tells the form of the cookies: a listing that a
    /// server of before began (0) goes on in the form of then, and each new one is in the form of now (1).
    func readDirectory(_ reader: inout XDRReader, _ out: inout ByteBuffer, plus: Bool) throws {
        let (tree, inode) = try tree(&reader)
        let cookie = try reader.uint64()
        let verifier = try reader.uint64()
        let cookies: CookieForm = cookie != 0 && verifier == CookieForm.former.rawValue ? .former : .current
        let first = try reader.uint32()
        let maximum = plus ? try reader.uint32() : first
        let now = monotonicSeconds()
        let start = out.writerIndex
        let room = Int(min(maximum, UInt32(min(limits.directoryBytes, pieceBytes))))
        try tree.withState(mayBlock) { (state) throws(NFSStatus) in
            let index = try state.node(inode: inode, now: now)
            let directory = try state.directory(index, now: now)
            out.writeInteger(NFSStatus.ok.rawValue)
            out.writeOptionalAttributes(index, of: state.table, fileSystem: tree.fileSystem)
            out.writeInteger(cookies.rawValue)
            // The two words that end the list must fit too. `dircount` limits names and cookies, but at least one
            // entry is given, or the client would never get on.
            var list = DirectoryListing(
                tree: tree, plus: plus, cookies: cookies, end: start + room - 8, names: plus ? Int(first) : .max)
            let isEnd = try list.write(index, directory, from: cookie, state: &state, now: now, into: &out)
            guard list.entries > 0 || isEnd else { throw .tooSmall }
            out.writeMultipleIntegers(UInt32(0), UInt32(isEnd ? 1 : 0))
        }
    }

    func fileSystemStatus(_ reader: inout XDRReader, _ out: inout ByteBuffer) throws {
        let (tree, inode) = try tree(&reader)
        let now = monotonicSeconds()
        try tree.withState(mayBlock) { (state) throws(NFSStatus) in
            let index = try state.node(inode: inode, now: now)
            let space = try state.space()
            let unit = UInt64(space.f_frsize)
            out.writeInteger(NFSStatus.ok.rawValue)
            out.writeOptionalAttributes(index, of: state.table, fileSystem: tree.fileSystem)
            out.writeMultipleIntegers(
                UInt64(space.f_blocks) &* unit, UInt64(space.f_bfree) &* unit, UInt64(space.f_bavail) &* unit,
                UInt64(space.f_files), UInt64(space.f_ffree), UInt64(space.f_favail), UInt32(0))
        }
    }

    func fileSystemInformation(_ reader: inout XDRReader, _ out: inout ByteBuffer) throws {
        let (tree, inode) = try tree(&reader)
        let now = monotonicSeconds()
        let read = UInt32(limits.readBytes)
        let write = UInt32(limits.writeBytes)
        let directory = UInt32(limits.directoryBytes)
        try tree.withState(mayBlock) { (state) throws(NFSStatus) in
            let index = try state.node(inode: inode, now: now)
            out.writeInteger(NFSStatus.ok.rawValue)
            out.writeOptionalAttributes(index, of: state.table, fileSystem: tree.fileSystem)
            // rtmax, rtpref, rtmult, wtmax, wtpref, wtmult, dtpref
            out.writeMultipleIntegers(read, read, UInt32(4096), write, write, UInt32(4096), directory)
            // maxfilesize; time_delta of a nanosecond; hard links, symlinks, and the same PATHCONF everywhere
            out.writeMultipleIntegers(UInt64(Int64.max), UInt32(0), UInt32(1), UInt32(0x1 | 0x2 | 0x8))
        }
    }

    func pathConfiguration(_ reader: inout XDRReader, _ out: inout ByteBuffer) throws {
        let (tree, inode) = try tree(&reader)
        let now = monotonicSeconds()
        try tree.withState(mayBlock) { (state) throws(NFSStatus) in
            let index = try state.node(inode: inode, now: now)
            out.writeInteger(NFSStatus.ok.rawValue)
            out.writeOptionalAttributes(index, of: state.table, fileSystem: tree.fileSystem)
            // linkmax, name_max; no_trunc, chown_restricted, not case_insensitive, case_preserving
            out.writeMultipleIntegers(
                UInt32(UInt16.max), UInt32(NFSv3.nameLimit), UInt32(1), UInt32(1), UInt32(0), UInt32(1))
        }
    }
}

/// How cookies are made; the number is the cookie verifier.
enum CookieForm: UInt64 {
    case former = 0
    case current = 1

    /// For the place among the names of one hash. Now there is room for more than a directory has, and in all there are
    /// no more than 63 bits, which is what a client can hand on.
    var placeBits: UInt64 { self == .former ? 16 : 24 }
}

/// The entries of one READDIR or READDIRPLUS reply.
struct DirectoryListing {
    let tree: ServedTree
    let plus: Bool
    let cookies: CookieForm
    /// No entry may end behind this index of the buffer.
    let end: Int
    /// Bytes of names and cookies that may still be written.
    var names: Int
    var entries = 0

    /// Writes entries from behind `cookie` for as long as they fit.
    /// - Returns: whether the directory ends there.
    mutating func write(
        _ index: UInt32, _ directory: DirectoryRecord, from cookie: UInt64, state: inout TreeState, now: UInt32,
        into out: inout ByteBuffer
    ) throws(NFSStatus) -> Bool {
        if cookie < 1, !write(index, "." as StaticString, cookie: 1, state.table, &out) { return false }
        if cookie < 2 {
            let parent = state.table.nodes[Int(index)].parent
            guard write(parent, ".." as StaticString, cookie: 2, state.table, &out) else { return false }
        }
        var position = position(behind: cookie, directory, state.table)
        guard position < directory.count else { return true }
        var hash = state.table.entries[Int(directory.first + position)].hash
        // Where the names of this hash begin.
        var group = state.table.firstPosition(hash, in: directory)
        while position < directory.count {
            let entry = state.table.entries[Int(directory.first + position)]
            if entry.hash != hash { (hash, group) = (entry.hash, position) }
            let cookie = self.cookie(hash, place: position - group)
            position += 1
            do throws(NFSStatus) {
                try state.validate(entry, in: index, now: now)
            } catch {
                if error == .stale { continue }
                throw error
            }
            guard write(entry.node, state.table.names.bytes(entry.name), cookie: cookie, state.table, &out) else {
                return false
            }
        }
        return true
    }

    private mutating func write(
        _ node: UInt32, _ name: StaticString, cookie: UInt64, _ table: borrowing FileTable, _ out: inout ByteBuffer
    ) -> Bool {
        let bytes = UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
        return write(node, bytes, cookie: cookie, table, &out)
    }

    private mutating func write(
        _ node: UInt32, _ name: UnsafeRawBufferPointer, cookie: UInt64, _ table: borrowing FileTable,
        _ out: inout ByteBuffer
    ) -> Bool {
        let named = 24 + (name.count + 3) & ~3
        let size = plus ? named + 4 + 84 + 4 + 4 + FileHandle.size : named
        guard out.writerIndex + size <= end, names >= named || entries == 0 else { return false }
        let attributes = table.nodes[Int(node)]
        out.writeItems(atMost: size) { cursor in
            cursor.put(1 as UInt32)
            cursor.put(attributes.inode)
            cursor.put(opaque: name)
            cursor.put(cookie)
            guard plus else { return }
            cursor.put(1 as UInt32)
            cursor.put(attributes, table.owners[Int(attributes.owner)], fileSystem: tree.fileSystem)
            cursor.put(1 as UInt32)
            tree.handle(attributes.inode).write(to: &cursor)
        }
        names -= named
        entries += 1
        return true
    }

    /// An entry's cookie: the hash of its name, and its place among the names of the same hash, above the two of dots.
    private func cookie(_ hash: UInt32, place: UInt32) -> UInt64 {
        (UInt64(hash) << cookies.placeBits | UInt64(min(place, 1 << UInt32(cookies.placeBits) - 1))) + 3
    }

    /// The position of the first entry whose cookie is above `cookie`.
    private func position(behind cookie: UInt64, _ directory: DirectoryRecord, _ table: borrowing FileTable)
        -> UInt32
    {
        guard cookie >= 3 else { return 0 }
        guard let hash = UInt32(exactly: (cookie - 3) >> cookies.placeBits) else { return directory.count }
        let place = UInt32((cookie - 3) & (1 << cookies.placeBits - 1))
        let next = hash < .max ? table.firstPosition(hash + 1, in: directory) : directory.count
        return min(next, table.firstPosition(hash, in: directory) + place + 1)
    }
}
