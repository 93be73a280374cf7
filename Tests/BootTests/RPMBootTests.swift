import Foundation
import NetrootSystem
import TestSupport
import Testing

/// A root of RPM packages, built by dnf from a repository that is made here.
extension BootTests {
    @Test(.timeLimit(.minutes(20)))
    func anRPMRootBootsAndPasses() async throws {
        var site = try await Site.shared.value
        let debian = try await site.run("list", "--json")
        let root = site.folder + "/netroots/debian12/current/tree/root"
        try #require(debian.contains("debian12") && Files.exists(root))
        let folder = site.folder + "/rpm"
        let repository = folder + "/repository"
        try await run(["rm", "-rf", repository])
        try Files.makeDirectory(folder)
        try await run(
            [
                Checkout.path + "/Tests/Fixtures/rpm-repository", "bootable", "--sign", "--root", try await real(root),
                repository,
            ])
        let fingerprint = try Files.text(repository + "/fingerprint")
        try Files.replace(
            folder + "/rpm.def",
            with: Array(
                """
                Bootstrap: dnf
                OSVersion: 1
                MirrorURL: file://\(repository)
                Setopt: gpgkey=file://\(repository)/key.asc install_weak_deps=False
                Fingerprints: \(fingerprint)
                Include: kernel-core systemd dracut dracut-network nfs-utils openssh-server

                """.utf8))
        site.hostsName = "rpm/hosts.conf"
        try Files.replace(
            site.hosts,
            with: Array(
                // The packages are cut out of a root whose recipe had set a password.
                """
                [rpm]
                RECIPE = rpm.def
                NETROOT = \(site.folder)/netroots/rpm
                EXTRA_CMDLINE = quiet
                ALLOW_SECRETS = /etc/shadow

                """.utf8))
        try await site.run("build", "rpm")
        let generation = site.folder + "/netroots/rpm/current"
        let log = try Files.text(generation + "/build.log")
        #expect(log.contains("+depmod -a"), "kernel-install ran in the kernel package's own scriptlet")
        #expect(!log.contains("builds an initramfs"), "and left the initramfs to netroot")
        let saw = try Files.text(generation + "/tree/root/var/lib/kernel-core/saw")
        #expect(saw.contains("95netroot-rootovl\n") && saw.contains("netroot.conf\n"))
        try await site.run("installnfs", "rpm")

        let (report, status) = try await site.test("rpm")
        #expect(report.failures == [])
        #expect(status == 0)
        #expect(Set(report.checks.map(\.name)).isSuperset(of: Self.checks))
        #expect(report.transport == "nfs" && report.form == "tree" && report.firmware == "bios")
        print("rpm: \(report.seconds) \(report.bytes)")
        try await expectARenewedLease("rpm", recipe: "rpm/rpm.def")
        try await site.run("gc", "rpm", "--keep", "0", "--force")
        try await site.expectNothingLeft("rpm", sshPort: 2223)
    }

    /// `cp -al` and getcap want the directory itself.
    private func real(_ path: String) async throws -> String {
        let text = try await CommandRunner().capture(Command(["readlink", "-f", path]))
        return String(text.prefix { $0 != "\n" })
    }
}
