import NetrootEntry
import NetrootSite
import NetrootSystem

/// Logging in to the guest over ssh, with a key made for one boot check.
struct GuestLogin: Sendable {
    /// The private key's file.
    let key: String
    /// The port on 127.0.0.1 that leads to the guest.
    let port: Int

    static let tools = [
        Tool("ssh", package: "openssh-client"), Tool("ssh-keygen", package: "openssh-client"),
    ]

    /// Makes the key pair.
    /// - Returns: the public key's line.
    /// - Throws: `CommandError`, `SystemError`.
    func makeKey() async throws -> String {
        _ = try await CommandRunner().capture(
            Command(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "netroot-check", "-f", key]))
        return try Files.text(key + ".pub")
    }

    /// The command that runs `argv` as a user of the guest.
    func command(user: String, _ argv: [String]) -> Command {
        Command(
            [
                "ssh", "-F", "/dev/null", "-i", key, "-p", "\(port)", "-o", "IdentitiesOnly=yes",
                "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                // Covers the banner too: QEMU accepts before the guest listens.
                "-o", "ConnectTimeout=3", "-o", "LogLevel=ERROR", "\(user)@127.0.0.1",
            ] + argv
        )
    }

    /// Tries until a command runs in the guest; the caller's deadline ends it by cancellation.
    /// - Throws: `CancellationError`, `CommandError.cannotStart`.
    func waitUntilItAnswers(user: String) async throws {
        while true {
            do {
                _ = try await CommandRunner().capture(command(user: user, ["true"]))
                return
            } catch CommandError.failed {
                try await Task.sleep(for: .milliseconds(200))
            }
        }
    }
}
