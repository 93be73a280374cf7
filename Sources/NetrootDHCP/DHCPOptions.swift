/// The options of a message, in their order (RFC 2132, section 2).
public struct DHCPOptions: Sendable, Equatable {
    /// One option as it stands in the message.
    public struct Entry: Sendable, Equatable {
        /// Its number.
        public let code: UInt8
        /// Its bytes, without number and length.
        public let value: [UInt8]
    }

    /// The options in their order. Padding and the end are none.
    public private(set) var entries: [Entry] = []

    /// No options.
    public init() {}

    /// Appends an option. One of more than 255 bytes becomes several (RFC 3396, section 5).
    public mutating func append(_ code: UInt8, _ value: [UInt8]) {
        var rest = value[...]
        repeat {
            entries.append(Entry(code: code, value: Array(rest.prefix(255))))
            rest = rest.dropFirst(255)
        } while !rest.isEmpty
    }

    /// Appends an option that is one address.
    public mutating func append(_ code: UInt8, _ address: IPv4Address) { append(code, number: address.value) }

    /// Appends an option that is a number of 32 bits.
    public mutating func append(_ code: UInt8, number: UInt32) {
        append(code, [UInt8(number >> 24), UInt8(number >> 16 & 255), UInt8(number >> 8 & 255), UInt8(number & 255)])
    }

    /// The bytes of an option; those that stand there several times are one (RFC 3396, section 5).
    public subscript(code: UInt8) -> [UInt8]? {
        let parts = entries.filter { $0.code == code }
        return parts.isEmpty ? nil : Array(parts.map(\.value).joined())
    }

    /// The number of 32 bits that an option is; nil where it is absent or of another length.
    public func number(_ code: UInt8) -> UInt32? {
        guard let bytes = self[code], bytes.count == 4 else { return nil }
        return bytes.reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// The address that an option is; nil where it is absent or of another length.
    public func address(_ code: UInt8) -> IPv4Address? { number(code).map(IPv4Address.init) }

    /// Numbers of options.
    public enum Code {
        /// Fills up; has no length.
        public static let pad: UInt8 = 0
        /// Requested IP address.
        public static let requestedAddress: UInt8 = 50
        /// IP address lease time, in seconds.
        public static let leaseTime: UInt8 = 51
        /// Option overload: whether `file` and `sname` hold options.
        public static let overload: UInt8 = 52
        /// DHCP message type.
        public static let messageType: UInt8 = 53
        /// Server identifier.
        public static let serverIdentifier: UInt8 = 54
        /// Parameter request list.
        public static let parameterRequestList: UInt8 = 55
        /// Message: why a server refuses, in its words.
        public static let message: UInt8 = 56
        /// Renewal time, T1, in seconds.
        public static let renewalTime: UInt8 = 58
        /// Rebinding time, T2, in seconds.
        public static let rebindingTime: UInt8 = 59
        /// Client identifier.
        public static let clientIdentifier: UInt8 = 61
        /// The last one; has no length.
        public static let end: UInt8 = 255
    }

    // MARK: bytes

    /// Reads options up to their end, or to that of the bytes.
    mutating func read(_ bytes: ArraySlice<UInt8>) throws(DHCPParseError) {
        var rest = bytes
        while let code = rest.popFirst() {
            if code == Code.pad { continue }
            if code == Code.end { return }
            guard let length = rest.popFirst(), rest.count >= Int(length) else { throw .cutOption(code) }
            entries.append(Entry(code: code, value: Array(rest.prefix(Int(length)))))
            rest = rest.dropFirst(Int(length))
        }
    }

    /// As they stand in a message, with their end.
    var bytes: [UInt8] {
        entries.flatMap { [$0.code, UInt8($0.value.count)] + $0.value } + [Code.end]
    }
}

/// Why bytes are no DHCP message.
public enum DHCPParseError: Error, Equatable {
    /// Too few bytes for the header.
    case tooShort(Int)
    /// Neither a request nor a reply.
    case unknownOperation(UInt8)
    /// A hardware address longer than its field.
    case longHardwareAddress(UInt8)
    /// BOOTP without options, or something else.
    case noCookie
    /// An option that goes on behind the end.
    case cutOption(UInt8)
    /// An option 52 that is not 1, 2 or 3.
    case wrongOverload
}
