import Foundation
import NetrootSystem
import TestSupport
import Testing

/// Roots with network managers: in the running system, and in the initramfs.
extension BootTests {
    /// networkd, NetworkManager and ifupdown all have configurations for eth0, and are asked to take it while the machine runs:
    /// the unit of network-managers.def fails where one does.
    @Test(.timeLimit(.minutes(12)))
    func networkManagersLeaveTheBootInterfaceAlone() async throws {
        let site = try await managers()
        try await site.run("installnfs", "managers")
        let (report, status) = try await site.test("managers")
        #expect(report.failures == [])
        #expect(status == 0)
        // All of it was asked.
        let console = try Files.text("\(site.folder)/netroots/managers/console.log")
        #expect(console.contains("rootovl: eth0 is left alone by network managers"))
        #expect(console.contains("device is strictly unmanaged"))
        try await site.expectNothingLeft("managers", sshPort: 2223)
        print("managers: \(report.seconds) \(report.bytes)")
    }

    /// The agent arch, on a repository cut out of the root above. As in Arch Linux dracut has no network-legacy there, so that
    /// NetworkManager is in the initramfs too.
    @Test(.timeLimit(.minutes(12)))
    func aRootOfPacmanPackagesBoots() async throws {
        let site = try await managers()
        let repository = site.folder + "/pacman-repository"
        try await run(["rm", "-rf", repository])
        try await run([
            Checkout.path + "/Tests/Fixtures/pacman-repository", "bootable", "--sign", "--root",
            site.folder + "/netroots/managers/current/tree/root", repository,
        ])
        try await site.run("build", "arch")
        try await site.run("installnfs", "arch")
        let (report, status) = try await site.test("arch")
        #expect(report.failures == [])
        #expect(status == 0)
        let console = try Files.text("\(site.folder)/netroots/arch/console.log")
        #expect(console.contains("NetworkManager"))
        #expect(!console.contains("rootovl: direct:"))
        try await site.expectNothingLeft("arch", sshPort: 2223)
        // Of network-managers.def: they want eth0 with the address of QEMU's user network.
        try await expectARenewedLease(
            "arch", recipe: "arch.def", failing: ["boot-interface.service", "networking.service"])
        try await run(["rm", "-rf", repository])
        print("arch: \(report.seconds) \(report.bytes)")
    }

    /// The labels `managers`, built, and `arch`.
    private func managers() async throws -> Site {
        let shared = try await Site.shared.value
        let site = Site(netroot: shared.netroot, folder: shared.folder, hostsName: "managers.conf")
        let shipped = try Files.text(Checkout.path + "/recipes/debian12-base.def")
        let more = try Files.text(Checkout.path + "/Tests/BootTests/network-managers.def")
        let packages = "openssh-server network-manager ifupdown"
        try Files.replace(
            site.folder + "/managers.def",
            with: Array((shipped.replacing("openssh-server", with: packages, maxReplacements: 1) + more).utf8))
        try Files.replace(
            site.folder + "/arch.def",
            with: Array(
                """
                Bootstrap: arch
                ConfURL: pacman-repository/pacman.conf
                Include: base linux dracut nfs-utils openssh

                %post
                    echo root:netroot | chpasswd
                    echo 'PermitRootLogin yes' > /etc/ssh/sshd_config.d/20-root-login.conf

                %test
                    # The hooks that would make one more initramfs.
                    test -e /usr/share/libalpm/hooks/90-dracut-install.hook
                    test ! -e /var/lib/90-dracut-install-ran
                    test ! -e /var/lib/90-mkinitcpio-install-ran

                """.utf8))
        try Files.replace(
            site.hosts, with: Array("[managers]\nRECIPE = managers.def\n[arch]\nRECIPE = arch.def\n".utf8))
        try await site.run("build", "managers", "--if-changed")
        return site
    }
}
