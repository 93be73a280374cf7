import Testing

@testable import NetrootDHCP

@Suite struct LeaseTermsTests {
    /// T1, T2 and the end that a client lives by, whatever the server says.
    @Test(
        arguments: [
            (lease: 3600, renewal: nil, rebinding: nil, becomes: [1800, 3150, 3600]),
            (3600, 900, 1800, [900, 1800, 3600]),
            (3600, 0, 0, [1800, 3150, 3600]),
            (3600, 3000, 2000, [2000 * 4 / 7.0, 2000, 3600]),
            (3600, 2000, 3600, [2000, 3150, 3600]),
            (3600, 4000, 5000, [1800, 3150, 3600]),
            (3600, .max, .max, [1800, 3150, 3600]),
            (3600, 1, 2, [2, 3, 3600]),
            (3600, 1, nil, [2, 3150, 3600]),
            (0, nil, nil, [2, 3.5, 4]),
            (1, 1, 1, [2, 3, 4]),
            (.max, 5, 6, [.infinity, .infinity, .infinity]),
            (.max - 1, nil, nil, [2_147_483_647, 3_758_096_382.25, 4_294_967_294]),
        ] as [(UInt32, UInt32?, UInt32?, [Double])])
    func ofAServer(lease: UInt32, renewal: UInt32?, rebinding: UInt32?, becomes: [Double]) {
        let terms = LeaseTerms(lease: lease, renewal: renewal, rebinding: rebinding)
        #expect([terms.renewal, terms.rebinding, terms.lifetime] == becomes)
    }

    @Test func twoQuestionsAreNotAtOnce() {
        #expect(LeaseTerms(lease: 86_400).leastWait == 60)
        #expect(LeaseTerms(lease: 120).leastWait == 15)
        #expect(LeaseTerms(lease: 0).leastWait == 2)
        #expect(LeaseTerms(lease: .max).leastWait == 60)
    }
}

@Suite struct LeaseClockTests {
    static let address = IPv4Address(0x0A00_000F)
    static let server = IPv4Address(0x0A00_0001)
    static let other = IPv4Address(0x0A00_0002)
    static let terms = LeaseTerms(lease: 3600)
    static let good = LeaseAnswer.acknowledged(address, terms, server: server)
    static let nak = LeaseAnswer.refused(server: server, words: "")
    static let strange = LeaseAnswer.acknowledged(IPv4Address(0x0A00_0063), terms, server: server)

    static func clock(
        _ terms: LeaseTerms = terms, server: IPv4Address? = server, obtained: Double = 0, now: Double = 0
    ) -> LeaseClock {
        LeaseClock(address: address, server: server, terms: terms, obtained: obtained, now: now, fuzz: { 0 })
    }

    /// What a clock does until a time, when nobody answers.
    static func run(_ clock: inout LeaseClock, until end: Double) -> [(at: Double, does: LeaseClock.Action)] {
        var done: [(Double, LeaseClock.Action)] = []
        while clock.wakeAt <= end {
            let now = clock.wakeAt
            done += clock.advance(to: now).map { (now, $0) }
            #expect(clock.wakeAt > now, "the clock stands still")
            if clock.wakeAt <= now { break }
        }
        return done
    }

    /// RFC 2131, 4.4.5: half of what is left until T2, and then until the end, but at least 60 s; then for ever.
    @Test func silence() {
        var clock = Self.clock()
        let done = Self.run(&clock, until: 3800)
        let asked = done.compactMap { entry -> (Double, LeaseClock.Request)? in
            if case .ask(let whom, _) = entry.does { (entry.at, whom) } else { nil }
        }
        let times = [
            1800, 2475, 2812.5, 2981.25, 3065.625, 3125.625, 3150, 3375, 3487.5, 3547.5, 3600, 3660, 3720, 3780,
        ]
        #expect(asked.map(\.0) == times)
        #expect(asked.prefix(6).allSatisfy { $0.1 == .server(Self.server) })
        #expect(asked.dropFirst(6).allSatisfy { $0.1 == .everyone })
        #expect(done.compactMap { if case .say = $0.does { $0.at } else { nil } } == [3600])
        #expect(done.contains { $0.does == .say(.expired(server: Self.server)) })
        // `secs` counts from the first question.
        #expect(done[1].does == .ask(.server(Self.server), seconds: 675))
        let day = Self.run(&clock, until: 86_400)
        #expect(day.count == (86_400 - 3780) / 60)
        #expect(day.allSatisfy { if case .ask(.everyone, _) = $0.does { true } else { false } })
    }

