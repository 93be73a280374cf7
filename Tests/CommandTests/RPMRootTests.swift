import Foundation
import NetrootStore
import NetrootSystem
import Testing

extension Builds {
    /// A whole root of RPM packages with a kernel, systemd and dracut: by zypper here, by dnf in the boot tests.
    @Suite(.serialized) struct RPMRootTests {
        let scratch: Scratch
        let repository: RPMRepository

        init() async throws {
            try #require(Place.isRoot, "a build needs root")
            scratch = try Scratch()
            repository = try await RPMRepository.bootable.value
            // The packages are cut out of a root whose recipe had set a password.
            try scratch.writeHosts("a", more: "ALLOW_SECRETS = /etc/shadow")
            try scratch.write(
                "a.def",
                try repository.header("zypper", "kernel-core dracut-network nfs-utils openssh-server")
                    + "%test\n    test -x /sbin/init\n    su nobody -s /bin/sh -c 'id -u' | grep -qx 65534\n")
        }

        @Test func builtByZypper() async throws {
            expectSuccess(
                try await run(
                    scratch.netroot(["build", "a"]), environment: ["NETROOT_CACHE": scratch.path + "/cache"],
                    folder: scratch.path))
            let generation = try scratch.store("a").current()
            try await kernelHooksFoundOursAndMadeNoInitramfs(generation)
            try await initramfsIsOurs(generation)
            try await filesAreAsPackaged(generation)
            try await theMaskIsWhatKeepsDracutAway(generation)
        }

        private func kernelHooksFoundOursAndMadeNoInitramfs(_ generation: Generation) async throws {
            let root = generation.root
            let saw = try Files.text(root + "/var/lib/kernel-core/saw").split(separator: "\n").map(String.init)
            for name in ["95netroot-rootovl", "95netroot-direct", "netroot.conf", "netroot-nfs.conf"] {
                #expect(saw.contains(name), "\(name) was there before the kernel's hooks ran")
            }
            let log = try Files.text(generation.directory + "/build.log")
            #expect(log.contains("+depmod -a \(generation.manifest.kernelVersion)"), "kernel-install ran")
            #expect(!log.contains("builds an initramfs"))
            #expect(!log.contains("should have surrounding white spaces"), "dracut finds no fault with netroot.conf")
            #expect(try Files.names(in: root + "/boot") == [])
            let runs = log.split(separator: "\n").filter {
                $0.hasPrefix("+ unshare ") && $0.contains(" dracut --force")
            }
            #expect(runs.count == 1)
        }

        private func initramfsIsOurs(_ generation: Generation) async throws {
            let kernel = generation.manifest.kernelVersion
            #expect(
                try Files.read(generation.vmlinuz)
                    == Files.read("\(generation.root)/usr/lib/modules/\(kernel)/vmlinuz"))
            let listing = try await run(
                ["sh", "-c", "zstd -dc \"$1\" | cpio -tv --quiet", "sh", generation.initramfs!])
            expectSuccess(listing)
            #expect(listing.output.contains("bin/sh -> bash\n"))
            #expect(!listing.output.contains("bin/dash"), "there is none in the root")
            #expect(listing.output.contains("pre-pivot/"))
        }

        private func filesAreAsPackaged(_ generation: Generation) async throws {
            let root = generation.root
            #expect(try await run(["getcap", root + "/usr/bin/arping"]).output.hasSuffix(" cap_net_raw=ep\n"))
            let helper = try await run(
                ["chroot", root, "stat", "-c", "%U %G %a", "/usr/lib/dbus-1.0/dbus-daemon-launch-helper"])
            #expect(helper.output == "root messagebus 4754\n")
            #expect(Files.exists(root + "/usr/lib/systemd/system/sshd.service"))
            #expect(!Files.exists(root + "/usr/lib/systemd/system/ssh.service"))
            let units = root + "/etc/systemd/system/"
            #expect(try Files.names(in: units + "multi-user.target.wants").contains("sshd.service"))
            #expect(
                try Files.linkTarget(units + "sshd.service.wants/netroot-ssh-host-key.service")
                    == "../netroot-ssh-host-key.service")
            #expect(
                try Files.text(units + "netroot-ssh-host-key.service").contains("Before=ssh.service sshd.service\n"))
            #expect(try Files.linkTarget(units + "systemd-update-utmp.service") == "/dev/null")
            #expect(try Files.linkTarget(units + "dnf-makecache.timer") == nil, "the root has no such unit")
            let log = try Files.text(generation.directory + "/build.log")
            // By the database that rpm has in this root.
            #expect(log.contains("masked fstrim.timer: of base, which the recipe does not name\n"))
            #expect(log.contains("not masked rpcbind.service: Include names nfs-utils\n"))
            let manifest = generation.manifest
            #expect(manifest.packages.map(\.name).contains("kernel-core") && manifest.packages.count == 10)
            #expect(manifest.privileged.setuid > 5 && manifest.privileged.capabilities == 2)
        }

        /// The plugin of dracut's package runs again as soon as the mask is away.
        private func theMaskIsWhatKeepsDracutAway(_ generation: Generation) async throws {
            let marker = try scratch.write("marker", "#!/bin/sh\necho the plugin of dracut runs\n", mode: 0o755)
            let script = """
                mount --bind /dev "$1/dev"
                for plugin in 50-dracut 51-dracut-rescue; do
                    mount --bind "$2" "$1/usr/lib/kernel/install.d/$plugin.install"
                done
                echo masked
                chroot "$1" kernel-install add "$3" "/lib/modules/$3/vmlinuz"
                mount -t tmpfs tmpfs "$1/etc/kernel/install.d"
                echo unmasked
                chroot "$1" kernel-install add "$3" "/lib/modules/$3/vmlinuz"
                """
            let version = generation.manifest.kernelVersion
            let outcome = try await run(
                [
                    "unshare", "--mount", "--propagation", "private", "sh", "-euc", script, "sh", generation.root,
                    marker, version,
                ])
            expectSuccess(outcome)
            let halves = outcome.output.components(separatedBy: "unmasked\n")
            try #require(halves.count == 2, "\(outcome.output)")
            #expect(halves[0].hasPrefix("masked\n") && !halves[0].contains("the plugin of dracut runs"))
            #expect(halves[1].contains("the plugin of dracut runs\n"))
        }
    }
}
