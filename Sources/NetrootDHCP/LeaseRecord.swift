import Glibc

/// What the initramfs wrote of a lease that it obtained, one file an interface (docs/formats.md, "The lease record").
struct LeaseRecord: Sendable, Equatable {
    /// The kernel's number of the interface; its name may change.
    let index: UInt32
    /// The address of the card.
    let hardware: HardwareAddress
    /// The address that was lent.
    let address: IPv4Address
    /// The server identifier; absent where the server sent none.
    let server: IPv4Address?
    /// For how long.
    let terms: LeaseTerms
    /// When, in seconds since the machine booted.
    let obtained: Double
    /// Option 61 as it was sent; nil where none was.
    let clientIdentifier: [UInt8]?

    /// Files that are longer are not read.
    static let longest = 4096

    /// Reads lines of KEY=VALUE. Keys that it does not know are passed over.
    init(text: String) throws(LeaseRecordError) {
        var values: [Substring: Substring] = [:]
        for line in text.split(separator: "\n") {
            guard let sign = line.firstIndex(of: "=") else { throw .noKey(line: String(line)) }
            let key = line[..<sign]
            guard values.updateValue(line[line.index(after: sign)...], forKey: key) == nil else {
                throw .twice(key: String(key))
            }
        }
        func optional<Value>(_ key: Substring, _ read: (Substring) -> Value?) throws(LeaseRecordError) -> Value? {
            guard let text = values[key] else { return nil }
            guard let value = read(text) else { throw .wrongValue(key: String(key), value: String(text)) }
            return value
        }
        func required<Value>(_ key: Substring, _ read: (Substring) -> Value?) throws(LeaseRecordError) -> Value {
            guard let value = try optional(key, read) else { throw .missing(key: String(key)) }
            return value
        }
        func seconds(_ text: Substring) -> UInt32? { Decimal.parse(text, to: UInt64(UInt32.max)).map(UInt32.init) }
        func host(_ text: Substring) -> IPv4Address? { IPv4Address(text).flatMap { $0.isOfOneMachine ? $0 : nil } }
        index = try required("index") { Decimal.parse($0, to: UInt64(Int32.max)).map(UInt32.init) }
        hardware = try required("mac") { HardwareAddress($0) }
        address = try required("address", host)
        server = try optional("server", host)
        terms = LeaseTerms(
            lease: try required("lease", seconds), renewal: try optional("renewal", seconds),
            rebinding: try optional("rebinding", seconds))
        obtained = try required("obtained", Self.uptime)
        clientIdentifier = try optional("client") { text in
            Hexadecimal.parse(text).flatMap { 2...255 ~= $0.count ? $0 : nil }
        }
    }

    /// The first field of /proc/uptime: seconds and hundredths.
    private static func uptime(_ text: Substring) -> Double? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard 1...2 ~= parts.count, let whole = Decimal.parse(parts[0], to: 1 << 40),
            parts.count == 1 || (1...9 ~= parts[1].utf8.count && parts[1].utf8.allSatisfy { 48...57 ~= $0 })
        else { return nil }
        return parts.count == 1 ? Double(whole) : Double(text)
    }
}

/// Why a lease record cannot be used.
enum LeaseRecordError: Error, Equatable, CustomStringConvertible {
    /// A line without `=`.
    case noKey(line: String)
    /// A key that stands there twice.
    case twice(key: String)
    /// A key that has to be there.
    case missing(key: String)
    /// A value that is none of its key's.
    case wrongValue(key: String, value: String)
    /// A file that is too long, or not text.
    case notText
    /// A file that cannot be read, with `errno(3)`.
    case unreadable(code: Int32)

    /// What is wrong, in one line.
    var description: String {
        switch self {
        case .noKey(let line): "the line '\(line.shown)' has no '='"
        case .twice(let key): "\(key.shown) is given twice"
        case .missing(let key): "\(key) is missing"
        case .wrongValue(let key, let value): "\(key)='\(value.shown)' is not a value of that key"
        case .notText: "it is longer than \(LeaseRecord.longest) bytes, or is not text"
        case .unreadable(let code): "it cannot be read: \(String(cString: strerror(code)))"
        }
    }
}

extension String {
    /// For one line of a console.
    var shown: String {
        String(decoding: utf8.prefix(64).map { 32...126 ~= $0 ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
    }
}
