/// The records of an extended header (POSIX.1-2001, pax(1) "pax Extended Header") that mean something to an entry.
struct PaxRecords: Sendable {
    private(set) var path: [UInt8]?
    private(set) var linkPath: [UInt8]?
    private(set) var size: UInt64?
    private(set) var uid: UInt64?
    private(set) var gid: UInt64?
    private(set) var mtime: UInt64?
    private(set) var xattrs: [TarEntry.Xattr] = []

    static let xattrPrefix = Array("SCHILY.xattr.".utf8)

    /// Whether an entry would be another without them.
    var isEmpty: Bool {
        path == nil && linkPath == nil && size == nil && uid == nil && gid == nil && mtime == nil && xattrs.isEmpty
    }

    /// Reads `LENGTH KEY=VALUE\n`, one after the other.
    init(_ bytes: ArraySlice<UInt8>) throws(TarFault) {
        var rest = bytes
        while let first = rest.first {
            // Some writers fill the last block's bytes into the size.
            if first == 0, rest.allSatisfy({ $0 == 0 }) { return }
            let digits = rest.prefix(9).prefix { $0 != UInt8(ascii: " ") }
            guard let length = Self.decimal(digits), length > UInt64(digits.count) + 1, length <= UInt64(rest.count)
            else {
                throw TarFault("an extended header with a wrong length")
            }
            let record = rest.prefix(Int(length)).dropFirst(digits.count + 1)
            guard record.last == UInt8(ascii: "\n"), let equals = record.firstIndex(of: UInt8(ascii: "=")) else {
                throw TarFault("an extended header without KEY=VALUE")
            }
            try take(record[..<equals], record[(equals + 1)...].dropLast())
            rest = rest.dropFirst(Int(length))
        }
    }

    private mutating func take(_ key: ArraySlice<UInt8>, _ value: ArraySlice<UInt8>) throws(TarFault) {
        if key.starts(with: Self.xattrPrefix) {
            let name = Array(key.dropFirst(Self.xattrPrefix.count))
            guard !name.isEmpty, !name.contains(0), name.count <= 255 else {
                throw TarFault("an extended attribute with a bad name")
            }
            // A file with more would fill no inode of the filesystems that there are.
            guard xattrs.count < 256 else { throw TarFault("more than 256 extended attributes") }
            xattrs.append(TarEntry.Xattr(name: name, value: Array(value)))
            return
        }
        switch String(decoding: key, as: UTF8.self) {
        case "path": path = try Self.name(value)
        case "linkpath": linkPath = try Self.name(value)
        case "size": size = try Self.number(value, "size")
        case "uid": uid = try Self.number(value, "owner")
        case "gid": gid = try Self.number(value, "group")
        case "mtime": mtime = try Self.time(value)
        case let name where name.hasPrefix("GNU.sparse."):
            throw TarFault("a sparse file, which no builder of images writes,")
        default: break
        }
    }

    /// An empty value takes back an earlier one.
    private static func name(_ value: ArraySlice<UInt8>) throws(TarFault) -> [UInt8]? {
        guard !value.contains(0) else { throw TarFault("a name with a NUL inside") }
        return value.isEmpty ? nil : Array(value)
    }

    private static func number(_ value: ArraySlice<UInt8>, _ what: String) throws(TarFault) -> UInt64? {
        if value.isEmpty { return nil }
        guard let number = decimal(value) else { throw TarFault("an extended header with a bad \(what)") }
        return number
    }

    /// Seconds, and a fraction that is dropped.
    private static func time(_ value: ArraySlice<UInt8>) throws(TarFault) -> UInt64? {
        if value.first == UInt8(ascii: "-") { return 0 }
        return try number(value.prefix { $0 != UInt8(ascii: ".") }, "time")
    }

    /// At most eighteen digits.
    private static func decimal(_ digits: ArraySlice<UInt8>) -> UInt64? {
        guard (1...18).contains(digits.count) else { return nil }
        var value: UInt64 = 0
        for byte in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            value = value * 10 + UInt64(byte - UInt8(ascii: "0"))
        }
        return value
    }
}
