/// One request for more time, and how to know its answer (RFC 2131, section 4.3.2, RENEWING and REBINDING).
struct LeaseRequest: Sendable, Equatable {
    /// The address that the client has.
    let address: IPv4Address
    /// The client's card.
    let hardware: HardwareAddress
    /// Option 61, as the lease was obtained with; nil where none was sent.
    let clientIdentifier: [UInt8]?
    /// The number of this request.
    let transaction: UInt32

    /// The DHCPREQUEST. `ciaddr` says which address it is about: options 50 and 54 "MUST NOT be filled in". The server
    /// answers to that address, so that no broadcast is asked for.
    func message(seconds: UInt16) -> DHCPMessage {
        var message = DHCPMessage(.request, .request, hardware: hardware, transaction: transaction)
        message.seconds = seconds
        message.clientAddress = address
        if let clientIdentifier { message.options.append(DHCPOptions.Code.clientIdentifier, clientIdentifier) }
        message.options.append(
            DHCPOptions.Code.parameterRequestList,
            [
                DHCPOptions.Code.leaseTime, DHCPOptions.Code.serverIdentifier, DHCPOptions.Code.renewalTime,
                DHCPOptions.Code.rebindingTime,
            ])
        return message
    }

    /// What the bytes of a datagram say to this request; nil where they are no answer to it.
    func answer(in bytes: [UInt8]) -> LeaseAnswer? {
        let message: DHCPMessage
        do { message = try DHCPMessage(bytes: bytes) } catch { return nil }
        guard message.operation == .reply, message.transaction == transaction,
            message.hardware == hardware.inMessage
        else { return nil }
        let server = message.options.address(DHCPOptions.Code.serverIdentifier)
            .flatMap { $0.isOfOneMachine ? $0 : nil }
        switch message.kind {
        case .ack:
            guard message.yourAddress.isOfOneMachine else { return nil }
            let terms = message.options.number(DHCPOptions.Code.leaseTime).map {
                LeaseTerms(
                    lease: $0, renewal: message.options.number(DHCPOptions.Code.renewalTime),
                    rebinding: message.options.number(DHCPOptions.Code.rebindingTime))
            }
            return .acknowledged(message.yourAddress, terms, server: server)
        case .nak:
            let words = message.options[DHCPOptions.Code.message] ?? []
            return .refused(server: server, words: Self.printable(words))
        default: return nil
        }
    }

    /// A server's words go to a console: letters of ASCII, and not many.
    private static func printable(_ bytes: [UInt8]) -> String {
        let shown = bytes.prefix(64).map { 32...126 ~= $0 && $0 != UInt8(ascii: "\"") ? $0 : UInt8(ascii: "?") }
        return String(decoding: shown, as: UTF8.self)
    }
}
