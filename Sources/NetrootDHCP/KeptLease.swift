import Glibc

/// A lease with its clock, and with the request that waits for an answer.
struct KeptLease {
    let record: LeaseRecord
    /// The name that the record has; it is said where the interface is not there.
    let recordName: String
    private(set) var clock: LeaseClock
    private var waiting: (socket: DHCPSocket, request: LeaseRequest)?
    /// Why the last request could not be sent.
    private var failure: Int32?

    init(record: LeaseRecord, recordName: String, now: Double) {
        self.record = record
        self.recordName = recordName
        clock = LeaseClock(
            address: record.address, server: record.server, terms: record.terms, obtained: record.obtained, now: now,
            fuzz: { Double.random(in: 0..<1) })
    }

    /// What to poll(2); nil while no request waits.
    var descriptor: Int32? { waiting?.socket.descriptor }

    /// Does what is due.
    mutating func advance(to now: Double, console: LeaseConsole) {
        perform(clock.advance(to: now), at: now, console: console)
    }

    /// Takes what has come.
    mutating func receive(at now: Double, console: LeaseConsole) {
        guard let (socket, request) = waiting else { return }
        // Not for ever: others may send without end.
        for _ in 0..<64 {
            let bytes: [UInt8]
            do throws(DHCPSocket.Failure) {
                guard let next = try socket.receive() else { return }
                bytes = next
            } catch {
                // The next request opens another.
                waiting = nil
                return
            }
            guard let answer = request.answer(in: bytes) else { continue }
            perform(clock.take(answer, at: now), at: now, console: console)
            if clock.isAnswered {
                waiting = nil
                return
            }
        }
    }

    private mutating func perform(_ actions: [LeaseClock.Action], at now: Double, console: LeaseConsole) {
        for action in actions {
            switch action {
            case .say(let notice): say(notice, console)
            case .ask(let whom, let seconds): ask(whom, seconds: seconds, at: now, console: console)
            }
        }
    }

    private mutating func ask(_ whom: LeaseClock.Request, seconds: UInt16, at now: Double, console: LeaseConsole) {
        let request = LeaseRequest(
            address: record.address, hardware: record.hardware, clientIdentifier: record.clientIdentifier,
            transaction: .random(in: .min ... .max))
        let to =
            switch whom {
            case .server(let server): server
            case .everyone: IPv4Address.broadcast
            }
        waiting = nil
        do throws(DHCPSocket.Failure) {
            let socket = try DHCPSocket(interface: name)
            // The answer may come before this returns, and waits in the socket.
            waiting = (socket, request)
            try socket.send(request.message(seconds: seconds), to: to)
            if failure != nil { console.note("\(name): the request for \(record.address) is sent again") }
            failure = nil
        } catch {
            waiting = nil
            clock.couldNotSend(at: now)
            guard failure != error.code else { return }
            failure = error.code
            console.note(
                "\(name): the request to \(to) for \(record.address) cannot be sent: "
                    + "\(String(cString: strerror(error.code))); it is tried again")
        }
    }

    private var name: String { NetworkInterface.name(of: record.address, index: record.index) ?? recordName }

    private func say(_ notice: LeaseNotice, _ console: LeaseConsole) {
        let address = record.address
        let reserve = "reserve \(address) for \(record.hardware) there"
        switch notice {
        case .refused(let server, let words):
            console.sayAloud(
                "\(name): the DHCP server \(Self.named(server))refuses the lease of \(address)"
                    + (words.isEmpty ? "" : " (\"\(words)\")")
                    + ". The address stays, but another machine may be given it: \(reserve)")
        case .otherAddress(let other, let server):
            console.sayAloud(
                "\(name): the DHCP server \(Self.named(server))gives \(other) instead of \(address). "
                    + "The address stays \(address) until a reboot: \(reserve), or reboot")
        case .expired(let server):
            console.sayAloud(
                "\(name): the lease of \(address) has expired, and no DHCP server answers. The address stays, but another "
                    + "machine may be given it: look at the DHCP server \(Self.named(server))and the cable")
        case .renewedAgain(let server, let terms):
            let time = terms.lifetime.isFinite ? "for \(Int(terms.lifetime)) seconds" : "for ever"
            console.sayAloud("\(name): the DHCP server \(Self.named(server))lends \(address) again, \(time)")
        case .newServer(let server):
            console.note("\(name): \(address) is now lent by the DHCP server \(server)")
        }
    }

    /// With a space, for the middle of a sentence.
    private static func named(_ server: IPv4Address?) -> String { server.map { "\($0) " } ?? "" }
}
