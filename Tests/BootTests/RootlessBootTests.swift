import Foundation
import NetrootSystem
import Testing

extension BootTests {
    /// Recipe to booted machine as an ordinary user, made for it: nothing setuid but newuidmap(1).
    @Test(.timeLimit(.minutes(15)))
    func anOrdinaryUserBuildsInstallsAndBoots() async throws {
        let user = "nrb" + UUID().uuidString.prefix(8).lowercased()
        let home = "/var/tmp/\(user)"
        try await run(["useradd", "--create-home", "--home-dir", home, "--shell", "/bin/sh", user])
        func asUser(_ argv: [String]) -> Command {
            Command(
                [
                    "setpriv", "--reuid", user, "--regid", user, "--init-groups", "--", "env", "-i",
                    "HOME=\(home)", "PATH=/usr/bin:/bin",
                ] + argv, workingDirectory: home)
        }
        do {
            // A checkout may be nobody's but root's. Not by scripts/install: `swift test` holds the build directory's lock.
            let share = home + "/netroot/share/netroot"
            try Files.makeDirectory(share)
            try Files.makeDirectory(home + "/netroot/bin")
            let netroot = home + "/netroot/bin/netroot"
            try await run(["cp", Site.package + "/.build/release/netroot", netroot])
            for folder in ["dracut-modules", "root-files", "guest", "libexec", "recipes"] {
                try await run(["cp", "-R", "\(Site.package)/\(folder)", share])
            }
            try await run(["chmod", "-R", "a+rX", home + "/netroot"])
            try Files.replace(
                home + "/hosts.conf",
                with: Array(
                    """
                    [node]
                    RECIPE = netroot/share/netroot/recipes/debian12-base.def
                    FORMAT = squashfs

                    """.utf8))
            for verb in ["build", "installnfs", "test"] {
                _ = try await CommandRunner().capture(asUser([netroot, verb, "node"]))
            }
            let image = home + "/netroots/node/current/root.squashfs"
            let listing = try await CommandRunner().capture(Command(["unsquashfs", "-lln", image]))
            #expect(listing.contains("-rwsr-xr-x 0/0"), "su and others belong to root")
            #expect(listing.contains("-rwxr-sr-x 0/42"), "chage is of group shadow")
            let strange = ["find", home, "!", "-user", user, "!", "-user", "root", "-print", "-quit"]
            #expect(
                try await CommandRunner().capture(Command(strange)).isEmpty, "files of the user's other IDs are left")
        } catch {
            try await remove(user, home)
            throw error
        }
        try await remove(user, home)
    }

    private func remove(_ user: String, _ home: String) async throws {
        try await run(["rm", "-rf", "--one-file-system", "--", home])
        try await run(["userdel", user])
    }
}
