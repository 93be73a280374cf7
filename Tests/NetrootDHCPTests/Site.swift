import CLinux
import Glibc
import NetrootSystem
import TestSupport
import Testing

/// Network namespaces with a client and a server, or a relay between them, and a folder. Needs root.
///
/// The client's interface `eth0` has the address 10.77.1.15, which nobody takes off it again.
struct Site: Sendable {
    static let client = "10.77.1.15"
    static let mac = "52:54:00:12:34:56"
    static let index = 7

    /// The server's address.
    let server: String
    let scratch: ScratchDirectory
    private let namespaces: [String: String]

    enum Place: String, CaseIterable { case client, relay, server }

    /// Makes it for a while; whatever happens in it, no namespace is left.
    static func with(relay: Bool = false, _ body: (Site) async throws -> Void) async throws {
        try #require(geteuid() == 0, "network namespaces need root")
        let site = try Site(relay: relay)
        do {
            try await site.make(relay: relay)
            try await body(site)
        } catch {
            try await site.remove()
            throw error
        }
        try await site.remove()
    }

    private init(relay: Bool) throws {
        scratch = try ScratchDirectory()
        let name = scratch.path.suffix(6)
        let places = Place.allCases.filter { relay || $0 != .relay }
        namespaces = Dictionary(uniqueKeysWithValues: places.map { ($0.rawValue, "netroot-\(name)-\($0.rawValue)") })
        server = relay ? "10.77.2.9" : "10.77.1.1"
    }

    private func make(relay: Bool) async throws {
        for namespace in namespaces.values.sorted() { try await ip(["netns", "add", namespace]) }
        for place in Place.allCases where namespaces[place.rawValue] != nil {
            try await ip(["link", "set", "lo", "up"], in: place)
        }
        try await connect(relay ? .relay : .server)
        guard relay else { return }
        try await ip(
            ["link", "add", "servers", "type", "veth", "peer", "name", "eth0", "netns", name(.server)], in: .relay)
        for (place, device, address) in [(Place.relay, "servers", "10.77.2.1/24"), (.server, "eth0", server + "/24")] {
            try await ip(["address", "add", address, "dev", device], in: place)
            try await ip(["link", "set", device, "up"], in: place)
        }
        try await ip(["route", "add", "10.77.1.0/24", "via", "10.77.2.1"], in: .server)
        try await CommandRunner().run(Command(inside(.relay, ["sysctl", "-qw", "net.ipv4.ip_forward=1"])))
    }

    /// The link of the client, new.
    func connect(_ other: Place, index: Int = Site.index) async throws {
        try await ip(
            ["link", "add", "name", "eth0", "index", "\(index)", "address", Self.mac, "type", "veth"]
                + ["peer", "name", "clients", "netns", name(other)], in: .client)
        try await ip(["address", "add", "10.77.1.1/24", "dev", "clients"], in: other)
        try await ip(["address", "add", Self.client + "/24", "dev", "eth0"], in: .client)
        try await ip(["link", "set", "clients", "up"], in: other)
        try await ip(["link", "set", "eth0", "up"], in: .client)
    }

    /// Also where the test has been cancelled at its time limit.
    private func remove() async throws {
        let names = namespaces.values.sorted()
        try await Task {
            for name in names { try await CommandRunner().run(Command(["ip", "netns", "delete", name])) }
        }.value
    }

    private func name(_ place: Place) -> String { namespaces[place.rawValue] ?? "none" }

    func ip(_ arguments: [String], in place: Place? = nil) async throws {
        try await CommandRunner().run(Command(["ip"] + (place.map { ["-n", name($0)] } ?? []) + arguments))
    }

    /// An argv for a place.
    func inside(_ place: Place, _ argv: [String]) -> [String] { ["nsenter", "--net=/run/netns/" + name(place)] + argv }

    /// Makes something, such as a socket, in a place: it stays there.
    func inside<R>(_ place: Place, _ body: () throws -> R) throws -> R {
        let own = try SystemError.check("open", "/proc/thread-self/ns/net", open("/proc/thread-self/ns/net", O_RDONLY))
        defer { close(own) }
        let path = "/run/netns/" + name(place)
        let other = try SystemError.check("open", path, open(path, O_RDONLY))
        defer { close(other) }
        try SystemError.check("enter", path, setns(other, 0))
        defer { if setns(own, 0) != 0 { fatalError("the thread cannot leave \(path)") } }
        return try body()
    }

