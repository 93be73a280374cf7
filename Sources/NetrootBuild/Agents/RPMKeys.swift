import NetrootConfig
import NetrootSystem
import NetrootTree

/// The keys that may sign, fetched before a package is.
struct RPMKeys: Sendable {
    let source: AgentHeader.RPMSource
    /// A private directory for them.
    let directory: String

    /// What fetches and reads them.
    static func tools(for source: AgentHeader.RPMSource) -> [Tool] {
        (source.keys.isEmpty ? [] : [Tool("curl", package: "curl")])
            + (source.fingerprints.isEmpty ? [] : [Tool("gpg", package: "gpg")])
    }

    /// Fetches the keys, and checks that each has one of the fingerprints where the recipe gives any.
    /// - Returns: the files.
    /// - Throws: `BuildError.keyUnreachable`, `BuildError.wrongKey`, `CommandError`, `SystemError`.
    func fetch(architecture: String) async throws -> [String] {
        try Files.makeDirectory(directory, mode: 0o700)
        var files: [String] = []
        for (number, template) in source.keys.enumerated() {
            let url = template.replacing("$releasever", with: source.release ?? "")
                .replacing("$basearch", with: architecture)
            let file = "\(directory)/\(number + 1).asc"
            do {
                // By standard input: a URL may hold a password.
                _ = try await CommandRunner().capture(
                    Command(["curl", "--config", "-"]), input: Array(Self.curlConfiguration(url, to: file).utf8))
            } catch let error as CommandError {
                throw BuildError.keyUnreachable(
                    url: RPM.withoutCredentials(url), reason: error.lastLines.last ?? "\(error)")
            }
            if !source.fingerprints.isEmpty { try await check(file, from: RPM.withoutCredentials(url)) }
            files.append(file)
        }
        return files
    }

    /// curl(1) as it is told over `--config -`: a redirection never leads to a weaker protocol.
    /// - Parameter redirections: the protocols that a redirection may lead to.
    static func curlConfiguration(_ url: String, to file: String, redirections: String = "=https") -> String {
        func quoted(_ text: String) -> String {
            "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
        }
        let lines = [
            "silent", "show-error", "fail", "location", "proto = \"=http,https,file\"",
            "proto-redir = \"\(redirections)\"",
            "connect-timeout = 20", "max-time = 60", "max-filesize = 1048576", "url = \(quoted(url))",
            "output = \(quoted(file))",
        ]
        return lines.joined(separator: "\n") + "\n"
    }

    /// Every key of a file must be one of those that the recipe gives.
    private func check(_ file: String, from url: String) async throws {
        let home = directory + "/gnupg"
        try Files.makeDirectory(home, mode: 0o700)
        let show = Command([
            "gpg", "--homedir", home, "--batch", "--no-autostart", "--with-colons", "--show-keys", "--", file,
        ])
        let found: [String]
        do {
            found = Self.fingerprints(inColons: try await CommandRunner().capture(show))
        } catch let error as CommandError {
            throw BuildError.keyUnreachable(url: url, reason: error.lastLines.last ?? "\(error)")
        }
        guard !found.isEmpty else {
            throw BuildError.keyUnreachable(url: url, reason: "no key is in it")
        }
        for fingerprint in found where !source.fingerprints.contains(fingerprint) {
            throw BuildError.wrongKey(url: url, found: fingerprint)
        }
    }

    /// The fingerprints of the primary keys in gpg's listing (its doc/DETAILS): a subkey signs by the primary's leave.
    static func fingerprints(inColons text: String) -> [String] {
        var found: [String] = []
        var isPrimary = false
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            switch fields.first {
            case "pub": isPrimary = true
            case "fpr" where isPrimary && fields.count > 9:
                found.append(String(fields[9]))
                isPrimary = false
            case "sub": isPrimary = false
            default: break
            }
        }
        return found
    }
}
