public import NetrootSystem

/// Reads newc archives, one or several after the other, from bytes that come in pieces of any size.
///
/// What it keeps is bounded: one header, one name of at most 4096 bytes, and the content of the files that are asked
/// for. It follows the kernel (`init/initramfs.c`): header `070701` or `070702`, zero bytes between archives, the next archive on
/// a multiple of four.
public struct NewcReader: Sendable {
    /// One member of an archive.
    public struct Entry: Sendable, Equatable {
        /// As the archive has it, without a leading `/` or `./`; any bytes but NUL.
        public let path: [UInt8]
        /// Whether the archive has it with a leading `/`.
        public let isAbsolute: Bool
        /// The file type in `st_mode`.
        public let type: FileType
        /// The lower twelve bits of `st_mode`.
        public let mode: UInt32
        /// The owner's number.
        public let uid: UInt32
        /// The group's number.
        public let gid: UInt32
        /// Seconds since 1970.
        public let mtime: UInt32
        /// The content's size in bytes.
        public let size: UInt64
        /// Where the content begins, in bytes from the start of the first archive of its segment.
        public let start: UInt64
        /// The content of a file that was asked for, or the target of a symlink; nil where it was passed over.
        public let content: [UInt8]?
    }

    /// What keeps a hostile archive from taking all memory or time.
    public struct Limits: Sendable {
        /// The most entries, over all archives.
        public var entries = 1_000_000
        /// The most bytes that are read, over all archives.
        public var bytes: UInt64 = 16 << 30
        /// The most bytes of one file whose content is asked for.
        public var content: UInt64 = 4 << 20
        /// Whether a larger one is passed over, and is not an error.
        public var passesOverLarger = false
        /// The most bytes of names and of contents that are asked for, over all archives.
        public var kept: UInt64 = 256 << 20

        /// The defaults.
        public init() {}
    }

    /// What of the limits is used up; archives in other segments of a file count too.
    struct Use: Sendable {
        var entries = 0
        var bytes: UInt64 = 0
        var kept: UInt64 = 0
    }

    private enum State: Sendable {
        /// Before an archive: zeros, its first header, or something that is not a newc archive.
        case boundary
        case header
        case name(NewcFields)
        /// The rest of the content, and whether it is kept.
        case content(NewcFields, path: [UInt8], left: UInt64, kept: Bool)
        /// The rest of an entry that the kernel drops without a word.
        case dropped(left: UInt64)
        /// Up to a multiple of four behind the content; the trailer's ends the archive.
        case padding(endsArchive: Bool)
        /// Something else follows the archives.
        case foreign
    }

    /// The offset of the next byte, from the start of the first archive.
    public private(set) var offset: UInt64 = 0
    /// How many archives are complete.
    public private(set) var archives = 0
    private let name: String
    private let limits: Limits
    private let keeping: @Sendable (_ path: [UInt8]) -> Bool
    private var state = State.boundary
    /// The part of a header, a name or a kept content that has come so far.
    private var pending: [UInt8] = []
    private(set) var use: Use
    /// Of the content that has come so far.
    private var sum: UInt32 = 0

    /// - Parameters:
    ///   - name: what errors call the archive.
    ///   - keeping: whether the content of a regular file with this path is wanted.
    public init(
        name: String, limits: Limits = Limits(), keeping: @escaping @Sendable (_ path: [UInt8]) -> Bool = { _ in false }
    ) {
        self.init(name: name, limits: limits, use: Use(), keeping: keeping)
    }

    /// - Parameter use: what archives before these have used up.
    init(name: String, limits: Limits, use: Use, keeping: @escaping @Sendable (_ path: [UInt8]) -> Bool) {
        self.name = name
        self.limits = limits
        self.use = use
        self.keeping = keeping
    }

