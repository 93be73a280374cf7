import Glibc

/// A network interface as it is now.
struct NetworkInterface: Sendable, Equatable {
    /// The name, which may change.
    let name: String
    /// The kernel's number; 0 in an entry that only tells an address.
    let index: UInt32
    /// One of its addresses; nil in an entry that only tells the number.
    let address: IPv4Address?

    /// The interface that has an address, or else the one with a number: the address goes to a bridge or bond that is made
    /// of the interface, and an interface that went away comes back with another number.
    /// - Returns: its name, or nil.
    static func name(of address: IPv4Address, index: UInt32) -> String? {
        let all = list()
        return all.first { $0.address == address }?.name ?? all.first { $0.index == index }?.name
    }

    /// One entry for each number and for each IPv4 address, as getifaddrs(3) has them. It asks the kernel by netlink, and
    /// needs no /sys.
    private static func list() -> [NetworkInterface] {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0 else { return [] }
        defer { freeifaddrs(first) }
        var list: [NetworkInterface] = []
        var next = first
        while let entry = next?.pointee {
            next = entry.ifa_next
            guard let address = entry.ifa_addr else { continue }
            let name = String(cString: entry.ifa_name)
            let raw = UnsafeRawPointer(address)
            switch Int32(address.pointee.sa_family) {
            case AF_INET:
                let value = UInt32(bigEndian: raw.load(as: sockaddr_in.self).sin_addr.s_addr)
                list.append(NetworkInterface(name: name, index: 0, address: IPv4Address(value)))
            case AF_PACKET:
                // sockaddr_ll, packet(7): family and protocol of two bytes each, then the number.
                let index = raw.loadUnaligned(fromByteOffset: 4, as: Int32.self)
                list.append(NetworkInterface(name: name, index: UInt32(max(index, 0)), address: nil))
            default: continue
            }
        }
        return list
    }
}
