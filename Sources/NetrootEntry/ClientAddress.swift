/// How a client gets its own address.
public enum ClientAddress: Sendable, Equatable {
    /// From DHCP. The lease is never renewed, so the server must give long ones.
    case dhcp
    /// From the kernel command line; all are IPv4 addresses but the host name and the interface.
    case fixed(address: String, gateway: String, netmask: String, hostname: String, interface: String)
}
