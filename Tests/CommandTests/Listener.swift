import Glibc
import NetrootSystem

/// A listening TCP socket on a free port of 127.0.0.1.
final class Listener: Sendable {
    let descriptor: Int32
    let port: Int

    init() throws {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        descriptor = try SystemError.check("open", "a socket", socket(AF_INET, type, 0))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let socket = descriptor
        try withUnsafeMutablePointer(to: &address) {
            try $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                try SystemError.check("bind", "127.0.0.1", bind(socket, $0, size))
                try SystemError.check("read the port of", "127.0.0.1", getsockname(socket, $0, &size))
            }
        }
        try SystemError.check("listen on", "127.0.0.1", listen(descriptor, 64))
        port = Int(UInt16(bigEndian: address.sin_port))
    }

    deinit { close(descriptor) }
}
