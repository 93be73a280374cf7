/// What takes the members of an archive as they are read.
protocol TarReceiver {
    /// A member begins; of a regular file `size` bytes follow.
    mutating func begin(_ entry: TarEntry) throws
    /// The next bytes of the regular file that has begun.
    mutating func content(_ bytes: ArraySlice<UInt8>) throws
}

/// Reads a tar archive from bytes that come in pieces of any size.
///
/// ustar, pax headers for one member (`x`), GNU tar's long names (`L`, `K`) and base-256 numbers. What it keeps is
/// bounded: a block, and the extended header of one member. A member that has two meanings, or one that builders of
/// images do not write (sparse files, several volumes), is an error: two programs could read it in two ways.
struct TarReader: Sendable {
    /// What keeps a hostile archive from taking all memory or time.
    struct Limits: Sendable {
        /// The most members.
        var entries = 8_000_000
        /// The most bytes of one extended header.
        var extended: UInt64 = 1 << 20
    }

    private enum State: Sendable {
        case header
        case extended(flag: UInt8, size: Int)
        case content(left: UInt64, padding: Int)
        case padding(left: Int)
        /// Two blocks of zeros have come; what follows fills a tape's record.
        case ended
    }

    /// The offset of the next byte.
    private(set) var offset: UInt64 = 0
    /// How many members have begun.
    private(set) var entries = 0
    private let name: String
    private let limits: Limits
    private var state = State.header
    /// The part of a block or an extended header that has come so far.
    private var pending: [UInt8] = []
    private var zeroBlocks = 0
    private var pax: PaxRecords?
    private var longName: [UInt8]?
    private var longLink: [UInt8]?

    /// - Parameter name: what errors call the archive.
    init(name: String, limits: Limits = Limits()) {
        self.name = name
        self.limits = limits
    }

    /// Reads the next bytes.
    /// - Throws: `LayerError`, and what the receiver throws.
    mutating func read(_ bytes: ArraySlice<UInt8>, _ receiver: inout some TarReceiver) throws {
        var rest = bytes
        while !rest.isEmpty {
            switch state {
            case .header:
                guard let block = take(TarHeader.length, &rest) else { return }
                try located { reader throws(TarFault) in try reader.header(block) }.map { try receiver.begin($0) }
            case .extended(let flag, let size):
                let padded = size + TarEntry.padding(after: UInt64(size))
                guard let bytes = take(padded, &rest) else { return }
                try located { reader throws(TarFault) in try reader.extended(flag, bytes.prefix(size)) }
                state = .header
            case .content(let left, let padding):
                let part = rest.prefix(Int(clamping: left))
                try receiver.content(part)
                skip(part.count, &rest)
                let more = left - UInt64(part.count)
                state =
                    more > 0 ? .content(left: more, padding: padding) : padding > 0 ? .padding(left: padding) : .header
            case .padding(let left):
                let part = min(left, rest.count)
                skip(part, &rest)
                state = part < left ? .padding(left: left - part) : .header
            case .ended: skip(rest.count, &rest)
            }
        }
    }

    /// Says that no more bytes come. The end between two members is one: the archive's digest says that nothing is missing.
    /// - Throws: `LayerError.badArchive` where a member is not complete.
    func finish() throws(LayerError) {
        switch state {
        case .header where pending.isEmpty && pax == nil && longName == nil && longLink == nil: return
        case .ended: return
        case .header, .extended, .content, .padding:
            throw LayerError.badArchive(layer: name, offset: offset, problem: "the archive is cut off")
        }
    }

    private mutating func located<R>(_ body: (inout Self) throws(TarFault) -> R) throws(LayerError) -> R {
        do {
            return try body(&self)
        } catch {
            throw LayerError.badArchive(layer: name, offset: offset, problem: error.problem)
        }
    }

    private mutating func skip(_ count: Int, _ rest: inout ArraySlice<UInt8>) {
        rest = rest.dropFirst(count)
        offset += UInt64(count)
    }

    /// Collects bytes up to `count`; nil as long as there are fewer.
    private mutating func take(_ count: Int, _ rest: inout ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        if pending.isEmpty, rest.count >= count {
            let whole = rest.prefix(count)
            skip(count, &rest)
            return whole
        }
        let part = min(count - pending.count, rest.count)
        pending.append(contentsOf: rest.prefix(part))
        skip(part, &rest)
        guard pending.count == count else { return nil }
        defer { pending.removeAll(keepingCapacity: true) }
        return pending[...]
    }

