import NetrootSystem

/// netroot as scripts/install lays it, from a program that is built already: `swift test` holds the build directory's lock.
package enum InstalledNetroot {
    /// Copies the program and the shipped files below a prefix, readable to every user: a checkout need not be.
    /// - Returns: the program's path.
    package static func copy(_ program: String, to prefix: String) async throws -> String {
        let share = prefix + "/share/netroot"
        try Files.makeDirectory(share)
        try Files.makeDirectory(prefix + "/bin")
        let folders = ["dracut-modules", "root-files", "ram-root", "guest", "libexec", "recipes"].map {
            "\(Checkout.path)/\($0)"
        }
        try Files.makeDirectory(prefix + "/libexec/netroot")
        for command in [
            ["cp", program, prefix + "/bin/netroot"],
            ["cp", Files.parent(program) + "/netroot-lease", prefix + "/libexec/netroot/netroot-lease"],
            ["cp", "-R"] + folders + [share],
            ["chmod", "-R", "a+rX", prefix],
        ] {
            try await CommandRunner().run(Command(command))
        }
        return prefix + "/bin/netroot"
    }
}