    /// Reads the next bytes.
    ///
    /// - Parameter receive: gets each entry that becomes complete, trailers excepted.
    /// - Returns: how many bytes were taken; fewer than given means that what follows is not a newc archive.
    /// - Throws: `NewcError`, and what `receive` throws.
    public mutating func read(_ bytes: ArraySlice<UInt8>, receive: (Entry) throws -> Void) throws -> Int {
        var rest = bytes
        while !rest.isEmpty {
            switch state {
            case .foreign: return bytes.count - rest.count
            case .boundary: try enterArchive(&rest)
            case .header: try takeHeader(&rest)
            case .name(let fields): try takeName(fields, &rest, receive)
            case .content(let fields, let path, let left, let kept):
                let count = min(left, UInt64(rest.count))
                if fields.checksum != nil { for byte in rest.prefix(Int(count)) { sum &+= UInt32(byte) } }
                advance(&rest, by: Int(count), keep: kept)
                state = .content(fields, path: path, left: left - count, kept: kept)
                if left == count { try complete(fields, path: path, kept: kept, receive) }
            case .dropped(let left):
                let count = min(left, UInt64(rest.count))
                advance(&rest, by: Int(count), keep: false)
                state = .dropped(left: left - count)
                if left == count { endContent(false) }
            case .padding(let endsArchive):
                advance(&rest, by: min(paddingLeft, rest.count), keep: false)
                endPadding(endsArchive)
            }
            guard use.bytes <= limits.bytes else {
                throw NewcError.tooLarge(name: name, problem: "the archive has more than \(limits.bytes) bytes")
            }
        }
        return bytes.count
    }

    /// Says that no more bytes come.
    ///
    /// - Throws: `NewcError.badArchive` where an archive is not complete, or there is none.
    public func finish() throws(NewcError) {
        switch state {
        case .boundary, .foreign, .padding(endsArchive: true):
            guard archives > 0 else { throw bad("no newc archive") }
        case .header, .name, .content, .dropped, .padding: throw bad("the archive is cut off")
        }
    }

    private func bad(_ problem: String) -> NewcError { .badArchive(name: name, offset: offset, problem: problem) }

    /// The bytes up to a multiple of four.
    private var paddingLeft: Int { Int((4 - offset % 4) % 4) }

    private mutating func advance(_ rest: inout ArraySlice<UInt8>, by count: Int, keep: Bool) {
        if keep { pending.append(contentsOf: rest.prefix(count)) }
        rest = rest.dropFirst(count)
        offset += UInt64(count)
        use.bytes += UInt64(count)
    }

    /// Collects bytes up to `count`; nil as long as there are fewer.
    private mutating func take(_ count: Int, _ rest: inout ArraySlice<UInt8>) -> [UInt8]? {
        advance(&rest, by: min(count - pending.count, rest.count), keep: true)
        guard pending.count == count else { return nil }
        defer { pending.removeAll(keepingCapacity: true) }
        return pending
    }

    private mutating func enterArchive(_ rest: inout ArraySlice<UInt8>) throws(NewcError) {
        let zeros = rest.prefix { $0 == 0 }.count
        advance(&rest, by: zeros, keep: false)
        guard let first = rest.first else { return }
        guard first == NewcFields.magic[0] else {
            state = .foreign
            return
        }
        guard offset % 4 == 0 else { throw bad("an archive does not start at a multiple of four") }
        state = .header
    }

    private mutating func takeHeader(_ rest: inout ArraySlice<UInt8>) throws(NewcError) {
        let start = offset - UInt64(pending.count)
        guard let bytes = take(NewcFields.length, &rest) else { return }
        guard let fields = NewcFields(bytes) else {
            let problem =
                switch String(decoding: bytes.prefix(6), as: UTF8.self) {
                case "070707": "an old cpio archive, which the kernel does not read,"
                case "070701", "070702": "a newc header with other than hexadecimal digits"
                default: "no newc header"
                }
            throw NewcError.badArchive(name: name, offset: start, problem: problem)
        }
        guard (1...UInt32(NewcArchive.longestPath + 1)).contains(fields.nameSize) else {
            try countEntry()
            state = .dropped(left: UInt64(Self.padded(fields.nameSize)) + UInt64(fields.size))
            return
        }
        state = .name(fields)
    }