    /// The addresses of the client, as ip(8) has them.
    func addresses() async throws -> String {
        try await CommandRunner().capture(
            Command(["ip", "-n", name(.client), "-4", "-o", "address", "show", "dev", "eth0"]))
    }

    // MARK: programs

    /// Runs a program beside the test, and kills it after.
    func running(_ place: Place, _ argv: [String], log: String, _ body: () async throws -> Void) async throws {
        let program = Daemon(Command(inside(place, argv)), name: argv[0], log: scratch.path + "/" + log)
        do { try await body() } catch {
            await program.stop()
            throw error
        }
        if let ending = try program.ending() { throw TestFailure("\(argv[0]) has ended: \(ending)") }
        await program.stop()
    }

    /// Writes what the initramfs would: a lease of some seconds, obtained now.
    func writeRecord(_ file: String, lease: Int = 16, renewal: Int = 2, rebinding: Int = 4) throws {
        try scratch.write(
            file,
            """
            index=\(Self.index)
            mac=\(Self.mac)
            address=\(Self.client)
            server=\(server)
            lease=\(lease)
            renewal=\(renewal)
            rebinding=\(rebinding)
            obtained=\(try Files.text("/proc/uptime").prefix { $0 != " " })
            client=01\(Self.mac.filter { $0 != ":" })

            """, mode: 0o600)
    }

    /// Runs netroot-lease beside the test, with a lease of 16 seconds that wants to be renewed after two: what nobody answers
    /// is asked again every two seconds.
    func renewing(lease: Int = 16, rebinding: Int = 4, _ body: () async throws -> Void) async throws {
        try writeRecord("lease/eth0", lease: lease, rebinding: rebinding)
        try scratch.write("console", "")
        let argv = [Self.program, "--console", scratch.path + "/console", scratch.path + "/lease"]
        try await running(.client, argv, log: "journal", body)
        // Whatever happened: the address is there.
        let addresses = try await addresses()
        #expect(
            addresses.split(separator: "\n").count == 1 && addresses.contains(" \(Self.client)/24 "), "\(addresses)")
    }

    /// Built by the same `swift build --build-tests`.
    static let program = Checkout.path + "/.build/debug/netroot-lease"

    /// Runs Debian's dnsmasq in a place beside the test.
    func dnsmasq(_ arguments: [String], at place: Place = .server, _ body: () async throws -> Void) async throws {
        let argv =
            [
                "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root", "--pid-file=",
                "--log-dhcp", "--log-facility=\(scratch.path)/\(place.rawValue).log",
                "--dhcp-leasefile=\(scratch.path)/\(place.rawValue).leases",
            ] + arguments
        try await running(place, argv, log: "dnsmasq-" + place.rawValue) {
            let started = try await eventually { text("\(place.rawValue).log").contains("started, ") }
            try #require(started, "\(text("dnsmasq-" + place.rawValue))")
            try await body()
        }
    }

    /// What a file of the folder holds; nothing where it is not there yet.
    func text(_ file: String) -> String {
        do { return try Files.text(scratch.path + "/" + file) } catch { return "" }
    }

    /// What the console was told, without priority and program.
    var console: [String] {
        text("console").split(separator: "\n").map { line in
            line.hasPrefix("<3>netroot-lease: eth0: ") ? String(line.dropFirst(24)) : "wrong: \(line)"
        }
    }

    /// The server has lent the client's address to the client's card.
    var isRenewed: Bool { text("server.leases").contains(" \(Self.mac) \(Self.client) ") }
}

/// Waits until something holds.
/// - Returns: whether it held before the deadline.
func eventually(within seconds: Double = 30, _ condition: () throws -> Bool) async throws -> Bool {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while ContinuousClock.now < deadline {
        if try condition() { return true }
        try await Task.sleep(for: .milliseconds(20))
    }
    return try condition()
}
