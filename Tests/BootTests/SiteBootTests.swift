import Foundation
import NetrootSystem
import TestSupport
import Testing

/// Boots on the network of a real site.
extension BootTests {
    /// Options as a hostile or careless DHCP server sends them. `/run/evil` is what each of them would make.
    private static let hostile = """
        dhcp-option=option:router,192.168.77.1,192.168.77.9
        dhcp-option=option:dns-server,192.168.77.1,192.168.77.2
        dhcp-option=option:domain-name,cluster.example.org
        dhcp-option=option:ntp-server,192.168.77.1,192.168.77.3
        dhcp-option=option:classless-static-route,10.99.0.0/16,192.168.77.7,0.0.0.0/0,192.168.77.1
        dhcp-option-force=option:root-path,"'; touch /run/evil; '"
        dhcp-option-force=114,"$(touch /run/evil)"
        dhcp-option-force=252,0a:74:6f:75:63:68:20:2f:72:75:6e:2f:65:76:69:6c:0a
        dhcp-option-force=option:nis-domain,"`touch /run/evil`"
        """

    /// One machine, whose servers all come late: the DHCP server and then the NFS server are waited for. What the DHCP
    /// server says is taken where it is plain, and the lease is renewed.
    @Test(.timeLimit(.minutes(8)))
    func aLateAndHostileDHCPServerDoesNoHarm() async throws {
        try await SiteNetwork.with(hosts: "MACHINE_ID = stable") { network in
            try await network.install("debian12", "nfs")
            let machine = try await network.machine(kernel: SiteKernel(site: network.site, entry: "debian12"))
            try await machine.wait(for: "waiting for a DHCP server on eth0")
            let dnsmasq = try await network.dnsmasq(
                """
                dhcp-range=192.168.77.100,192.168.77.199,2m
                dhcp-host=\(SiteNetwork.macs[0]),192.168.77.20,node1
                \(Self.hostile)
                """)
            try await machine.wait(for: "waiting for the NFS server \(SiteNetwork.address)")
            let serve = network.serve("debian12")
            try await machine.wait(for: "login: ")
            let facts = try await machine.ssh(
                "192.168.77.20",
                """
                set -u
                echo "host $(hostname)"
                sed 's/^/hosts /' /etc/hosts
                sed 's/^/resolv /' /etc/resolv.conf
                ip -4 route | sed 's/^/route /'
                echo "machine $(cat /etc/machine-id)"
                [ ! -e /run/evil ] || echo evil
                mv /usr/share/zoneinfo /usr/share/zoneinfo.moved && mv /usr/share/zoneinfo.moved /usr/share/zoneinfo \\
                    && echo renamed
                sed 's/^/lease /' /run/netroot/lease/eth0
                # With locks: mount.nfs(8) wants rpc.statd, and that wants rpcbind.
                lower=$(sed -n 's/^\\(192.168.77.1:[^ ]*\\) .*/\\1/p' /proc/mounts | head -n 1)
                mount -t nfs -o vers=3,proto=tcp,mountproto=tcp,port=2049,mountport=2049 "$lower" /mnt \\
                    && [ -x /mnt/usr/bin/env ] && echo mounted
                echo "unit $(systemctl is-active netroot-lease)"
                systemctl --failed --plain --no-legend | sed 's/^/failed /'
                """)
            print(facts)
            #expect(failedUnits(facts) == [])
            let lines = Set(facts.split(separator: "\n").map(String.init))
            for wanted in [
                "host node1", "hosts 192.168.77.20 node1.cluster.example.org node1", "resolv nameserver 192.168.77.1",
                "resolv nameserver 192.168.77.2", "resolv search cluster.example.org", "renamed", "mounted",
                "lease address=192.168.77.20", "lease server=192.168.77.1", "lease lease=120", "unit active",
            ] {
                #expect(lines.contains(wanted), "not there: \(wanted)")
            }
            #expect(facts.contains("route default via 192.168.77.1 dev eth0"))
            #expect(facts.contains("route 10.99.0.0/16 via 192.168.77.7 dev eth0"))
            #expect(!facts.contains("192.168.77.9"), "the router beside option 121 is not used (RFC 3442)")
            #expect(!lines.contains("evil"))
            #expect(!facts.contains("127.0.1.1"))
            // QEMU's machine has no UUID of its own: the MAC address stands in. It is the first half of the SHA-256 of
            // "netroot-machine-id mac 52:54:00:77:00:01"; without MACHINE_ID systemd would make another one.
            #expect(lines.contains("machine a2367ead379de0361faf8a6db9b12f8c"))
            // T1 is a minute.
            let acknowledged = try network.acknowledgements()
            try await network.wait(forAcknowledgements: acknowledged + 1, seconds: 100)
            await machine.qemu.stop()
            await serve.stop()
            await dnsmasq.stop()
        }
    }

