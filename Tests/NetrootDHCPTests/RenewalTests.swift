import NetrootDHCP
import NetrootSystem
import TestSupport
import Testing

/// The program itself, in network namespaces: at Debian's dnsmasq, and at servers that do what none should.
@Suite struct RenewalTests {
    private static let range = "--dhcp-range=10.77.1.10,10.77.1.50,255.255.255.0,2m"

    // MARK: dnsmasq

    /// The server has lost its leases, or the machine was lent its address by another one.
    @Test(.timeLimit(.minutes(1))) func dnsmasqLearnsOfTheLease() async throws {
        try await Site.with { site in
            try await site.dnsmasq([Self.range, "--dhcp-authoritative"]) {
                try await site.renewing {
                    let came = try await eventually { site.isRenewed }
                    #expect(came, "\(site.text("server.log"))")
                    #expect(site.console == [])
                    #expect(site.text("server.leases").contains("01:\(Site.mac)"), "the client identifier")
                }
            }
        }
    }

    /// Without `dhcp-authoritative`: it refuses what it is asked alone, and is silent to what everybody is asked.
    @Test(.timeLimit(.minutes(1))) func dnsmasqThatIsNotAuthoritativeKnowsNoLease() async throws {
        try await Site.with { site in
            try await site.dnsmasq([Self.range]) {
                try await site.renewing {
                    let came = try await eventually { site.text("server.log").contains("DHCPNAK") }
                    #expect(came)
                    #expect(try await eventually { !site.console.isEmpty })
                    // Four more questions, of which nothing is said.
                    try await Task.sleep(for: .seconds(6))
                }
            }
            #expect(
                site.console == [
                    "the DHCP server 10.77.1.1 refuses the lease of 10.77.1.15 (\"lease not found\"). The address stays, "
                        + "but another machine may be given it: reserve 10.77.1.15 for 52:54:00:12:34:56 there"
                ])
        }
    }

    /// A cable that is out at T1 and T2.
    @Test(.timeLimit(.minutes(1))) func theCableIsCut() async throws {
        try await Site.with { site in
            try await site.dnsmasq([Self.range, "--dhcp-authoritative"]) {
                try await site.ip(["link", "set", "clients", "down"], in: .server)
                try await site.ip(["link", "set", "eth0", "down"], in: .client)
                try await site.renewing {
                    let came = try await eventually { site.text("journal").contains("cannot be sent") }
                    #expect(came)
                    try await Task.sleep(for: .seconds(4))
                    #expect(!site.isRenewed)
                    try await site.ip(["link", "set", "clients", "up"], in: .server)
                    try await site.ip(["link", "set", "eth0", "up"], in: .client)
                    #expect(try await eventually { site.isRenewed }, "\(site.text("journal"))")
                    #expect(try await eventually { site.text("journal").contains("is sent again") })
                    #expect(site.console == [])
                    let said = site.text("journal").split(separator: "\n").filter { $0.contains("cannot be sent") }
                    // One for each reason and server, not one for each question.
                    #expect(said.count <= 2, "\(said)")
                }
            }
        }
    }

    /// A driver that is loaded again: the interface has another number.
    @Test(.timeLimit(.minutes(1))) func theInterfaceGoesAndComesBack() async throws {
        try await Site.with { site in
            try await site.dnsmasq([Self.range, "--dhcp-authoritative", "--bind-dynamic"]) {
                try await site.ip(["link", "delete", "eth0"], in: .client)
                try await site.renewing {
                    let came = try await eventually { site.text("journal").contains("cannot be sent: No such device") }
                    #expect(came)
                    try await site.connect(.server, index: 42)
                    #expect(try await eventually { site.isRenewed }, "\(site.text("journal"))")
                    #expect(site.console == [])
                }
            }
        }
    }

    /// The server is on another link: by the routing table at T1; without a route through the relay at T2.
    @Test(.timeLimit(.minutes(1)), arguments: [true, false]) func throughARelay(routed: Bool) async throws {
        try await Site.with(relay: true) { site in
            if routed { try await site.ip(["route", "add", "default", "via", "10.77.1.1"], in: .client) }
            try await site.dnsmasq(["--dhcp-relay=10.77.1.1,\(site.server)"], at: .relay) {
                try await site.dnsmasq([Self.range, "--dhcp-authoritative"]) {
                    try await site.renewing {
                        let came = try await eventually { site.isRenewed }
                        #expect(came, "\(site.text("server.log"))")
                        #expect(site.console == [])
                    }
                }
            }
            #expect(site.text("server.log").contains("client provides name") == false)
            let relayed = site.text("relay.log").contains("DHCP relay")
            #expect(relayed, "the relay is there: \(site.text("relay.log"))")
        }
    }

    // MARK: servers that do what none should

    private static func with(
        _ body: (Site, FakeServer) async throws -> Void
    ) async throws {
        try await Site.with { site in
            let server = try site.inside(.server) { try FakeServer(site.server, behaviour: FakeServer.silent) }
            try await server.serving { try await body(site, server) }
        }
    }

    private static func count(_ server: FakeServer, _ least: Int) async throws -> Bool {
        try await eventually { server.heard.count >= least }
    }

    @Test(.timeLimit(.minutes(1))) func aServerThatRefusesIsSaidOnceAndSoIsItsReturn() async throws {
        try await Self.with { site, server in
            server.behave(server.refusing())
            try await site.renewing {
                let came = try await Self.count(server, 4)
                #expect(came)
                #expect(site.console.count == 1 && site.console[0].contains("10.77.1.1 refuses"), "\(site.console)")
                server.behave(server.lending())
                #expect(try await eventually { site.console.count == 2 })
                #expect(site.console.last == "the DHCP server 10.77.1.1 lends 10.77.1.15 again, for 3600 seconds")
            }
            let heard = server.heard
            #expect(heard.map(\.isUnicast) == [true] + heard.dropFirst().map { _ in false })
            for message in heard.map(\.message) {
                #expect(message.kind == .request)
                #expect(message.clientAddress.description == Site.client)
                #expect(message.hardware.description == Site.mac)
                #expect(message.options[DHCPOptions.Code.requestedAddress] == nil)
                #expect(message.options[DHCPOptions.Code.serverIdentifier] == nil)
                #expect(message.options[DHCPOptions.Code.clientIdentifier] == [1] + message.hardware.bytes)
            }
        }
    }

    @Test(.timeLimit(.minutes(1))) func aServerThatLendsAnotherAddress() async throws {
        try await Self.with { site, server in
            server.behave(server.lending("10.77.1.99"))
            try await site.renewing {
                let came = try await Self.count(server, 4)
                #expect(came)
                #expect(
                    site.console == [
                        "the DHCP server 10.77.1.1 gives 10.77.1.99 instead of 10.77.1.15. The address stays 10.77.1.15 "
                            + "until a reboot: reserve 10.77.1.15 for 52:54:00:12:34:56 there, or reboot"
                    ])
            }
            #expect(server.heard.allSatisfy { $0.message.clientAddress.description == Site.client })
        }
    }

    /// Longer than the lease, and then it is back.
    @Test(.timeLimit(.minutes(1))) func aServerThatIsSilent() async throws {
        try await Self.with { site, server in
            try await site.renewing(lease: 8, rebinding: 5) {
                let came = try await eventually { !site.console.isEmpty }
                #expect(came)
                #expect(
                    site.console == [
                        "the lease of 10.77.1.15 has expired, and no DHCP server answers. The address stays, but another "
                            + "machine may be given it: look at the DHCP server 10.77.1.1 and the cable"
                    ])
                let before = server.heard.count
                #expect(try await Self.count(server, before + 2))
                #expect(site.console.count == 1)
                server.behave(server.lending(for: .max))
                #expect(try await eventually { site.console.count == 2 })
                #expect(site.console.last == "the DHCP server 10.77.1.1 lends 10.77.1.15 again, for ever")
            }
            #expect(server.heard.prefix { $0.isUnicast }.count >= 1)
            #expect(server.heard.last?.isUnicast == false)
        }
    }

    /// The first is gone at T1; the second answers at T2, and is the one that is asked from then on.
    @Test(.timeLimit(.minutes(1))) func anotherServerTakesOver() async throws {
        try await Self.with { site, server in
            try await site.ip(["address", "add", "10.77.1.2/24", "dev", "clients"], in: .server)
            let second = try site.inside(.server) { try FakeServer("10.77.1.2", behaviour: FakeServer.silent) }
            second.behave(second.lending(for: 16, renewal: 2))
            try await second.serving {
                try await site.renewing {
                    let came = try await eventually { second.heard.contains { $0.isUnicast } }
                    #expect(came)
                }
            }
            #expect(second.heard.first?.isUnicast == false)
            #expect(site.console == [])
            #expect(site.text("journal").contains("10.77.1.15 is now lent by the DHCP server 10.77.1.2"))
        }
    }

    /// What is no answer to the request changes nothing, whatever it says; the answer behind it counts.
    @Test(.timeLimit(.minutes(1))) func hostileDatagramsAreNoAnswers() async throws {
        try await Self.with { site, server in
            let (refusing, lending) = (server.refusing(), server.lending(for: .max))
            server.behave { heard in
                let nak = refusing(heard)[0]
                func changed(_ offset: Int, _ byte: UInt8) -> [UInt8] {
                    var bytes = nak
                    bytes[offset] = byte
                    return bytes
                }
                let wrong = [
                    changed(0, 1), changed(4, ~nak[4]), changed(28, 1), changed(2, 0), changed(236, 0),
                    changed(241, 200), Array(nak.prefix(246)),
                    Array(nak.prefix(243)) + [UInt8](repeating: 1, count: 1200),
                ]
                return wrong + lending(heard)
            }
            try await site.renewing {
                let came = try await Self.count(server, 1)
                #expect(came)
                // Where one of them counted, it would ask again within that time, or say something.
                try await Task.sleep(for: .seconds(5))
            }
            #expect(server.heard.count == 1)
            #expect(site.console == [])
        }
    }

    // MARK: the program

    @Test func recordsThatCannotBeUsedAreSaid() async throws {
        let scratch = try ScratchDirectory()
        try scratch.write("lease/eth0", "index=2\naddress=$(reboot)\nmac=52:54:00:12:34:56\nlease=1\nobtained=1\n")
        try scratch.write("lease/eth1", [0xFF, 0xFE])
        try scratch.write("console", "")
        let program = Command([
            Site.program, "--console", scratch.path + "/console",
            scratch.path + "/lease",
        ])
        // No record is left: the unit does not start it again for that.
        do {
            try await CommandRunner().run(program)
            Issue.record("it goes on without a lease")
        } catch CommandError.failed(_, let termination, _, _) {
            #expect(termination == .exited(78))
        }
        let said = try Files.text(scratch.path + "/console").split(separator: "\n")
        #expect(said.count == 2)
        #expect(
            said.first?.contains("lease/eth0 cannot be used: address='$(reboot)' is not a value of that key") == true)
        #expect(said.last?.contains("lease/eth1 cannot be used: it is longer than 4096 bytes, or is not text") == true)
    }

    /// It needs nothing of a root but /proc, which Swift's start reads: no library, no file, no /sys, no /dev.
    @Test(.timeLimit(.minutes(1))) func itRunsInAnEmptyRoot() async throws {
        try await Self.with { site, server in
            server.behave(server.lending(for: .max))
            try site.writeRecord("root/lease/eth0")
            try site.scratch.write("root/netroot-lease", try Files.read(Site.program), mode: 0o755)
            let root = site.scratch.path + "/root"
            try Files.makeDirectory(root + "/proc")
            let enter = "mount --bind /proc \"$0/proc\" && exec chroot \"$0\" /netroot-lease --console /none /lease"
            let argv = ["unshare", "--mount", "--propagation", "private", "--", "sh", "-c", enter, root]
            try await site.running(.client, argv, log: "journal") {
                let came = try await Self.count(server, 1)
                #expect(came, "\(site.text("journal"))")
                try await Task.sleep(for: .seconds(3))
            }
            #expect(site.text("journal").hasSuffix("\neth0: keeps 10.77.1.15, lent by 10.77.1.1 for 16 seconds\n"))
            #expect(server.heard.count == 1, "it heard the answer")
        }
    }
}
