/// How a client gets its own address.
public enum ClientAddress: Sendable, Equatable {
    /// From DHCP, by IPv4.
    case dhcp
    /// From the kernel command line; all are IPv4 addresses but the host name and the interface.
    case fixed(address: String, gateway: String, netmask: String, hostname: String, interface: String)

    /// As dracut's `ip=` names the way in which a device gets an address that is not written down.
    var method: String { "dhcp" }
}
