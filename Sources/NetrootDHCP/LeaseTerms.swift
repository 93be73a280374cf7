/// For how long an address is lent, and when to ask again, in seconds since it was lent (RFC 2131, section 4.4.5).
struct LeaseTerms: Sendable, Equatable {
    /// The end of the lease; infinity for an address that is lent for ever.
    let lifetime: Double
    /// T1: the server that lent the address is asked.
    let renewal: Double
    /// T2: every server is asked.
    let rebinding: Double

    /// What option 51 says of an address that is lent for ever.
    static let forever: UInt32 = .max
    /// A server that says less would have the client do nothing else.
    static let leastLifetime = 4.0
    static let leastRenewal = 2.0

    /// The terms that a server gave, made sound: T1 < T2 < the end, none of them too soon.
    /// - Parameters:
    ///   - renewal: T1; without it, or where it is not before T2, the default.
    ///   - rebinding: T2; without it, or where it is not before the end, the default.
    init(lease: UInt32, renewal: UInt32? = nil, rebinding: UInt32? = nil) {
        guard lease != Self.forever else {
            (lifetime, self.renewal, self.rebinding) = (.infinity, .infinity, .infinity)
            return
        }
        let lifetime = max(Double(lease), Self.leastLifetime)
        func given(_ seconds: UInt32?, before end: Double) -> Double? {
            guard let seconds, seconds > 0, Double(seconds) < end else { return nil }
            return Double(seconds)
        }
        let last = given(rebinding, before: lifetime) ?? lifetime * 7 / 8
        let first = given(renewal, before: last) ?? min(lifetime / 2, last * 4 / 7)
        self.lifetime = lifetime
        self.renewal = max(first, Self.leastRenewal)
        self.rebinding = max(last, self.renewal + 1)
    }

    /// The least time between two questions that nobody answers: the 60 s of RFC 2131, less for leases under 8 minutes.
    /// With a lease of two minutes, the 60 s would leave one question to the server and one to all.
    var leastWait: Double { min(60, max(2, lifetime / 8)) }
}
