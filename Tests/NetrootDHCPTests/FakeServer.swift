import Glibc
import NetrootDHCP
import NetrootSystem
import Synchronization
import TestSupport

/// A DHCP server that does what a test tells it.
final class FakeServer: Sendable {
    /// What it heard.
    struct Heard: Sendable {
        let message: DHCPMessage
        /// Sent to its address alone.
        let isUnicast: Bool
    }

    /// What it answers: the datagrams, in their order.
    typealias Behaviour = @Sendable (Heard) -> [[UInt8]]

    let address: IPv4Address
    private let state: Mutex<(heard: [Heard], behaviour: Behaviour)>
    /// One hears what is sent to everyone, the other what is sent to the address; the other answers.
    private let (everyone, alone): (Int32, Int32)

    /// Makes the sockets where the thread is: `Site.inside`.
    init(_ address: String, behaviour: @escaping Behaviour) throws {
        guard let own = IPv4Address(address) else { throw TestFailure(address) }
        self.address = own
        state = Mutex(([], behaviour))
        everyone = try Self.socket(.broadcast)
        alone = try Self.socket(own)
    }

    deinit {
        close(everyone)
        close(alone)
    }

    private static func socket(_ address: IPv4Address) throws -> Int32 {
        let kind = Int32(SOCK_DGRAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = try SystemError.check("make", "socket", Glibc.socket(AF_INET, kind, 0))
        var on: Int32 = 1
        for option in [SO_REUSEADDR, SO_BROADCAST] {
            let result = setsockopt(descriptor, SOL_SOCKET, option, &on, socklen_t(MemoryLayout<Int32>.size))
            try SystemError.check("set", "socket", result)
        }
        let device = Array("clients".utf8)
        try SystemError.check(
            "bind", "clients", setsockopt(descriptor, SOL_SOCKET, SO_BINDTODEVICE, device, socklen_t(device.count)))
        try SystemError.check("bind", "\(address)", with(address, 67) { bind(descriptor, $0, $1) })
        return descriptor
    }

    private static func with<R>(
        _ address: IPv4Address, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> R
    ) -> R {
        var to = sockaddr_in()
        to.sin_family = sa_family_t(AF_INET)
        to.sin_port = port.bigEndian
        to.sin_addr.s_addr = address.value.bigEndian
        return withUnsafePointer(to: &to) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
    }

    var heard: [Heard] { state.withLock { $0.heard } }

    func behave(_ behaviour: @escaping Behaviour) { state.withLock { $0.behaviour = behaviour } }

    /// Serves beside the test.
    func serving(_ body: () async throws -> Void) async throws {
        let loop = Task {
            while !Task.isCancelled {
                self.look()
                do { try await Task.sleep(for: .milliseconds(10)) } catch { return }
            }
        }
        defer { loop.cancel() }
        try await body()
        loop.cancel()
        await loop.value
    }

    private func look() {
        for descriptor in [everyone, alone] {
            var buffer = [UInt8](repeating: 0, count: 2048)
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count >= 0 else { continue }
            let message: DHCPMessage
            // What a test's client sends that is no message is missed by the test.
            do { message = try DHCPMessage(bytes: Array(buffer[..<count])) } catch { continue }
            let heard = Heard(message: message, isUnicast: descriptor == alone)
            let behaviour = state.withLock { state in
                state.heard.append(heard)
                return state.behaviour
            }
            for answer in behaviour(heard) {
                // A client that has lost its address hears it too.
                let to = answer[242] == DHCPMessage.Kind.nak.rawValue ? .broadcast : message.clientAddress
                _ = Self.with(to, 68) { sendto(alone, answer, answer.count, 0, $0, $1) }
            }
        }
    }

    // MARK: answers

    static let silent: Behaviour = { _ in [] }

    /// Refuses, with words.
    func refusing() -> Behaviour {
        let address = address
        return { heard in
            var nak = Self.answer(.nak, to: heard.message, from: address)
            nak.options.append(DHCPOptions.Code.message, Array("no such lease".utf8))
            return [nak.bytes]
        }
    }

    /// Lends an address; that of the request where none is given.
    func lending(_ other: String? = nil, for seconds: UInt32 = 3600, renewal: UInt32? = nil) -> Behaviour {
        let address = address
        return { heard in
            var ack = Self.answer(.ack, to: heard.message, from: address)
            ack.yourAddress = other.flatMap { IPv4Address($0) } ?? heard.message.clientAddress
            ack.options.append(DHCPOptions.Code.leaseTime, number: seconds)
            if let renewal { ack.options.append(DHCPOptions.Code.renewalTime, number: renewal) }
            return [ack.bytes]
        }
    }

    private static func answer(
        _ kind: DHCPMessage.Kind, to request: DHCPMessage, from server: IPv4Address
    ) -> DHCPMessage {
        var message = DHCPMessage(kind, .reply, hardware: request.hardware, transaction: request.transaction)
        message.options.append(DHCPOptions.Code.serverIdentifier, server)
        return message
    }
}