    private mutating func takeName(
        _ fields: NewcFields, _ rest: inout ArraySlice<UInt8>, _ receive: (Entry) throws -> Void
    ) throws {
        let nameSize = Int(fields.nameSize)
        guard let bytes = take(Self.padded(fields.nameSize), &rest) else { return }
        guard bytes[nameSize - 1] == 0 else { throw bad("a name without a NUL at its end") }
        // Some programs fill a name up with more of them.
        let path = Array(bytes.prefix { $0 != 0 })
        if path == NewcArchive.trailer {
            archives += 1
            guard fields.size == 0 else { throw bad("a trailer with content") }
            endContent(true)
            return
        }
        try countEntry()
        guard let type = FileType(rawValue: fields.mode & FileType.mask),
            type != .symlink || fields.size <= NewcArchive.longestPath + 1
        else {
            state = .dropped(left: UInt64(fields.size))
            if fields.size == 0 { endContent(false) }
            return
        }
        let isPassedOver = limits.passesOverLarger && UInt64(fields.size) > limits.content
        let kept = type == .symlink || type == .regular && !isPassedOver && keeping(Self.canonical(path))
        if kept, UInt64(fields.size) > limits.content {
            throw NewcError.tooLarge(
                name: name, problem: "\(TerminalText.line(path)) has \(fields.size) bytes")
        }
        use.kept += UInt64(path.count) + (kept ? UInt64(fields.size) : 0)
        guard use.kept <= limits.kept else {
            throw NewcError.tooLarge(
                name: name, problem: "the names of the archive take more than \(limits.kept) bytes")
        }
        sum = 0
        state = .content(fields, path: path, left: UInt64(fields.size), kept: kept)
        if fields.size == 0 { try complete(fields, path: path, kept: kept, receive) }
    }

    private mutating func complete(
        _ fields: NewcFields, path: [UInt8], kept: Bool, _ receive: (Entry) throws -> Void
    ) throws {
        let content = kept ? pending : nil
        pending.removeAll(keepingCapacity: true)
        if let checksum = fields.checksum, fields.size > 0, fields.mode & FileType.mask == FileType.regular.rawValue {
            guard checksum == sum else { throw bad("\(TerminalText.line(path)) has another checksum than its header") }
        }
        endContent(false)
        guard let type = FileType(rawValue: fields.mode & FileType.mask) else { return }
        try receive(
            Entry(
                path: Self.canonical(path), isAbsolute: path.first == UInt8(ascii: "/"), type: type,
                mode: fields.mode & 0o7777, uid: fields.uid, gid: fields.gid, mtime: fields.mtime,
                size: UInt64(fields.size), start: offset - UInt64(fields.size), content: content))
    }

    private mutating func countEntry() throws(NewcError) {
        use.entries += 1
        guard use.entries <= limits.entries else {
            throw NewcError.tooLarge(name: name, problem: "the archive has more than \(limits.entries) entries")
        }
    }

    /// Headers start at a multiple of four, so what a name takes follows from its length alone.
    private static func padded(_ nameSize: UInt32) -> Int {
        (NewcFields.length + Int(nameSize) + 3) / 4 * 4 - NewcFields.length
    }

    private mutating func endContent(_ endsArchive: Bool) {
        state = .padding(endsArchive: endsArchive)
        endPadding(endsArchive)
    }

    /// Goes on to what follows once the padding is complete, which it may be with no byte at all.
    private mutating func endPadding(_ endsArchive: Bool) {
        if paddingLeft == 0 { state = endsArchive ? .boundary : .header }
    }

    /// Without what a name may begin with and the kernel does not heed: `./x` and `/x` are `x`.
    private static func canonical(_ path: [UInt8]) -> [UInt8] {
        var path = path[...]
        while true {
            if path.first == UInt8(ascii: "/") {
                path = path.dropFirst()
            } else if path.starts(with: "./".utf8) {
                path = path.dropFirst(2)
            } else {
                return Array(path)
            }
        }
    }
}

extension NewcFields {
    /// Reads a header of 110 bytes; nil where it has another magic or other than hexadecimal digits.
    init?(_ bytes: [UInt8]) {
        let hasChecksum = bytes.starts(with: Self.magicWithChecksum)
        guard bytes.count == Self.length, hasChecksum || bytes.starts(with: Self.magic) else { return nil }
        var numbers: [UInt32] = []
        for start in stride(from: 6, to: Self.length, by: 8) {
            var number: UInt32 = 0
            for byte in bytes[start..<(start + 8)] {
                guard let digit = Character(UnicodeScalar(byte)).hexDigitValue else { return nil }
                number = number << 4 | UInt32(digit)
            }
            numbers.append(number)
        }
        self.init(
            inode: numbers[0], mode: numbers[1], uid: numbers[2], gid: numbers[3], links: numbers[4], mtime: numbers[5],
            size: numbers[6], deviceMajor: numbers[9], deviceMinor: numbers[10], nameSize: numbers[11],
            checksum: hasChecksum ? numbers[12] : nil)
    }
}