    /// What the label says of its network takes the place of what netroot says: a VLAN over a bond of two cards, with a
    /// static address, to a server that is in the VLAN only.
    @Test(.timeLimit(.minutes(6)))
    func aVLANOverABondWithAStaticAddressBoots() async throws {
        let network =
            "bond=bond0:eth0,eth1:mode=active-backup,miimon=100 vlan=vlan7:bond0 net.ifnames=0 "
            + "ip=192.168.78.20::192.168.78.1:255.255.255.0:node7.example.org:vlan7:none nameserver=192.168.78.2"
        try await SiteNetwork.with(hosts: "MACHINE_ID = stable\nEXTRA_CMDLINE = \(network)") { network in
            let trunk = try await network.vlan(7, address: "192.168.78.1")
            _ = try await CommandRunner().capture(
                network.site.command([
                    "install", "debian12", "nfs", "--address", "192.168.78.1", "--append", network.folder + "/files",
                ]))
            let serve = network.serve("debian12", address: "192.168.78.1")
            let machine = try await network.machine(
                cards: 2, kernel: SiteKernel(site: network.site, entry: "debian12"),
                extra: ["-uuid", "5f0c0c3e-0000-4000-8000-525400770001"])
            try await machine.wait(for: "login: ")
            let facts = try await machine.ssh(
                "192.168.78.20",
                """
                hostname
                cat /etc/hosts /etc/resolv.conf /etc/machine-id /proc/cmdline
                for device in eth0 eth1 bond0 vlan7; do ls /run/systemd/network/00-00-netroot-$device.network; done
                systemctl start systemd-networkd
                networkctl reload
                for device in eth0 eth1 bond0 vlan7; do networkctl reconfigure $device; done
                timeout 60 /lib/systemd/systemd-networkd-wait-online --interface vlan7 && echo online
                ip -o link show master bond0 | wc -l
                ip -4 -o addr show dev vlan7 | wc -l
                ls /usr/bin > /dev/null && echo served
                systemctl --failed --plain --no-legend | sed 's/^/failed /'
                """)
            print(facts)
            #expect(failedUnits(facts) == [])
            let lines = Set(facts.split(separator: "\n").map(String.init))
            for wanted in [
                "node7", "192.168.78.20 node7.example.org node7", "nameserver 192.168.78.2", "2", "1", "online",
                "served",
                "/run/systemd/network/00-00-netroot-eth1.network", "/run/systemd/network/00-00-netroot-bond0.network",
                "/run/systemd/network/00-00-netroot-vlan7.network",
            ] {
                #expect(lines.contains(wanted), "not there: \(wanted)")
            }
            #expect(!facts.contains("ip=dhcp") && !facts.contains("BOOTIF="))
            await machine.qemu.stop()
            await serve.stop()
            await trunk.stop()
        }
    }

    /// The site's own DHCP server stays as it is, and dnsmasq beside it says what to boot: the GRUB that it names asks the
    /// installed address for its configuration, and not the DHCP server.
    @Test(.timeLimit(.minutes(8)))
    func grubBehindProxyDHCPFindsItsConfiguration() async throws {
        try await SiteNetwork.with { network in
            try await network.install("debian12", "nfs")
            let foreign = try await network.foreignDHCPServer(
                """
                dhcp-range=192.168.77.100,192.168.77.199,12h
                dhcp-host=\(SiteNetwork.macs[0]),192.168.77.30
                dhcp-option=option:router
                """)
            let proxy = try await network.dnsmasq(
                """
                dhcp-range=192.168.77.0,proxy
                pxe-prompt="netroot",0
                pxe-service=x86-64_EFI,"netroot",grub/netroot-x64.efi
                """)
            let serve = network.serve("debian12")
            let machine = try await network.machine(uefi: true)
            try await machine.wait(for: "login: ", seconds: 150)
            let facts = try await machine.ssh(
                "192.168.77.30",
                """
                hostname
                cat /proc/cmdline
                ip -4 route
                systemctl --failed --plain --no-legend | sed 's/^/failed /'
                """)
            print(facts)
            #expect(failedUnits(facts) == [])
            let lines = facts.split(separator: "\n")
            #expect(lines.first == "n-525400770001", "no server gave a name")
            #expect(facts.contains("BOOTIF=01:52:54:00:77:00:01"))
            #expect(!facts.contains("default"), "no router was sent")
            for daemon in [machine.qemu, serve, proxy, foreign] { await daemon.stop() }
        }
    }

