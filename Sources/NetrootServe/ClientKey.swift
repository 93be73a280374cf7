import NIOCore
import Synchronization

/// What counts as one client: an IPv4 address, or an IPv6 network of 64 bits, of which a machine can take as many
/// addresses as it wants.
struct ClientKey: Hashable, Sendable {
    private let bits: UInt64
    private let isNetwork: Bool

    /// - Parameter address: one without an IP address, as of no connection that was accepted, is a client of its own.
    init(_ address: SocketAddress?) {
        switch address {
        case .v4(let place):
            // `sin_addr` of a `sockaddr_in`, by its place: its fields are a module's that nobody can import.
            bits = withUnsafeBytes(of: place.address) {
                UInt64(UInt32(bigEndian: $0.loadUnaligned(fromByteOffset: 4, as: UInt32.self)))
            }
            isNetwork = false
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
            isNetwork = !isMapped
        default:
            bits = 0
            isNetwork = true
        }
    }
}

/// How many connections each client has, on all loops.
final class ClientCounts: Sendable {
    private let counts = Mutex<[ClientKey: Int]>([:])

    func add(_ client: ClientKey) {
        counts.withLock { $0[client, default: 0] += 1 }
    }

    func remove(_ client: ClientKey) {
        counts.withLock { counts in
            let left = (counts[client] ?? 1) - 1
            counts[client] = left > 0 ? left : nil
        }
    }

    func count(of client: ClientKey) -> Int { counts.withLock { $0[client] ?? 0 } }
}
