import Glibc

/// The machines that an address or a network names: `10.1.0.5`, `10.1.0.0/24`, `fd00::/64`.
public struct AddressRange: Sendable, Equatable, CustomStringConvertible {
    /// As it was given.
    public let description: String
    private let address: [UInt8]
    private let bits: Int

    /// Nil for what is neither; a network may have bits of a host, which do not count.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard (1...2).contains(parts.count), let address = Self.bytes(parts[0]) else { return nil }
        var bits = address.count * 8
        if parts.count == 2 {
            guard !parts[1].isEmpty, parts[1].allSatisfy({ $0.isASCII && $0.isNumber }), let given = Int(parts[1]),
                given <= bits
            else { return nil }
            bits = given
        }
        description = text
        self.address = address
        self.bits = bits
    }

    /// Whether a numeric address is in it. An IPv4 address that a socket of IPv6 shows counts as what it is.
    public func contains(_ text: String) -> Bool {
        guard var other = Self.bytes(text) else { return false }
        let mapped = [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF]
        if other.count == 16, other.starts(with: mapped) { other.removeFirst(12) }
        guard other.count == address.count else { return false }
        for bit in 0..<bits where (address[bit / 8] ^ other[bit / 8]) & (0x80 >> UInt8(bit % 8)) != 0 { return false }
        return true
    }

    private static func bytes(_ text: String) -> [UInt8]? {
        for (family, count) in [(AF_INET, 4), (AF_INET6, 16)] {
            var bytes = [UInt8](repeating: 0, count: count)
            if inet_pton(family, text, &bytes) == 1 { return bytes }
        }
        return nil
    }
}
