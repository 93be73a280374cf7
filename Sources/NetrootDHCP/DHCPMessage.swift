/// A message between a DHCP client, a relay and a server (RFC 2131, section 2).
public struct DHCPMessage: Sendable, Equatable {
    /// What option 53 says (RFC 2132, section 9.6).
    public enum Kind: UInt8, Sendable {
        /// A client looks for servers.
        case discover = 1
        /// The rest of a conversation, in the order of their numbers.
        case offer, request, decline, ack, nak, release, inform
    }

    /// Who speaks: `op`.
    public enum Operation: UInt8, Sendable {
        /// A client, also through a relay.
        case request = 1
        /// A server.
        case reply = 2
    }

    /// `op`.
    public var operation: Operation
    /// `htype`, `hlen` and `chaddr`: the client's card.
    public var hardware: HardwareAddress
    /// `hops`: how many relays it came through.
    public var hops: UInt8 = 0
    /// `xid`: the client's number, by which it knows the answer.
    public var transaction: UInt32
    /// `secs`: since when the client asks.
    public var seconds: UInt16 = 0
    /// The one flag: the client cannot yet be reached by its address.
    public var broadcast = false
    /// `ciaddr`: the address that the client uses already.
    public var clientAddress = IPv4Address.none
    /// `yiaddr`: the address that the server gives.
    public var yourAddress = IPv4Address.none
    /// `siaddr`: from where to boot.
    public var nextServer = IPv4Address.none
    /// `giaddr`: the relay.
    public var relay = IPv4Address.none
    /// `sname`, without what follows its first zero; empty where it holds options.
    public var serverName: [UInt8] = []
    /// `file`, without what follows its first zero; empty where it holds options.
    public var bootFile: [UInt8] = []
    /// All options, also those of `file` and `sname`.
    public var options = DHCPOptions()

    /// The ports (RFC 2131, section 4.1).
    public static let serverPort: UInt16 = 67
    /// The port of clients.
    public static let clientPort: UInt16 = 68

    /// A message with its kind as the first option.
    public init(_ kind: Kind, _ operation: Operation, hardware: HardwareAddress, transaction: UInt32) {
        self.operation = operation
        self.hardware = hardware.inMessage
        self.transaction = transaction
        options.append(DHCPOptions.Code.messageType, [kind.rawValue])
    }

    /// What kind it is; nil where option 53 is absent or unknown.
    public var kind: Kind? {
        guard let value = options[DHCPOptions.Code.messageType], value.count == 1 else { return nil }
        return Kind(rawValue: value[0])
    }

    // MARK: bytes

    private static let headerLength = 236
    private static let serverNameRange = 44..<108
    private static let bootFileRange = 108..<236
    private static let hardwareOffset = 28
    /// "The first four octets of the 'options' field" (RFC 2131, section 3).
    private static let cookie: [UInt8] = [99, 130, 83, 99]
    /// Relays and servers of BOOTP drop what is shorter (RFC 1542, section 2.1).
    private static let leastLength = 300

    /// Reads a message. Nothing of it is trusted: every length is checked against the bytes that are there.
    public init(bytes: [UInt8]) throws(DHCPParseError) {
        let start = Self.headerLength + Self.cookie.count
        guard bytes.count >= start else { throw .tooShort(bytes.count) }
        guard let operation = Operation(rawValue: bytes[0]) else { throw .unknownOperation(bytes[0]) }
        guard bytes[2] <= 16 else { throw .longHardwareAddress(bytes[2]) }
        guard bytes[Self.headerLength..<start].elementsEqual(Self.cookie) else { throw .noCookie }
        func number(_ offset: Int) -> UInt32 { bytes[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) } }
        self.operation = operation
        hardware = HardwareAddress(
            type: bytes[1], bytes: Array(bytes[Self.hardwareOffset..<Self.hardwareOffset + Int(bytes[2])]))
        hops = bytes[3]
        transaction = number(4)
        seconds = UInt16(number(8) >> 16)
        broadcast = bytes[10] & 0x80 != 0
        clientAddress = IPv4Address(number(12))
        yourAddress = IPv4Address(number(16))
        nextServer = IPv4Address(number(20))
        relay = IPv4Address(number(24))
        try options.read(bytes[start...])
        // The order of RFC 3396, section 5. What `file` or `sname` says of an overload does not count.
        let overload = try Self.overload(options)
        if overload & 1 != 0 {
            try options.read(bytes[Self.bootFileRange])
        } else {
            bootFile = Array(bytes[Self.bootFileRange].prefix { $0 != 0 })
        }
        if overload & 2 != 0 {
            try options.read(bytes[Self.serverNameRange])
        } else {
            serverName = Array(bytes[Self.serverNameRange].prefix { $0 != 0 })
        }
    }

    private static func overload(_ options: DHCPOptions) throws(DHCPParseError) -> UInt8 {
        guard let value = options[DHCPOptions.Code.overload] else { return 0 }
        guard value.count == 1, 1...3 ~= value[0] else { throw .wrongOverload }
        return value[0]
    }

    /// The message as it is sent. A name that is too long for its field is cut.
    public var bytes: [UInt8] {
        var bytes: [UInt8] = [operation.rawValue, hardware.type, UInt8(min(hardware.bytes.count, 16)), hops]
        func append(_ number: UInt32) {
            for shift in [24, 16, 8, 0] as [UInt32] { bytes.append(UInt8(number >> shift & 255)) }
        }
        func append(_ text: [UInt8], in count: Int) {
            bytes += text.prefix(count)
            bytes += [UInt8](repeating: 0, count: count - min(text.count, count))
        }
        append(transaction)
        append(UInt32(seconds) << 16 | (broadcast ? 0x8000 : 0))
        for address in [clientAddress, yourAddress, nextServer, relay] { append(address.value) }
        append(hardware.bytes, in: 16)
        append(serverName, in: Self.serverNameRange.count)
        append(bootFile, in: Self.bootFileRange.count)
        bytes += Self.cookie + options.bytes
        if bytes.count < Self.leastLength { bytes += [UInt8](repeating: 0, count: Self.leastLength - bytes.count) }
        return bytes
    }
}
