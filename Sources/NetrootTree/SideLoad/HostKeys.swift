import NetrootSystem

/// The host keys of a machine: private and public keys, and certificates.
public struct HostKey: Encodable, Sendable, Equatable {
    /// `ssh_host_ed25519_key`.
    public let name: String
    /// `ssh-ed25519`.
    public let type: String
    /// `SHA256:` and Base64.
    public let fingerprint: String
    /// A line of known_hosts (sshd(8)), with `placeholder` in the place of a name that nobody gave.
    public let knownHosts: String

    /// No pattern, so that a line counts for no machine until somebody puts a name in its place.
    public static let placeholder = "HOST"
}

/// Where host keys come from.
public enum HostKeySource: Sendable, Equatable {
    /// They are made.
    case new
    /// Files ssh_host_*_key of a directory.
    case directory(String)
}

/// Host keys on their way into a side-load.
struct HostKeys: Sendable {
    /// A file below /etc/ssh.
    struct File: Sendable {
        let name: String
        let bytes: [UInt8]
        var isPrivate: Bool { name.hasSuffix("_key") }
    }

    let keys: [HostKey]
    let files: [File]

    /// Of three kinds, as `ssh-keygen -A` makes them; RSA for clients that know no other.
    private static let kinds: [(name: String, arguments: [String])] = [
        ("ed25519", []), ("ecdsa", []), ("rsa", ["-b", "3072"]),
    ]
    private static let suffix = "_key"

    /// Makes keys, or takes those of a directory.
    /// - Parameter host: as which known_hosts has them.
    /// - Throws: `SideLoadError`, `SystemError`, `MissingError`, `CommandError`, `CancellationError`.
    init(_ source: HostKeySource, host: String, runner: CommandRunner) async throws {
        try Tool.require([AuthorizedKeys.keygen])
        (keys, files) = try await Files.withTemporaryDirectory { folder in
            let names: [String]
            switch source {
            case .new: names = try await Self.make(in: folder, runner)
            case .directory(let path): names = try await Self.take(path, into: folder, runner)
            }
            return try await Self.read(names, in: folder, host: host, runner)
        }
    }

    private static func make(in folder: String, _ runner: CommandRunner) async throws -> [String] {
        var names: [String] = []
        for kind in kinds {
            let name = "ssh_host_\(kind.name)\(suffix)"
            try await runner.run(
                Command(
                    [AuthorizedKeys.keygen.name, "-q", "-t", kind.name] + kind.arguments + [
                        "-N", "", "-C", "", "-f", "\(folder)/\(name)",
                    ]))
            names.append(name)
        }
        return names
    }

    /// Copies the keys of a directory, each with a public key that is made anew from it.
    private static func take(_ path: String, into folder: String, _ runner: CommandRunner) async throws -> [String] {
        let all = try Files.names(in: path).filter { $0.hasPrefix("ssh_host_") }
        for name in all where name.hasSuffix(".pub") {
            let key = String(name.dropLast(name.hasSuffix("-cert.pub") ? "-cert.pub".count : ".pub".count))
            guard all.contains(key) else {
                throw wrong("\(path)/\(name)", "its private key \(key) is not there; sshd needs both")
            }
        }
        let names = all.filter { $0.hasSuffix(suffix) }
        guard !names.isEmpty else { throw wrong(path, "there is no ssh_host_*_key in it") }
        for name in names {
            let (source, copy) = ("\(path)/\(name)", "\(folder)/\(name)")
            try Files.replace(copy, with: try Files.read(source, limit: 1 << 20), mode: 0o600)
            let derived: String
            do {
                derived = try await runner.capture(
                    Command([AuthorizedKeys.keygen.name, "-y", "-P", "", "-f", copy]))
            } catch let error as CommandError {
                throw wrong(source, reason(error.lastLines))
            }
            try checkPublic("\(source).pub", is: derived)
            try Files.replace("\(copy).pub", with: Array(derived.utf8), mode: 0o644)
            if all.contains("\(name)-cert.pub") {
                let certificate = try Files.read("\(source)-cert.pub", limit: 1 << 20)
                try Files.replace("\(copy)-cert.pub", with: certificate, mode: 0o644)
            }
        }
        return names
    }

    private static func reason(_ lines: [String]) -> String {
        let text = lines.joined(separator: " ")
        if text.contains("incorrect passphrase") {
            return "it has a passphrase, and nobody types it at a boot; ssh-keygen -p -f takes it off a copy"
        }
        return "it is no private key that ssh-keygen can read"
    }

    /// A public key that belongs to another private one would make every client refuse the machine, or trust another.
    private static func checkPublic(_ path: String, is derived: String) throws {
        guard Files.exists(path) else { return }
        func key(_ text: String) -> [Substring] { Array(text.split(whereSeparator: \.isWhitespace).prefix(2)) }
        guard key(try Files.text(path, limit: 1 << 20)) == key(derived) else {
            throw wrong(path, "it is not the public key of the private key beside it")
        }
    }

    private static func read(
        _ names: [String], in folder: String, host: String, _ runner: CommandRunner
    ) async throws -> ([HostKey], [File]) {
        var keys: [HostKey] = []
        var files: [File] = []
        for name in names {
            let path = "\(folder)/\(name)"
            let words = try Files.text("\(path).pub").split(whereSeparator: \.isWhitespace)
            let print = try await fingerprint("\(path).pub", runner)
            guard words.count >= 2 else { throw wrong(path, "it is no private key that ssh-keygen can read") }
            let certificate = "\(path)-cert.pub"
            if Files.exists(certificate), try await fingerprint(certificate, runner) != print {
                throw wrong("\(name)-cert.pub", "it is not a certificate of the key beside it")
            }
            keys.append(
                HostKey(
                    name: name, type: String(words[0]), fingerprint: print,
                    knownHosts: "\(host) \(words[0]) \(words[1])"))
            for file in [name, "\(name).pub", "\(name)-cert.pub"] where Files.exists("\(folder)/\(file)") {
                files.append(File(name: file, bytes: try Files.read("\(folder)/\(file)")))
            }
        }
        return (keys, files)
    }

    private static func fingerprint(_ path: String, _ runner: CommandRunner) async throws -> String {
        let output: String
        do {
            output = try await runner.capture(Command([AuthorizedKeys.keygen.name, "-l", "-E", "sha256", "-f", path]))
        } catch is CommandError {
            throw wrong(Files.name(path), "it is no key that ssh-keygen can read")
        }
        return output.split(separator: " ").dropFirst().first.map(String.init) ?? ""
    }

    private static func wrong(_ path: String, _ problem: String) -> SideLoadError {
        .wrongFile(path: path, line: nil, problem: problem)
    }
}