    /// Debian 13 with systemd-resolved and systemd-timesyncd: what DHCP says reaches both.
    @Test(.timeLimit(.minutes(6)))
    func resolvedAndTimesyncdLearnFromDHCP() async throws {
        let long = String(repeating: "very-long-name", count: 4) + ".cluster." + String(repeating: "x", count: 60)
        try await SiteNetwork.with("debian13", recipe: "debian13.def") { network in
            try await network.install("debian13", "nfs")
            let dnsmasq = try await network.dnsmasq(
                """
                dhcp-range=192.168.77.100,192.168.77.199,2m
                dhcp-host=\(SiteNetwork.macs[0]),192.168.77.40
                \(Self.hostile)
                dhcp-option-force=12,"\(long)"
                """)
            let serve = network.serve("debian13")
            let machine = try await network.machine(kernel: SiteKernel(site: network.site, entry: "debian13"))
            try await machine.wait(for: "login: ")
            let facts = try await machine.ssh(
                "192.168.77.40",
                """
                hostname
                resolvectl dns
                resolvectl domain
                timedatectl show-timesync --property=SystemNTPServers --property=LinkNTPServers --property=FallbackNTPServers
                ip -4 route
                readlink /etc/resolv.conf
                systemctl is-active netroot-lease
                [ ! -e /run/evil ] || echo evil
                systemctl --failed --plain --no-legend | sed 's/^/failed /'
                """)
            print(facts)
            #expect(failedUnits(facts) == [])
            let lines = Set(facts.split(separator: "\n").map(String.init))
            #expect(
                lines.contains(String(repeating: "very-long-name", count: 4)), "the first label of a name over 64 bytes"
            )
            #expect(lines.contains("Global: 192.168.77.1 192.168.77.2"))
            #expect(lines.contains("Global: cluster.example.org"))
            #expect(lines.contains { $0.hasPrefix("SystemNTPServers=192.168.77.1 192.168.77.3") })
            #expect(facts.contains("10.99.0.0/16 via 192.168.77.7 dev"))
            #expect(lines.contains("active") && !lines.contains("evil"))
            try await network.wait(forAcknowledgements: try network.acknowledgements() + 1, seconds: 100)
            for daemon in [machine.qemu, serve, dnsmasq] { await daemon.stop() }
        }
    }

    /// A root that is reached by IPv6, with an address from router advertisements.
    @Test(
        .enabled(if: ProcessInfo.processInfo.environment["NETROOT_LONG_TESTS"] == "1", "NETROOT_LONG_TESTS is not 1"),
        .timeLimit(.minutes(6)))
    func aRootBootsByIPv6() async throws {
        try await SiteNetwork.with { network in
            try await network.ip("addr", "add", "fd77::1/64", "dev", SiteNetwork.bridge, "nodad")
            _ = try await CommandRunner().capture(
                network.site.command([
                    "install", "debian12", "nfs", "--address", "[fd77::1]", "--append", network.folder + "/files",
                ]))
            let dnsmasq = try await network.dnsmasq("enable-ra\ndhcp-range=fd77::,ra-only")
            let serve = network.serve("debian12", address: "fd77::1")
            let machine = try await network.machine(kernel: SiteKernel(site: network.site, entry: "debian12"))
            try await machine.wait(for: "login: ")
            let facts = try await machine.ssh(
                "fd77::5054:ff:fe77:1",
                """
                hostname
                grep 525400770001 /etc/hosts
                ip -6 -o addr show dev eth0 scope global
                grep '^fd77\\|^\\[fd77' /proc/mounts
                systemctl --failed --plain --no-legend | sed 's/^/failed /'
                """)
            print(facts)
            #expect(failedUnits(facts) == [])
            #expect(facts.hasPrefix("n-525400770001\nfd77::5054:ff:fe77:1 n-525400770001\n"))
            #expect(facts.contains("valid_lft forever"))
            for daemon in [machine.qemu, serve, dnsmasq] { await daemon.stop() }
        }
    }

    /// A root boots by DHCP on the site's network, and its lease is renewed there: for roots of other distributions.
    /// - Parameter failing: units that fail, because they were made for another network.
    func expectARenewedLease(_ label: String, recipe: String, failing: Set<String> = []) async throws {
        try await SiteNetwork.with(label, recipe: recipe) { network in
            try await network.install(label, "nfs")
            let dnsmasq = try await network.dnsmasq(
                """
                dhcp-range=192.168.77.100,192.168.77.199,2m
                dhcp-host=\(SiteNetwork.macs[0]),192.168.77.50,other1
                \(Self.hostile)
                """)
            let serve = network.serve(label)
            let machine = try await network.machine(kernel: SiteKernel(site: network.site, entry: label))
            try await machine.wait(for: "login: ")
            let facts = try await machine.ssh(
                "192.168.77.50",
                """
                hostname
                cat /etc/hosts
                ip -4 route
                cat /run/netroot/lease/*
                systemctl is-active netroot-lease
                [ ! -e /run/evil ] || echo evil
                systemctl --failed --plain --no-legend | sed 's/^/failed /'
                """)
            print(facts)
            #expect(failedUnits(facts) == failing)
            let lines = Set(facts.split(separator: "\n").map(String.init))
            for wanted in [
                "other1", "192.168.77.50 other1.cluster.example.org other1", "address=192.168.77.50", "lease=120",
                "active",
            ] {
                #expect(lines.contains(wanted), "not there: \(wanted)")
            }
            #expect(facts.contains("10.99.0.0/16 via 192.168.77.7 dev"))
            #expect(!lines.contains("evil"))
            let acknowledged = try network.acknowledgements()
            try await network.wait(forAcknowledgements: acknowledged + 1, seconds: 100)
            for daemon in [machine.qemu, serve, dnsmasq] { await daemon.stop() }
        }
    }

    /// The units of the lines "failed UNIT ...".
    private func failedUnits(_ facts: String) -> Set<String> {
        Set(facts.matches(of: /(?m)^failed (\S+)/).map { String($0.output.1) })
    }
}