    @Test func theServerRenews() {
        var clock = Self.clock()
        #expect(clock.wakeAt == 1800)
        #expect(clock.advance(to: 1799) == [])
        #expect(clock.advance(to: 1801) == [.ask(.server(Self.server), seconds: 0)])
        #expect(!clock.isAnswered)
        #expect(clock.take(Self.good, at: 1803) == [])
        #expect(clock.isAnswered)
        // From the question on, not from the answer.
        #expect(clock.wakeAt == 1801 + 1800)
    }

    @Test func anotherServerAnswersAtT2() {
        var clock = Self.clock()
        _ = Self.run(&clock, until: 3150)
        #expect(
            clock.take(.acknowledged(Self.address, Self.terms, server: Self.other), at: 3151)
                == [.say(.newServer(Self.other))])
        #expect(clock.server == Self.other)
        #expect(clock.advance(to: 3150 + 1800) == [.ask(.server(Self.other), seconds: 0)])
    }

    /// Said once, whatever comes after it, until the lease is renewed; and then again.
    @Test(arguments: [
        (LeaseClockTests.nak, LeaseNotice.refused(server: LeaseClockTests.server, words: "")),
        (LeaseClockTests.strange, .otherAddress(IPv4Address(0x0A00_0063), server: LeaseClockTests.server)),
    ])
    func aBadAnswerIsSaidOnce(answer: LeaseAnswer, notice: LeaseNotice) {
        var clock = Self.clock()
        for _ in 0..<2 {
            var asked = 0
            var said: [LeaseNotice] = []
            let end = clock.wakeAt + 7200
            while clock.wakeAt < end {
                let now = clock.wakeAt
                for action in clock.advance(to: now) {
                    switch action {
                    case .ask(let whom, _):
                        // Only the first is for the server alone.
                        #expect(asked == 0 ? whom == .server(Self.server) : whom == .everyone)
                        asked += 1
                        #expect(clock.take(answer, at: now) == [])
                    case .say(let notice): said.append(notice)
                    }
                }
            }
            #expect(said == [notice])
            #expect(asked > 100, "it goes on for ever")
            #expect(clock.address == Self.address)
            _ = Self.run(&clock, until: clock.wakeAt)
            #expect(clock.take(Self.good, at: end) == [.say(.renewedAgain(server: Self.server, Self.terms))])
        }
    }

    /// Of two servers, one that does not know the lease refuses before the other one lends it.
    @Test func aGoodAnswerBehindABadOneCounts() {
        var clock = Self.clock()
        _ = Self.run(&clock, until: 3150)
        #expect(clock.take(Self.nak, at: 3150) == [])
        #expect(clock.take(Self.strange, at: 3150.1) == [])
        #expect(clock.take(Self.good, at: 3150.2) == [])
        #expect(clock.advance(to: 3160) == [])
        #expect(clock.wakeAt == 3150 + 1800)
    }

    /// The refusal is told, not also the end, and not in the place of it.
    @Test func aServerThatRefusesAtTheEndHasAnswered() {
        var clock = Self.clock()
        let asked = Self.run(&clock, until: 3599)
        #expect(!asked.isEmpty)
        #expect(clock.take(Self.nak, at: 3599) == [])
        let done = Self.run(&clock, until: 7200)
        let said = done.compactMap { if case .say(let notice) = $0.does { notice } else { nil } }
        #expect(said == [.refused(server: Self.server, words: "")])
    }

    @Test func eachKindOfTroubleIsSaidOnce() {
        var clock = Self.clock()
        var said: [LeaseNotice] = []
        for round in 0..<100 {
            let now = clock.wakeAt
            for action in clock.advance(to: now) {
                if case .say(let notice) = action { said.append(notice) }
                if case .ask = action { _ = clock.take(round % 2 == 0 ? Self.nak : Self.strange, at: now) }
            }
        }
        #expect(said.count == 2, "\(said)")
    }

    @Test func expiredAndBack() {
        var clock = Self.clock()
        _ = Self.run(&clock, until: 3600 + 600)
        #expect(clock.take(Self.good, at: 4205) == [.say(.renewedAgain(server: Self.server, Self.terms))])
        #expect(clock.wakeAt == 4200 + 1800)
    }

    @Test func withoutAServerIdentifierEverybodyIsAsked() {
        for server in [nil, IPv4Address.broadcast, IPv4Address.none] {
            var clock = Self.clock(server: server)
            #expect(clock.advance(to: 1800) == [.ask(.everyone, seconds: 0)])
        }
    }

    @Test func aLeaseForEverNeedsNothing() {
        #expect(Self.clock(LeaseTerms(lease: .max)).wakeAt == .infinity)
        var clock = Self.clock()
        _ = clock.advance(to: 1800)
        _ = clock.take(.acknowledged(Self.address, LeaseTerms(lease: .max), server: Self.server), at: 1800)
        #expect(clock.wakeAt == .infinity)
    }

    /// Without a cable nobody is bothered by a question more.
    @Test func whatCouldNotBeSentIsTriedSoon() {
        var clock = Self.clock()
        for time in [1800.0, 1805, 1810] {
            #expect(clock.wakeAt == time)
            #expect(clock.advance(to: time).count == 1)
            clock.couldNotSend(at: time)
        }
    }

    /// A service that was started again reads a record that may be old: the server is asked before anything is said.
    @Test func anOldRecordIsAskedAboutAtOnce() {
        var clock = Self.clock(obtained: 10, now: 100_000)
        #expect(clock.advance(to: 100_000) == [.ask(.everyone, seconds: 0)])
        #expect(clock.take(Self.good, at: 100_001) == [])
        var silent = Self.clock(obtained: 10, now: 100_000)
        let said = Self.run(&silent, until: 100_300).filter { if case .say = $0.does { true } else { false } }
        #expect(said.map(\.at) == [100_060])
    }

    /// Whatever a server says, a client does not ask more than every two seconds.
    @Test(arguments: [(0, 0, 0), (1, 1, 1), (4, 3, 2), (10, 1, 2), (3600, 1, 2)] as [(UInt32, UInt32, UInt32)])
    func noServerMakesItBusy(lease: UInt32, renewal: UInt32, rebinding: UInt32) {
        let terms = LeaseTerms(lease: lease, renewal: renewal, rebinding: rebinding)
        for answer in [LeaseAnswer.acknowledged(Self.address, terms, server: Self.server), Self.nak, nil] {
            var clock = Self.clock(terms)
            var asked: [Double] = []
            while clock.wakeAt < 1000 {
                let now = clock.wakeAt
                for case .ask in clock.advance(to: now) {
                    asked.append(now)
                    if let answer { _ = clock.take(answer, at: now) }
                }
            }
            #expect(zip(asked, asked.dropFirst()).filter { $1 - $0 < 1 }.count <= 3, "\(asked.prefix(9))")
            #expect(asked.count <= 502)
        }
    }

    @Test func theFuzzIsEarlierForT1AndLaterForWaits() {
        var clock = LeaseClock(
            address: Self.address, server: Self.server, terms: Self.terms, obtained: 0, now: 0, fuzz: { 1 })
        #expect(clock.wakeAt == 1800 * 0.95)
        _ = clock.advance(to: 1800)
        #expect(clock.wakeAt == 1800 + 675 * 1.1)
    }
}

