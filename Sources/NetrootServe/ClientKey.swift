import NIOCore
import Synchronization

/// What counts as one client: an address.
struct ClientKey: Hashable, Sendable {
    private enum Kind {
        case none, v4, v6, network
    }

    private let bits: UInt64
    private let rest: UInt64
    private let kind: Kind

    /// Of an IPv6 address its network of 64 bits: all machines of a site may be in one, but one machine can take as
    /// many addresses of it as it wants. Nil for all others.
    var network: ClientKey? { kind == .v6 ? ClientKey(bits: bits, rest: 0, kind: .network) : nil }

    private init(bits: UInt64, rest: UInt64, kind: Kind) {
        self.bits = bits
        self.rest = rest
        self.kind = kind
    }

    /// - Parameter address: one without an IP address, as of no connection that was accepted, is a client of its own.
    init(_ address: SocketAddress?) {
        switch address {
        case .v4(let place):
            // `sin_addr` of a `sockaddr_in`, by its place: its fields are a module's that nobody can import.
            bits = withUnsafeBytes(of: place.address) {
                UInt64(UInt32(bigEndian: $0.loadUnaligned(fromByteOffset: 4, as: UInt32.self)))
            }
            rest = 0
            kind = .v4
        case .v6(let place):
            // `sin6_addr` of a `sockaddr_in6`.
            let words = withUnsafeBytes(of: place.address) { bytes in
                (
                    UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
                    UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
                )
            }
            // ::ffff:a.b.c.d is an IPv4 address.
            let isMapped = words.0 == 0 && words.1 >> 32 == 0xFFFF
            bits = isMapped ? words.1 & 0xFFFF_FFFF : words.0
            rest = isMapped ? 0 : words.1
            kind = isMapped ? .v4 : .v6
        default:
            bits = 0
            rest = 0
            kind = .none
        }
    }
}

/// How many connections each client and each IPv6 network has, on all loops.
final class ClientCounts: Sendable {
    private let counts = Mutex<[ClientKey: Int]>([:])

    func add(_ client: ClientKey) {
        counts.withLock { counts in
            counts[client, default: 0] += 1
            if let network = client.network { counts[network, default: 0] += 1 }
        }
    }

    func remove(_ client: ClientKey) {
        counts.withLock { counts in
            for key in [client, client.network].compactMap(\.self) {
                let left = (counts[key] ?? 1) - 1
                counts[key] = left > 0 ? left : nil
            }
        }
    }

    func count(of client: ClientKey) -> Int { counts.withLock { $0[client] ?? 0 } }
}
