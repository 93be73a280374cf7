import Glibc
import NetrootSystem

/// A listening TCP socket on a port of 127.0.0.1: a free one, or the wanted one if it is free.
final class Listener: Sendable {
    let descriptor: Int32
    let port: Int

    init(port wanted: UInt16 = 0) throws {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        descriptor = try SystemError.check("open", "a socket", socket(AF_INET, type, 0))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let socket = descriptor
        if wanted != 0 {
            var yes: Int32 = 1
            setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
            address.sin_port = wanted.bigEndian
            let isTaken = withUnsafeMutablePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(socket, $0, size) != 0 }
            }
            if isTaken { address.sin_port = 0 }
        }
        if address.sin_port == 0 {
            try withUnsafeMutablePointer(to: &address) {
                try $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    try SystemError.check("bind", "127.0.0.1", bind(socket, $0, size))
                }
            }
        }
        try withUnsafeMutablePointer(to: &address) {
            try $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                try SystemError.check("read the port of", "127.0.0.1", getsockname(socket, $0, &size))
            }
        }
        try SystemError.check("listen on", "127.0.0.1", listen(descriptor, 64))
        port = Int(UInt16(bigEndian: address.sin_port))
    }

    deinit { close(descriptor) }
}
