import Glibc

/// An address of a network interface of this machine.
public struct InterfaceAddress: Sendable, Equatable {
    /// The interface, such as `eth0`.
    public let interface: String
    /// An IPv4 or IPv6 address, numeric.
    public let address: String
    /// The network that it is in, such as `192.168.7.0/24`.
    public let network: String

    /// The values as they are named; nothing is looked up.
    public init(interface: String, address: String, network: String) {
        self.interface = interface
        self.address = address
        self.network = network
    }

    /// The addresses by which another machine can reach this one, in the kernel's order, IPv4 first: of interfaces that
    /// are up, without loopback and link-local ones.
    /// - Throws: `SystemError`.
    public static func ofThisMachine() throws(SystemError) -> [InterfaceAddress] {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0 else { throw SystemError("read", "the addresses of this machine", code: errno) }
        defer { freeifaddrs(first) }
        var found: [(family: Int32, address: InterfaceAddress)] = []
        var next = first
        while let entry = next?.pointee {
            next = entry.ifa_next
            guard entry.ifa_flags & UInt32(IFF_UP) != 0, entry.ifa_flags & UInt32(IFF_LOOPBACK) == 0,
                let address = bytes(entry.ifa_addr), let mask = bytes(entry.ifa_netmask), address.count == mask.count
            else { continue }
            let family = address.count == 4 ? AF_INET : AF_INET6
            let isLinkLocal =
                family == AF_INET ? address.starts(with: [169, 254]) : address[0] == 0xFE && address[1] & 0xC0 == 0x80
            guard !isLinkLocal, let text = text(address, family),
                let network = self.text(zip(address, mask).map { $0 & $1 }, family)
            else { continue }
            let bits = mask.reduce(0) { $0 + $1.nonzeroBitCount }
            found.append(
                (
                    family,
                    InterfaceAddress(
                        interface: String(cString: entry.ifa_name), address: text, network: "\(network)/\(bits)")
                ))
        }
        return found.filter { $0.family == AF_INET }.map(\.address)
            + found.filter { $0.family == AF_INET6 }.map(\.address)
    }

    /// The bytes of an address in the network's order; nil for another family.
    private static func bytes(_ address: UnsafeMutablePointer<sockaddr>?) -> [UInt8]? {
        guard let address else { return nil }
        switch Int32(address.pointee.sa_family) {
        case AF_INET:
            return address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                withUnsafeBytes(of: $0.pointee.sin_addr) { Array($0) }
            }
        case AF_INET6:
            return address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
                withUnsafeBytes(of: $0.pointee.sin6_addr) { Array($0) }
            }
        default: return nil
        }
    }

    private static func text(_ bytes: [UInt8], _ family: Int32) -> String? {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        guard inet_ntop(family, bytes, &text, socklen_t(text.count)) != nil else { return nil }
        return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