@Suite struct NetworkInterfaceTests {
    @Test func theAddressCountsAndThenTheNumber() {
        let loopback = IPv4Address(0x7F00_0001)
        let nobodys = IPv4Address(0xC000_0201)
        #expect(NetworkInterface.name(of: loopback, index: 99_999) == "lo")
        #expect(NetworkInterface.name(of: nobodys, index: 1) == "lo")
        #expect(NetworkInterface.name(of: nobodys, index: 99_999) == nil)
    }
}

@Suite struct LeaseRecordTests {
    static let whole = """
        index=2
        mac=52:54:00:12:34:56
        address=10.0.0.15
        server=10.0.0.1
        lease=3600
        renewal=1800
        rebinding=3150
        obtained=12.34
        client=01525400123456

        """

    @Test func aWholeOne() throws {
        let record = try LeaseRecord(text: Self.whole + "later=x\n")
        #expect(record.index == 2)
        #expect(record.hardware == DHCPMessageTests.hardware)
        #expect(record.address.description == "10.0.0.15")
        #expect(record.server?.description == "10.0.0.1")
        #expect(record.terms == LeaseTerms(lease: 3600, renewal: 1800, rebinding: 3150))
        #expect(record.obtained == 12.34)
        #expect(record.clientIdentifier == [1] + DHCPMessageTests.hardware.bytes)
    }

