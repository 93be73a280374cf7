/// An IPv4 address.
public struct IPv4Address: Sendable, Hashable, CustomStringConvertible {
    /// The address as a number: 10.0.0.1 is 0x0A00_0001.
    public let value: UInt32

    /// 0.0.0.0, which in a DHCP message stands for no address.
    public static let none = IPv4Address(0)
    /// 255.255.255.255: every machine on the link.
    public static let broadcast = IPv4Address(.max)

    /// An address from its number.
    public init(_ value: UInt32) { self.value = value }

    /// The dotted form of four decimal numbers without leading zeros; nil for anything else.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            guard let number = Decimal.parse(part, to: 255) else { return nil }
            value = value << 8 | UInt32(number)
        }
        self.value = value
    }

    /// The dotted form.
    public var description: String {
        "\(value >> 24).\(value >> 16 & 255).\(value >> 8 & 255).\(value & 255)"
    }

    /// Whether one machine can have it: not 0.0.0.0/8, loopback, multicast, or what is above.
    public var isOfOneMachine: Bool {
        let first = value >> 24
        return first != 0 && first != 127 && first < 224
    }
}

/// The address of a network card, with its kind in the numbers of ARP (IANA, "Hardware Types").
public struct HardwareAddress: Sendable, Hashable, CustomStringConvertible {
    /// 1 is Ethernet, 32 is InfiniBand.
    public let type: UInt8
    /// Six bytes on Ethernet, 20 on InfiniBand.
    public let bytes: [UInt8]

    /// The kind of Ethernet.
    public static let ethernet: UInt8 = 1
    /// The kind of InfiniBand.
    public static let infiniBand: UInt8 = 32

    /// An address as it is in a message.
    public init(type: UInt8, bytes: [UInt8]) {
        self.type = type
        self.bytes = bytes
    }

    /// Pairs of hexadecimal digits with colons: six of Ethernet or 20 of InfiniBand; nil for anything else.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        var bytes: [UInt8] = []
        for part in parts {
            guard part.utf8.count == 2, let byte = Hexadecimal.parse(part) else { return nil }
            bytes += byte
        }
        switch bytes.count {
        case 6: self.init(type: Self.ethernet, bytes: bytes)
        case 20: self.init(type: Self.infiniBand, bytes: bytes)
        default: return nil
        }
    }

    /// Pairs of hexadecimal digits with colons.
    public var description: String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
    }

    /// As it goes into the header of a message. InfiniBand's is too long for it, and the client identifier tells the
    /// client (RFC 4390, section 2.1).
    var inMessage: HardwareAddress {
        type == Self.infiniBand ? HardwareAddress(type: type, bytes: []) : self
    }
}

/// Decimal numbers of a text that is not trusted: digits and nothing else.
enum Decimal {
    /// - Returns: nil where it is not a number, has a leading zero, or is greater than `limit`.
    static func parse(_ text: some StringProtocol, to limit: UInt64) -> UInt64? {
        let digits = text.utf8
        guard !digits.isEmpty, digits.count <= 19, digits.allSatisfy({ 48...57 ~= $0 }),
            digits.count == 1 || digits.first != 48, let number = UInt64(text), number <= limit
        else { return nil }
        return number
    }
}

/// Bytes as pairs of hexadecimal digits.
enum Hexadecimal {
    /// - Returns: nil where it is anything else.
    static func parse(_ text: some StringProtocol) -> [UInt8]? {
        var bytes: [UInt8] = []
        var high: UInt8?
        for digit in text.utf8 {
            let value: UInt8
            switch digit {
            case 48...57: value = digit - 48
            case 65...70: value = digit - 55
            case 97...102: value = digit - 87
            default: return nil
            }
            if let first = high {
                bytes.append(first << 4 | value)
                high = nil
            } else {
                high = value
            }
        }
        return high == nil ? bytes : nil
    }
}
