/// How a client gets its own address.
public enum ClientAddress: Sendable, Equatable {
    /// From DHCP, by IPv4.
    case dhcp
    /// By IPv6: from the prefix of a router's advertisement, or else from DHCPv6.
    case ipv6
    /// From the kernel command line; all are IPv4 addresses but the host name and the interface.
    case fixed(address: String, gateway: String, netmask: String, hostname: String, interface: String)

    /// As dracut's `ip=` names the way in which a device gets an address that is not written down.
    ///
    /// `either6` is the one that ends quickly in a network with SLAAC, and asks DHCPv6 where no router advertises itself.
    /// `auto6` knows no DHCPv6, and `dhcp6` fails in a network that has SLAAC only.
    var method: String { self == .ipv6 ? "either6" : "dhcp" }
}