    @Test func aSmallOne() throws {
        let record = try LeaseRecord(
            text: "index=2\nmac=52:54:00:12:34:56\naddress=10.0.0.15\nlease=4294967295\nobtained=7")
        #expect(record.server == nil && record.clientIdentifier == nil)
        #expect(record.terms.lifetime == .infinity)
    }

    @Test(arguments: ["index", "mac", "address", "lease", "obtained"])
    func whatHasToBeThere(key: String) {
        let lines = Self.whole.split(separator: "\n").filter { !$0.hasPrefix(key + "=") }
        #expect(throws: LeaseRecordError.missing(key: key)) { try LeaseRecord(text: lines.joined(separator: "\n")) }
    }

    @Test(arguments: [
        ("index", "-1"), ("index", "2 "), ("index", "99999999999"), ("index", ""), ("mac", "52:54:00:12:34"),
        ("mac", "52:54:00:12:34:5g"), ("mac", "+1:54:00:12:34:56"), ("address", "10.0.0"), ("address", "10.0.0.256"),
        ("address", "10.0.0.015"), ("address", "0.0.0.0"), ("address", "255.255.255.255"), ("server", "127.0.0.1"),
        ("server", "224.0.0.1"), ("server", "$(reboot)"), ("lease", "4294967296"), ("lease", "1e3"), ("lease", "+5"),
        ("renewal", "-1"), ("rebinding", "0x10"), ("obtained", "nan"), ("obtained", "inf"), ("obtained", "1.2.3"),
        ("obtained", "1."), ("obtained", "1e9"), ("client", "0"), ("client", "01"), ("client", "zz"),
        ("client", String(repeating: "00", count: 256)),
    ])
    func aValueThatIsNone(key: String, value: String) {
        let lines = Self.whole.split(separator: "\n").map { $0.hasPrefix(key + "=") ? "\(key)=\(value)" : $0 }
        #expect(throws: LeaseRecordError.wrongValue(key: key, value: value)) {
            try LeaseRecord(text: lines.joined(separator: "\n"))
        }
    }

    @Test func otherMistakes() {
        #expect(throws: LeaseRecordError.noKey(line: "hello")) { try LeaseRecord(text: "hello") }
        #expect(throws: LeaseRecordError.twice(key: "index")) { try LeaseRecord(text: "index=1\nindex=2") }
        #expect(
            LeaseRecordError.wrongValue(key: "client", value: "\u{1B}[2J" + String(repeating: "x", count: 99))
                .description
                == "client='?[2J\(String(repeating: "x", count: 60))' is not a value of that key")
    }
}
