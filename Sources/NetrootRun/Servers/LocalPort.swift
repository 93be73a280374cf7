import Glibc
import NetrootSite
import NetrootSystem

/// TCP ports of this host.
enum LocalPort {
    /// Throws where something listens on the port of 127.0.0.1.
    /// - Throws: `RunError.portInUse`, `SystemError`.
    static func requireFree(_ port: Int, option: String) throws {
        let descriptor = try SystemError.check("open", "a socket", socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
        defer { close(descriptor) }
        var reuse: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &reuse, socklen_t(MemoryLayout<Int32>.size))
        var address = loopback(port)
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        if result == 0 { return }
        guard errno == EADDRINUSE else { throw SystemError("use", "port \(port)", code: errno) }
        throw RunError.portInUse(port: port, option: option)
    }

    /// A port of 127.0.0.1 on which nothing listens at this moment.
    /// - Throws: `SystemError`.
    static func free() throws -> Int {
        let descriptor = try SystemError.check("open", "a socket", socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
        defer { close(descriptor) }
        var address = loopback(0)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, size) == 0 ? getsockname(descriptor, $0, &size) : -1
            }
        }
        try SystemError.check("use", "a port of 127.0.0.1", result)
        return Int(UInt16(bigEndian: address.sin_port))
    }

    /// Whether a connection to the port of 127.0.0.1 is accepted.
    /// - Throws: `SystemError`.
    static func answers(_ port: Int) throws -> Bool {
        let descriptor = try SystemError.check("open", "a socket", socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
        defer { close(descriptor) }
        var address = loopback(port)
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        } == 0
    }

    private static func loopback(_ port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(truncatingIfNeeded: port)).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }
}
