import Glibc

/// A UDP socket of the client's port on one interface. It needs no address there, and no raw socket.
///
/// It needs CAP_NET_BIND_SERVICE, and before Linux 5.7 CAP_NET_RAW.
final class DHCPSocket {
    /// For poll(2).
    let descriptor: Int32

    /// A call that failed.
    struct Failure: Error, Equatable {
        /// `errno(3)`.
        let code: Int32
        /// Takes `errno` before another call changes it.
        init() { code = errno }
    }

    /// Opens it. Its port may be in use on other interfaces, and here too by who allows that, as DHCP clients do.
    init(interface: String) throws(Failure) {
        descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { throw Failure() }
        for option in [SO_REUSEADDR, SO_BROADCAST] {
            var on: Int32 = 1
            try check(setsockopt(descriptor, SOL_SOCKET, option, &on, socklen_t(MemoryLayout<Int32>.size)))
        }
        let name = Array(interface.utf8)
        try check(setsockopt(descriptor, SOL_SOCKET, SO_BINDTODEVICE, name, socklen_t(name.count)))
        try check(
            Self.withSocketAddress(.none, DHCPMessage.clientPort) { bind(descriptor, $0, $1) })
    }

    deinit { close(descriptor) }

    private func check(_ result: Int32) throws(Failure) { if result < 0 { throw Failure() } }

    /// Sends a message to the port of servers.
    func send(_ message: DHCPMessage, to address: IPv4Address) throws(Failure) {
        let bytes = message.bytes
        let sent = Self.withSocketAddress(address, DHCPMessage.serverPort) {
            sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), $0, $1)
        }
        guard sent == bytes.count else { throw Failure() }
    }

    /// Takes the next datagram that came from the port of servers and relays, and is whole.
    /// - Returns: nil where there is none.
    func receive() throws(Failure) -> [UInt8]? {
        // No Ethernet frame is longer; a datagram that had to be put together, or is a jumbo, is no answer to us.
        var buffer = [UInt8](repeating: 0, count: 2048)
        while true {
            var from = sockaddr_in()
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let count = withUnsafeMutablePointer(to: &from) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    recvfrom(descriptor, &buffer, buffer.count, Int32(MSG_TRUNC), $0, &length)
                }
            }
            if count < 0 {
                if errno == EINTR { continue }
                guard errno == EAGAIN else { throw Failure() }
                return nil
            }
            guard count <= buffer.count, UInt16(bigEndian: from.sin_port) == DHCPMessage.serverPort else { continue }
            return Array(buffer[..<count])
        }
    }

    private static func withSocketAddress<R>(
        _ address: IPv4Address, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> R
    ) -> R {
        var socketAddress = sockaddr_in()
        socketAddress.sin_family = sa_family_t(AF_INET)
        socketAddress.sin_port = port.bigEndian
        socketAddress.sin_addr = in_addr(s_addr: address.value.bigEndian)
        return withUnsafePointer(to: &socketAddress) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}
