import Foundation
import NetrootSystem
import TestSupport
import Testing

@testable import NetrootRun

/// What a real site has: a network of its own, with a DHCP server, netroot's servers, and machines with real cards.
///
/// It is a network namespace with a bridge, `192.168.77.1`, and one tap interface for each network card. Nothing in it
/// reaches the host's network.
struct SiteNetwork: Sendable {
    static let address = "192.168.77.1"
    static let bridge = "br0"
    static let taps = ["tap0", "tap1"]
    static let macs = ["52:54:00:77:00:01", "52:54:00:77:00:02"]

    /// The site whose labels are booted, with a hosts file and a TFTP root for this network.
    let site: Site
    /// The name of the network namespace.
    let namespace: String
    /// Where logs, configurations and leases are.
    let folder: String

    /// Runs `body` in a fresh network, which is gone afterwards with everything that runs in it.
    /// - Parameter hosts: more lines of the label's section in the hosts file.
    static func with(
        _ label: String = "debian12", recipe: String = "debian12.def", hosts: String = "",
        _ body: (SiteNetwork) async throws -> Void
    ) async throws {
        let shared = try await Site.shared.value
        let folder = shared.folder + "/site"
        try await CommandRunner().run(Command(["rm", "-rf", folder]))
        try Files.makeDirectory(folder + "/files/root/.ssh")
        let lines = """
            [\(label)]
            RECIPE = ../\(recipe)
            NETROOT = ../netroots/\(label)
            TFTPBOOT = tftpboot
            TRANSPORTS = \(label == "debian12" ? "nfs nbd http iscsi" : "nfs")
            \(hosts)

            """
        try Files.replace(folder + "/hosts.conf", with: Array(lines.utf8))
        let site = Site(netroot: shared.netroot, folder: folder)
        let network = SiteNetwork(site: site, namespace: "netroot-\(getpid())", folder: folder)
        try await network.makeKey()
        try await network.up()
        do {
            try await body(network)
        } catch {
            try await uncancelled { try await network.down(label) }
            throw error
        }
        try await network.down(label)
    }

