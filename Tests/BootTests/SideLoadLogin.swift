import Foundation
import NetrootSystem
import TestSupport
import Testing

/// Side-loads of `netroot sideload create` with a login key, host keys, a name and root's password each, and logins that know
/// the machine by its keys.
struct SideLoadLogin {
    let folder: String
    let port: Int
    /// The boot's ID, the machine's name and what / is.
    static let state = "cat /proc/sys/kernel/random/boot_id /etc/hostname; findmnt -no FSTYPE /"
    /// crypt(5) of "secret".
    private static let hash =
        "$6$netroot$3DdWxegnAbdEh0SzCUMcrJSOS1I/GF3Godb4RWi4S4u8lkeRmne83XL8rF7qq1SJxrPU7xGVhrmXO0PEvfY7//"

    /// - Parameter folder: a name below that of the site.
    static func make(_ site: Site, _ folder: String, names: [String], port: Int) async throws -> SideLoadLogin {
        let login = SideLoadLogin(folder: "\(site.folder)/\(folder)", port: port)
        try await CommandRunner().run(Command(["rm", "-rf", login.folder]))
        try Files.makeDirectory(login.folder, mode: 0o700)
        for name in names { try await login.sideload(name, site) }
        return login
    }

    func archive(_ name: String) -> String { "\(folder)/\(name).cpio.zst" }

    private func sideload(_ name: String, _ site: Site) async throws {
        struct Row: Decodable {
            struct Key: Decodable { var knownHosts: String }
            var hostKeys: [Key]
        }
        let key = "\(folder)/key-\(name)"
        try await CommandRunner().run(Command(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", key]))
        let password = "\(folder)/password-\(name)"
        try Files.replace(password, with: Array("hashed:\(Self.hash)\n".utf8), mode: 0o600)
        let output = try await site.sideload(
            "create", "-o", archive(name), "--authorized-keys", key + ".pub", "--host-keys", "new", "--hostname", name,
            "--root-password-file", password, "--json")
        let keys = try JSONDecoder().decode(Row.self, from: Data(output.utf8)).hostKeys
        let known = keys.map { "[127.0.0.1]:\(port) \($0.knownHosts.dropFirst(name.count + 1))\n" }.joined()
        try Files.replace("\(folder)/known-\(name)", with: Array(known.utf8))
    }

    func options(_ name: String) -> [String] {
        [
            "-F", "/dev/null", "-i", "\(folder)/key-\(name)", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
            "-o", "StrictHostKeyChecking=yes", "-o", "UserKnownHostsFile=\(folder)/known-\(name)",
            "-o", "ConnectTimeout=5", "-o", "LogLevel=ERROR",
        ]
    }

    func ssh(_ name: String, _ command: String) async throws -> String {
        try await CommandRunner().capture(
            Command(["ssh", "-p", "\(port)"] + options(name) + ["root@127.0.0.1", command]))
    }

    /// Whether root has the password of the side-load, and still an account.
    func hasThePassword(_ name: String) async throws -> Bool {
        try await ssh(name, "getent shadow root").hasPrefix("root:\(Self.hash):")
    }

    /// Until a login with the side-load's key finds the side-load's host key.
    func waited(_ name: String, _ command: String, seconds: Int = 240) async throws -> String {
        let end = ContinuousClock.now + .seconds(seconds)
        while true {
            do {
                return try await ssh(name, command)
            } catch let error as CommandError {
                guard ContinuousClock.now < end else { throw error }
                try await Task.sleep(for: .seconds(1))
            }
        }
    }
}

extension Site {
    /// Runs `netroot sideload` and expects status 0.
    @discardableResult
    func sideload(_ arguments: String...) async throws -> String {
        try await CommandRunner().capture(Command([netroot, "sideload"] + arguments))
    }
}
