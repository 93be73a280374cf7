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

    /// Asks sshd for a login by password, and judges by what it offers instead.
    /// - Throws: `CancellationError`, `CommandError.cannotStart`.
    func passwordCheck(user: String) async throws -> BootCheck {
        let name = DemandedChecks.Host.passwordRefused.rawValue
        var ssh = command(user: user, ["true"])
        ssh.argv.insert(
            contentsOf: [
                "-o", "PubkeyAuthentication=no", "-o", "PreferredAuthentications=password,keyboard-interactive",
            ], at: 1)
        for _ in 0..<5 {
            do {
                _ = try await CommandRunner().capture(ssh)
                return BootCheck(name: name, passed: false, detail: "\(user) logs in without a key")
            } catch CommandError.failed(_, _, let lines, _) {
                if let methods = Self.offered(lines) {
                    let isRefused = !methods.contains("password") && !methods.contains("keyboard-interactive")
                    return BootCheck(
                        name: name, passed: isRefused, detail: "sshd offers \(methods.joined(separator: ", "))")
                }
                try await Task.sleep(for: .seconds(1))
            }
        }
        return BootCheck(name: name, passed: false, detail: "sshd does not say what it offers")
    }

    /// The methods of authentication in ssh's last words, `Permission denied (publickey,password).`; nil where it says
    /// something else.
    static func offered(_ lines: [String]) -> [String]? {
        for line in lines.reversed() {
            guard let start = line.firstRange(of: "Permission denied (")?.upperBound,
                let end = line[start...].firstIndex(of: ")")
            else { continue }
            return line[start..<end].split(separator: ",").map(String.init)
        }
        return nil
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