    private func makeKey() async throws {
        try await CommandRunner().run(
            Command(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", folder + "/key"]))
        try Files.replace(
            folder + "/files/root/.ssh/authorized_keys", with: try Files.read(folder + "/key.pub"), mode: 0o600)
        try await CommandRunner().run(Command(["chmod", "0700", folder + "/files/root/.ssh"]))
    }

    private func up() async throws {
        try await CommandRunner().run(Command(["ip", "netns", "add", namespace]))
        try await ip("link", "set", "lo", "up")
        // Without the delay a port forwards at once.
        try await ip("link", "add", Self.bridge, "type", "bridge", "forward_delay", "0")
        try await ip("addr", "add", Self.address + "/24", "dev", Self.bridge)
        try await ip("link", "set", Self.bridge, "up")
        for tap in Self.taps {
            try await ip("tuntap", "add", "dev", tap, "mode", "tap")
            try await ip("link", "set", tap, "master", Self.bridge, "up")
        }
    }

    /// Ends what still runs in the namespace, and gives the label's install its usual options back.
    private func down(_ label: String) async throws {
        for name in [namespace, namespace + "-foreign"] where Files.exists("/run/netns/" + name) {
            let pids = try await CommandRunner().capture(Command(["ip", "netns", "pids", name]))
            for pid in pids.split(separator: "\n").compactMap({ Int32($0) }) { kill(pid, SIGKILL) }
            try await CommandRunner().run(Command(["ip", "netns", "del", name]))
        }
        if Files.exists("\(folder)/../netroots/\(label)/install.json") {
            try await site.run(
                "install", label, "nfs", "--address", "10.0.2.2", "--port", "2049", "--no-append")
        }
    }

    /// ip(8) in the namespace.
    func ip(_ arguments: String...) async throws {
        try await CommandRunner().run(Command(["ip", "-n", namespace] + arguments))
    }

    /// The same argv, run in the namespace.
    func inside(_ argv: [String]) -> [String] { ["ip", "netns", "exec", namespace] + argv }

    /// Installs the label for this network, with a key for `ssh`.
    func install(_ label: String, _ options: String...) async throws {
        _ = try await CommandRunner().capture(
            site.command(["install", label] + options + ["--address", Self.address, "--append", folder + "/files"]))
    }

    /// `netroot serve`, on the bridge's address.
    func serve(_ label: String, address: String = SiteNetwork.address) -> Daemon {
        let argv = site.command(["serve", label, "--address", address]).argv
        return Daemon(Command(inside(argv)), name: "netroot serve", log: folder + "/serve.log")
    }

    /// A VLAN of the bridge, whose other end is an interface with this address.
    func vlan(_ number: Int, address: String) async throws -> Daemon {
        let program = Checkout.path + "/Tests/BootTests/vlan-trunk"
        let log = folder + "/vlan-trunk.log"
        let daemon = Daemon(
            Command(inside([program, "trunk\(number)", "vlan\(number)", "\(number)"])), name: "vlan-trunk", log: log)
        let end = ContinuousClock.now + .seconds(10)
        while !(Files.exists(log) ? try Files.text(log) : "").contains("ready") {
            try #require(ContinuousClock.now < end, "vlan-trunk did not start")
            try await Task.sleep(for: .milliseconds(50))
        }
        try await ip("link", "set", "trunk\(number)", "master", Self.bridge, "up")
        try await ip("addr", "add", address + "/24", "dev", "vlan\(number)")
        try await ip("link", "set", "vlan\(number)", "up")
        return daemon
    }

    /// How often dnsmasq has acknowledged a lease.
    func acknowledgements() throws -> Int { try Files.text(folder + "/dnsmasq.log").matches(of: /DHCPACK\(/).count }

    /// Waits until dnsmasq has acknowledged a lease so many times.
    func wait(forAcknowledgements count: Int, seconds: Int) async throws {
        let end = ContinuousClock.now + .seconds(seconds)
        while try acknowledgements() < count {
            try #require(ContinuousClock.now < end, "the lease was not renewed within \(seconds) s")
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    /// A DHCP server that is not ours, at 192.168.77.2: a network namespace of its own on the same bridge.
    func foreignDHCPServer(_ lines: String) async throws -> Daemon {
        let foreign = namespace + "-foreign"
        try await CommandRunner().run(Command(["ip", "netns", "add", foreign]))
        try await ip("link", "add", "foreign", "type", "veth", "peer", "name", "eth0", "netns", foreign)
        try await ip("link", "set", "foreign", "master", Self.bridge, "up")
        for arguments in [["addr", "add", "192.168.77.2/24", "dev", "eth0"], ["link", "set", "eth0", "up"]] {
            try await CommandRunner().run(Command(["ip", "-n", foreign] + arguments))
        }
        let config = """
            interface=eth0
            bind-dynamic
            port=0
            user=root
            dhcp-leasefile=\(folder)/foreign-leases
            log-dhcp
            \(lines)

            """
        try Files.replace(folder + "/foreign.conf", with: Array(config.utf8))
        let argv = ["dnsmasq", "--keep-in-foreground", "--log-facility=-", "--conf-file=\(folder)/foreign.conf"]
        return Daemon(
            Command(["ip", "netns", "exec", foreign] + argv), name: "foreign dnsmasq", log: folder + "/foreign.log")
    }

    /// dnsmasq with these lines of configuration.
    func dnsmasq(_ lines: String) async throws -> Daemon {
        let config = """
            interface=\(Self.bridge)
            bind-dynamic
            port=0
            no-hosts
            no-resolv
            user=root
            dhcp-leasefile=\(folder)/leases
            log-dhcp
            enable-tftp
            tftp-root=\(site.tftpboot)
            \(lines)

            """
        try Files.replace(folder + "/dnsmasq.conf", with: Array(config.utf8))
        let argv = ["dnsmasq", "--conf-file=\(folder)/dnsmasq.conf"]
        // A server that refuses its configuration would look like one that is late.
        try await CommandRunner().run(Command(argv + ["--test"]))
        return Daemon(
            Command(inside(argv + ["--keep-in-foreground", "--log-facility=-"])), name: "dnsmasq",
            log: folder + "/dnsmasq.log")
    }

    /// The address that dnsmasq leased to a card.
    func leased(_ mac: String) throws -> String {
        let lines = try Files.text(folder + "/leases").split(separator: "\n").map { $0.split(separator: " ") }
        return String(try #require(lines.first { $0.count > 2 && $0[1] == mac }, "no lease for \(mac)")[2])
    }

    /// A machine with cards on the first taps, by the firmware, or a kernel that QEMU loads itself.
    func machine(
        cards: Int = 1, uefi: Bool = false, kernel: SiteKernel? = nil, extra: [String] = []
    ) async throws -> SiteMachine {
        let console = folder + "/console.log"
        var variables: (code: String, variables: String)?
        if uefi {
            let ovmf = OVMF()
            try ovmf.copyVariables(to: folder + "/ovmf-vars.fd")
            variables = (ovmf.code, folder + "/ovmf-vars.fd")
        }
        let machine = Machine(
            memory: 1024, cards: zip(Self.taps, Self.macs).prefix(cards).map { .tap($0, mac: $1) },
            kernel: try await kernel?.loaded(in: folder), uefi: variables, consoleLog: console, terminal: false,
            extra: extra, kvm: try Machine.canUseKVM())
        try await CommandRunner().run(Command(["rm", "-f", console]))
        return SiteMachine(
            network: self, console: console,
            qemu: Daemon(Command(inside(machine.argv)), name: "qemu", log: folder + "/qemu.log"))
    }
}

/// A label's entry in the TFTP root, for QEMU to load: where the firmware is not what is tested, this saves its time.
struct SiteKernel: Sendable {
    let site: Site
    /// The name of the entry in PXELINUX's configuration.
    let entry: String
    /// Appended to the command line.
    var more = "mitigations=off norandmaps"

    /// The kernel, its archives as one file, and the command line of the installed entry.
    func loaded(in folder: String) async throws -> Machine.Kernel {
        let config = try Files.text(site.tftpboot + "/pxelinux.cfg/default")
        let section = try #require(config.split(separator: "# netroot begin \(entry)\n").dropFirst().first)
        func value(_ keyword: String) throws -> Substring {
            let line = try #require(section.split(separator: "\n").first { $0.hasPrefix("    \(keyword) ") })
            return line.dropFirst(keyword.count + 5)
        }
        let archives = try value("INITRD").split(separator: ",").map { "\(site.tftpboot)/\($0)" }
        // PXELINUX adds it where the entry asks for it (SYSAPPEND, bit 1).
        let bootCard =
            try value("SYSAPPEND") == "2" ? " BOOTIF=01-" + SiteNetwork.macs[0].replacing(":", with: "-") : ""
        // The kernel wants an archive that is not compressed to begin at a multiple of 4 bytes.
        let whole = try archives.flatMap { path in
            let bytes = try Files.read(path, limit: 1 << 30)
            return bytes + [UInt8](repeating: 0, count: (4 - bytes.count % 4) % 4)
        }
        try Files.replace(folder + "/whole.img", with: whole)
        return Machine.Kernel(
            path: "\(site.tftpboot)/\(try value("KERNEL"))", initramfs: folder + "/whole.img",
            commandLine: "\(try value("APPEND"))\(bootCard) \(more)")
    }
}

/// A machine of the network, until it is stopped.
struct SiteMachine: Sendable {
    let network: SiteNetwork
    let console: String
    let qemu: Daemon

    /// What its console said so far.
    var text: String { get throws { Files.exists(console) ? try Files.text(console) : "" } }

    /// Waits until the console says something.
    func wait(for text: String, seconds: Int = 180) async throws {
        let end = ContinuousClock.now + .seconds(seconds)
        while true {
            let said = try self.text
            if said.contains(text) { return }
            let ending = try qemu.ending()
            try #require(ending == nil, "QEMU ended before it said '\(text)': \(ending?.lastLines ?? [])")
            try #require(ContinuousClock.now < end, "it never said '\(text)': \(said.suffix(3000))")
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    /// Runs a script on it as root, over ssh.
    /// - Parameter address: one of its addresses.
    func ssh(_ address: String, _ script: String) async throws -> String {
        let options = [
            "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "ConnectTimeout=10",
            "BatchMode=yes", "ConnectionAttempts=6",
        ]
        let argv =
            ["ssh", "-i", network.folder + "/key"] + options.flatMap { ["-o", $0] } + ["root@\(address)", script]
        return try await CommandRunner().capture(Command(network.inside(argv)))
    }
}
