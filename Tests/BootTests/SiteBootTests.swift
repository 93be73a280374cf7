import NetrootSystem
import TestSupport
import Testing

/// Boots on the network of a real site.
extension BootTests {
    @Test(.timeLimit(.minutes(8)))
    func aDHCPServerThatSendsMuchDoesNoHarm() async throws {
        try await SiteNetwork.with { network in
            try await network.install("debian12", "nfs")
            let dnsmasq = try network.dnsmasq(
                """
                dhcp-range=192.168.77.100,192.168.77.199,2m
                dhcp-boot=pxelinux.0
                """)
            let serve = network.serve("debian12")
            let machine = try await network.machine(kernel: SiteKernel(site: network.site, entry: "debian12"))
            try await machine.wait(for: "login: ")
            let address = try network.leased(SiteNetwork.macs[0])
            print(try await machine.ssh(address, "hostname; ip route; cat /etc/hosts /etc/resolv.conf"))
            await machine.qemu.stop()
            await serve.stop()
            await dnsmasq.stop()
        }
    }
}
