import NetrootSystem
import TestSupport
import Testing

extension BootTests {
    /// Recipe to booted machine as an ordinary user, made for the test: nothing setuid but newuidmap(1).
    @Test(.timeLimit(.minutes(15)))
    func anOrdinaryUserBuildsInstallsAndBoots() async throws {
        try await FreshUser.with { user in
            let home = user.home
            let netroot = try await InstalledNetroot.copy(
                Checkout.path + "/.build/release/netroot", to: home + "/netroot")
            try Files.replace(
                home + "/hosts.conf",
                with: Array(
                    """
                    [node]
                    RECIPE = netroot/share/netroot/recipes/debian12-base.def
                    FORMAT = squashfs

                    """.utf8))
            for verb in ["build", "installnfs", "test"] {
                _ = try await CommandRunner().capture(
                    Command(user.argv([netroot, verb, "node"]), workingDirectory: home))
            }
            let image = home + "/netroots/node/current/root.squashfs"
            let listing = try await CommandRunner().capture(Command(["unsquashfs", "-lln", image]))
            #expect(listing.contains("-rwsr-xr-x 0/0"), "su and others belong to root")
            #expect(listing.contains("-rwxr-sr-x 0/42"), "chage is of group shadow")
            let strange = ["find", home, "!", "-user", user.name, "!", "-user", "root", "-print", "-quit"]
            #expect(
                try await CommandRunner().capture(Command(strange)).isEmpty, "files of the user's other IDs are left")
        }
    }
}
