/// What a server answered to a request for more time.
enum LeaseAnswer: Sendable, Equatable {
    /// DHCPACK: an address, its terms (nil where the server gives no time), and who speaks.
    case acknowledged(IPv4Address, LeaseTerms?, server: IPv4Address?)
    /// DHCPNAK, with the server's words.
    case refused(server: IPv4Address?, words: String)
}

/// What somebody should know about a lease.
enum LeaseNotice: Sendable, Equatable {
    /// A server refuses to lend the address any longer.
    case refused(server: IPv4Address?, words: String)
    /// A server lends another address.
    case otherAddress(IPv4Address, server: IPv4Address?)
    /// The time is over, and nobody has answered.
    case expired(server: IPv4Address?)
    /// After one of these: the server lends the address again.
    case renewedAgain(server: IPv4Address?, LeaseTerms)
    /// Another server lends the address now.
    case newServer(IPv4Address)

    /// What is said once until the server lends the address again.
    fileprivate var trouble: Trouble? {
        switch self {
        case .refused: .refused
        case .otherAddress: .otherAddress
        case .expired: .expired
        case .renewedAgain, .newServer: nil
        }
    }
}

private enum Trouble { case refused, otherAddress, expired }

/// The clock of one lease: when to ask whom, and what to say (RFC 2131, sections 4.4.5 and 4.3.2).
///
/// It differs from a client that may lose its address: this one carries the root. So nothing ends BOUND, RENEWING and
/// REBINDING for INIT. After DHCPNAK, and after the end of the lease, every server is asked for the same address for ever.
/// There is no DHCPDISCOVER: a server pings an address before it offers it, and this machine would answer.
///
/// It reads no clock: the times are the caller's, in seconds since the machine booted.
struct LeaseClock: Sendable {
    /// Whom to ask.
    enum Request: Sendable, Equatable {
        /// RENEWING: the server that lent the address.
        case server(IPv4Address)
        /// REBINDING: every server on the link, and relays.
        case everyone
    }

    /// What to do.
    enum Action: Sendable, Equatable {
        /// Send a request; `seconds` is for how long it has been asked.
        case ask(Request, seconds: UInt16)
        /// Tell somebody.
        case say(LeaseNotice)
    }

    /// The address, for good.
    let address: IPv4Address
    /// The server that lent it.
    private(set) var server: IPv4Address?

    /// Between 0 and 1: many machines that booted together should not ask together.
    private let fuzz: @Sendable () -> Double
    private var terms: LeaseTerms
    private var rebindAt: Double
    private var endsAt: Double
    /// The end, until it has been looked at.
    private var lookAtEnd: Double
    private var nextRequest: Double
    private var firstAsked: Double?
    private var lastAsked: Double?
    /// A server refused, or lent another address: it is not asked alone any longer.
    private var isRejected = false
    private var said: Set<Trouble> = []
    /// A bad answer that is not said yet: where several servers hear the request, one that does not know the lease may
    /// refuse before the right one answers.
    private var held: (notice: LeaseNotice, until: Double)?

    /// How long a bad answer is held.
    static let patience = 2.0
    /// When to ask again after a request that could not even be sent; nobody is bothered by it.
    static let soon = 5.0

    /// A lease that was obtained some time ago.
    init(
        address: IPv4Address, server: IPv4Address?, terms: LeaseTerms, obtained: Double, now: Double,
        fuzz: @escaping @Sendable () -> Double
    ) {
        self.address = address
        self.server = server.flatMap { $0.isOfOneMachine ? $0 : nil }
        self.terms = terms
        self.fuzz = fuzz
        let start = min(obtained, now)
        rebindAt = start + terms.rebinding
        // Where this program was started anew after the end, the server has not been asked yet.
        endsAt = max(start + terms.lifetime, now + terms.leastWait)
        lookAtEnd = endsAt
        nextRequest = start + terms.renewal * (1 - fuzz() / 20)
    }

    /// When `advance` has something to do next; infinity where it never has.
    var wakeAt: Double { min(nextRequest, lookAtEnd, held?.until ?? .infinity) }

    /// What is to be done at a time.
    mutating func advance(to now: Double) -> [Action] {
        var actions: [Action] = []
        if let held, now >= held.until {
            self.held = nil
            isRejected = true
            nextRequest = min(nextRequest, now + terms.leastWait)
            actions += say(held.notice)
        }
        if now >= lookAtEnd {
            lookAtEnd = .infinity
            // A server that refuses has answered.
            if said.isEmpty, held == nil { actions += say(.expired(server: server)) }
        }
        if now >= nextRequest { actions.append(request(at: now)) }
        return actions
    }

    private mutating func say(_ notice: LeaseNotice) -> [Action] {
        if let trouble = notice.trouble, !said.insert(trouble).inserted { return [] }
        return [.say(notice)]
    }

    private mutating func request(at now: Double) -> Action {
        let since = firstAsked ?? now
        firstAsked = since
        lastAsked = now
        let next: Double
        if now < rebindAt, !isRejected {
            next = rebindAt
        } else {
            next = now < endsAt && !isRejected ? endsAt : .infinity
        }
        let half = next.isFinite ? (next - now) / 2 : 0
        nextRequest = min(next, now + max(terms.leastWait, half) * (1 + fuzz() / 10))
        let seconds = UInt16(min(max(now - since, 0), Double(UInt16.max)))
        if let server, now < rebindAt, !isRejected { return .ask(.server(server), seconds: seconds) }
        return .ask(.everyone, seconds: seconds)
    }

    /// The last request could not be sent: no cable, no route, no interface.
    mutating func couldNotSend(at now: Double) {
        nextRequest = min(nextRequest, now + min(Self.soon, terms.leastWait))
    }

    /// Takes an answer to the last request.
    mutating func take(_ answer: LeaseAnswer, at now: Double) -> [Action] {
        switch answer {
        case .acknowledged(address, let terms, let server):
            return renewed(terms ?? self.terms, by: server, at: now)
        case .acknowledged(let other, _, let server):
            hold(.otherAddress(other, server: server), at: now)
        case .refused(let server, let words):
            hold(.refused(server: server, words: words), at: now)
        }
        return []
    }

    /// Whether no request waits for an answer.
    var isAnswered: Bool { lastAsked == nil }

    private mutating func hold(_ notice: LeaseNotice, at now: Double) {
        if held == nil { held = (notice, now + Self.patience) }
    }

    private mutating func renewed(_ terms: LeaseTerms, by answering: IPv4Address?, at now: Double) -> [Action] {
        var actions: [Action] = []
        self.terms = terms
        // "The time at which the client sent the DHCPREQUEST message" (RFC 2131, section 4.4.5).
        let start = lastAsked ?? now
        rebindAt = start + terms.rebinding
        endsAt = start + terms.lifetime
        lookAtEnd = endsAt
        // A late answer to a short lease: not at once.
        nextRequest = max(start + terms.renewal * (1 - fuzz() / 20), now + 1)
        (firstAsked, lastAsked, held, isRejected) = (nil, nil, nil, false)
        if let answering, answering.isOfOneMachine, answering != server {
            server = answering
            actions.append(.say(.newServer(answering)))
        }
        if !said.isEmpty { actions.append(.say(.renewedAgain(server: server, terms))) }
        said = []
        return actions
    }
}