    /// - Returns: the member that begins; nil where the block is the end's, or an extended header's.
    private mutating func header(_ block: ArraySlice<UInt8>) throws(TarFault) -> TarEntry? {
        if block.allSatisfy({ $0 == 0 }) {
            guard pax == nil, longName == nil, longLink == nil else { throw TarFault("an extended header at the end") }
            zeroBlocks += 1
            if zeroBlocks == 2 { state = .ended }
            return nil
        }
        guard zeroBlocks == 0 else { throw TarFault("a single block of zeros") }
        let header = try TarHeader(block)
        guard "xgLK".utf8.contains(header.typeFlag) else { return try entry(header) }
        guard header.size <= limits.extended else {
            throw TarFault("an extended header of \(header.size) bytes")
        }
        let again: Bool =
            switch header.typeFlag {
            case UInt8(ascii: "x"): pax != nil
            case UInt8(ascii: "L"): longName != nil
            case UInt8(ascii: "K"): longLink != nil
            default: false
            }
        guard !again else { throw TarFault("a second extended header for one member") }
        if header.size == 0 {
            try extended(header.typeFlag, [])
        } else {
            state = .extended(flag: header.typeFlag, size: Int(header.size))
        }
        return nil
    }

    private mutating func extended(_ flag: UInt8, _ bytes: ArraySlice<UInt8>) throws(TarFault) {
        switch flag {
        case UInt8(ascii: "x"): pax = try PaxRecords(bytes)
        case UInt8(ascii: "L"): longName = Array(bytes.prefix { $0 != 0 })
        case UInt8(ascii: "K"): longLink = Array(bytes.prefix { $0 != 0 })
        default:
            // git archive's comment; anything else some programs heed and others do not.
            guard try PaxRecords(bytes).isEmpty else { throw TarFault("a global header that changes members") }
        }
    }

    private mutating func entry(_ header: TarHeader) throws(TarFault) -> TarEntry {
        defer {
            pax = nil
            longName = nil
            longLink = nil
        }
        entries += 1
        guard entries <= limits.entries else { throw TarFault("more than \(limits.entries) members") }
        let path = try Self.only(pax?.path, longName) ?? header.name
        let link = try Self.only(pax?.linkPath, longLink) ?? header.linkName
        let kind = try Self.kind(header, path: path, link: link)
        let size = pax?.size ?? header.size
        guard kind == .regular || size == 0 else { throw TarFault("content behind what is not a regular file") }
        guard size < 1 << 62 else { throw TarFault("a file of \(size) bytes") }
        let uid = pax?.uid ?? header.uid
        let gid = pax?.gid ?? header.gid
        // The last number stands for "leave it" (chown(2)).
        guard uid < UInt64(UInt32.max), gid < UInt64(UInt32.max) else { throw TarFault("an owner that is too large") }
        if size > 0 { state = .content(left: size, padding: TarEntry.padding(after: size)) }
        return TarEntry(
            path: path, kind: kind, mode: UInt32(header.mode & 0o7777), uid: UInt32(uid), gid: UInt32(gid),
            mtime: UInt32(clamping: pax?.mtime ?? header.mtime), size: size, xattrs: pax?.xattrs ?? [])
    }

    private static func only(_ first: [UInt8]?, _ second: [UInt8]?) throws(TarFault) -> [UInt8]? {
        guard first == nil || second == nil else { throw TarFault("two long names for one member") }
        return first ?? second
    }

    private static func kind(_ header: TarHeader, path: [UInt8], link: [UInt8]) throws(TarFault) -> TarEntry.Kind {
        func device() throws(TarFault) -> (UInt32, UInt32) {
            // The kernel's dev_t has 12 and 20 bits.
            guard header.deviceMajor < 1 << 12, header.deviceMinor < 1 << 20 else {
                throw TarFault("a device with numbers that are too large")
            }
            return (UInt32(header.deviceMajor), UInt32(header.deviceMinor))
        }
        switch header.typeFlag {
        // V7 knew no directories but by their names.
        case 0: return path.last == UInt8(ascii: "/") ? .directory : .regular
        case UInt8(ascii: "0"), UInt8(ascii: "7"): return .regular
        case UInt8(ascii: "1"): return .hardLink(to: link)
        case UInt8(ascii: "2"): return .symlink(to: link)
        case UInt8(ascii: "3"):
            let (major, minor) = try device()
            return .characterDevice(major: major, minor: minor)
        case UInt8(ascii: "4"):
            let (major, minor) = try device()
            return .blockDevice(major: major, minor: minor)
        case UInt8(ascii: "5"): return .directory
        case UInt8(ascii: "6"): return .fifo
        case UInt8(ascii: "S"): throw TarFault("a sparse file, which no builder of images writes,")
        case let flag: throw TarFault("a member of the unknown type \(flag)")
        }
    }
}
