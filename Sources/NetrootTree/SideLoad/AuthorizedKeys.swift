import NetrootSystem

/// A file of authorized_keys(5), judged line by line as sshd does it, so that nobody finds out at a login that a line does not
/// count.
///
/// The key itself is judged by ssh-keygen(1).
struct AuthorizedKeys: Sendable {
    /// The lines that sshd reads, with their numbers in the file.
    private(set) var keys: [Key] = []

    /// A line with a key.
    struct Key: Sendable, Equatable {
        let line: Int
        /// `ssh-ed25519`, say.
        let type: String
        /// In Base64.
        let data: String
        /// As they stand before the key; empty for none.
        let options: String
        let comment: String

        /// The line without what sshd does not heed.
        var text: String { [options, type, data, comment].filter { !$0.isEmpty }.joined(separator: " ") }
    }

    private let file: String

    /// Reads a file and asks ssh-keygen about its keys.
    /// - Parameters:
    ///   - file: the path.
    ///   - isForCA: whether it has the public keys of certificate authorities, which have no options
    ///     (`TrustedUserCAKeys`, sshd_config(5)).
    /// - Throws: `SideLoadError`, `SystemError`, `MissingError`, `CommandError`, `CancellationError`.
    init(_ file: String, isForCA: Bool = false, runner: CommandRunner) async throws {
        self.file = file
        let bytes = try Files.read(file, limit: 4 << 20)
        try parse(bytes, isForCA: isForCA)
        try await judge(runner)
    }

    /// Only the words of the file, without the keys' data.
    init(parsing bytes: [UInt8], file: String, isForCA: Bool = false) throws {
        self.file = file
        try parse(bytes, isForCA: isForCA)
    }

    // MARK: - Lines

    private mutating func parse(_ bytes: [UInt8], isForCA: Bool) throws {
        guard !SecretText.hasPrivateKey(bytes) else {
            throw wrong(
                nil, "it is a private key, which is never laid into a root; give the public one, beside it in FILE.pub")
        }
        let text = String(decoding: bytes, as: UTF8.self)
        guard !text.hasPrefix("---- BEGIN SSH2 PUBLIC KEY"), !text.hasPrefix("-----BEGIN ") else {
            throw wrong(
                nil,
                "it is a key in another format; ssh-keygen -i -f \(TerminalText.line(file)) turns it into OpenSSH's")
        }
        guard !bytes.contains(0) else { throw wrong(nil, "it is no text") }
        for (index, part) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            // A line end of DOS: sshd passes over it within the Base64.
            let bare = part.last == UInt8(ascii: "\r") ? part.dropLast() : part
            let line = String(decoding: bare, as: UTF8.self)[...].drop { $0 == " " || $0 == "\t" }
            guard let first = line.first, first != "#" else { continue }
            keys.append(try key(line, index + 1, isForCA: isForCA))
        }
        guard !keys.isEmpty else {
            throw wrong(nil, "there is no key in it; with it nobody could log in. ssh-keygen -t ed25519 makes one")
        }
    }

    private func key(_ line: Substring, _ number: Int, isForCA: Bool) throws -> Key {
        var options = ""
        var rest = line
        if !Self.isType(Self.word(rest)) {
            guard let end = Self.endOfOptions(rest) else {
                throw wrong(number, "a quotation mark of its options is not closed")
            }
            options = String(rest[..<end])
            rest = rest[end...].drop { $0 == " " || $0 == "\t" }
            guard Self.isType(Self.word(rest)) else {
                throw wrong(number, "no key of a type that sshd knows; it begins with \(Self.quoted(line))")
            }
            if let problem = KeyOptions.problem(of: options) { throw wrong(number, problem) }
            if isForCA { throw wrong(number, "a certificate authority's key has no options here") }
        }
        let type = String(Self.word(rest))
        rest = rest.dropFirst(type.count).drop { $0 == " " || $0 == "\t" }
        let data = String(Self.word(rest))
        guard !data.isEmpty else { throw wrong(number, "there is no key behind \(type)") }
        guard !type.contains("-cert-v01") else {
            throw wrong(
                number,
                "it is a certificate, which sshd does not take here; give the public key of its authority with --ssh-ca"
            )
        }
        guard type != "ssh-dss" else {
            throw wrong(number, "sshd takes no DSA keys any more; ssh-keygen -t ed25519 makes another")
        }
        let comment = rest.dropFirst(data.count).drop { $0 == " " || $0 == "\t" }
        return Key(line: number, type: type, data: data, options: options, comment: String(comment))
    }

    private static func word(_ text: Substring) -> Substring { text.prefix { $0 != " " && $0 != "\t" } }

    private static func quoted(_ line: Substring) -> String { "'\(TerminalText.line(String(line.prefix(30))))'" }

    /// The names in `keytypes` of OpenSSH's `sshkey.c`.
    private static func isType(_ word: Substring) -> Bool {
        let word = word.hasSuffix("@openssh.com") ? word.dropLast("@openssh.com".count) : word
        let plain = word.hasSuffix("-cert-v01") ? word.dropLast("-cert-v01".count) : word
        return [
            "ssh-ed25519", "ssh-rsa", "ssh-dss", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
            "sk-ssh-ed25519", "sk-ecdsa-sha2-nistp256",
        ].contains(String(plain))
    }

    /// Where the options end: at the first blank outside of quotation marks (`sshkey_advance_past_options`); nil where one is
    /// not closed.
    static func endOfOptions(_ line: Substring) -> Substring.Index? {
        var isQuoted = false
        var index = line.startIndex
        while index < line.endIndex, isQuoted || line[index] != " " && line[index] != "\t" {
            let next = line.index(after: index)
            if line[index] == "\\", next < line.endIndex, line[next] == "\"" {
                index = next
            } else if line[index] == "\"" {
                isQuoted.toggle()
            }
            index = line.index(after: index)
        }
        return isQuoted ? nil : index
    }

    // MARK: - Keys

    static let keygen = Tool("ssh-keygen", package: "openssh-client")

    /// Asks ssh-keygen for the fingerprints: a key that it does not list is none. The comment says of which line one is.
    private func judge(_ runner: CommandRunner) async throws {
        try Tool.require([Self.keygen])
        let text = keys.map { "\($0.type) \($0.data) line-\($0.line)\n" }.joined()
        let output = try await Files.withTemporaryDirectory { folder in
            let path = "\(folder)/keys"
            try Files.replace(path, with: Array(text.utf8), mode: 0o600)
            // 255 where there is no key at all.
            return try await runner.captureBytes(
                Command([Self.keygen.name, "-l", "-f", path]), accepting: [0, 255])
        }
        var bits: [Int: Int] = [:]
        for line in String(decoding: output, as: UTF8.self).split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count > 2, let number = words.first(where: { $0.hasPrefix("line-") }) else { continue }
            bits[Int(number.dropFirst(5)) ?? 0] = Int(words[0])
        }
        for key in keys {
            guard let count = bits[key.line] else {
                throw wrong(key.line, "the data behind \(key.type) is no key; was it cut when it was copied?")
            }
            // RequiredRSASize of sshd_config(5).
            guard key.type != "ssh-rsa" || count >= 1024 else {
                throw wrong(key.line, "an RSA key of \(count) bits, and sshd takes none below 1024")
            }
        }
    }

    private func wrong(_ line: Int?, _ problem: String) -> SideLoadError {
        .wrongFile(path: file, line: line, problem: problem)
    }
}

/// The options before a key, as sshd reads them (`sshauthopt_parse` in `auth-options.c`): with one that it does not know it
/// refuses the line.
enum KeyOptions {
    private static let flags: Set<String> = [
        "restrict", "cert-authority", "port-forwarding", "no-port-forwarding", "agent-forwarding",
        "no-agent-forwarding", "x11-forwarding", "no-x11-forwarding", "pty", "no-pty", "user-rc", "no-user-rc",
        "touch-required", "no-touch-required", "verify-required", "no-verify-required",
    ]
    /// Those that may be there once.
    private static let single: Set<String> = ["command", "principals", "from", "expiry-time"]
    private static let several: Set<String> = ["environment", "permitopen", "permitlisten", "tunnel"]

    /// What sshd would say; nil where it takes them.
    static func problem(of text: String) -> String? {
        var rest = text[...]
        var seen: Set<String> = []
        while true {
            let name = rest.prefix { $0 != "," && $0 != "=" }.lowercased()
            rest = rest.dropFirst(name.count)
            if rest.first == "=" {
                guard single.contains(name) || several.contains(name) else {
                    return "sshd knows no option '\(shown(name))='"
                }
                guard !single.contains(name) || seen.insert(name).inserted else {
                    return "the option \(name) is there twice, and sshd takes it once"
                }
                rest = rest.dropFirst()
                guard rest.first == "\"" else { return "the value of \(name) stands in no quotation marks" }
                guard let end = endOfValue(rest.dropFirst()) else {
                    return "the value of \(name) ends in no quotation mark"
                }
                let value = String(rest.dropFirst()[..<end])
                if let problem = problem(of: name, value) { return problem }
                rest = rest[end...].dropFirst()
            } else {
                guard flags.contains(name) else { return "sshd knows no option '\(shown(name))'" }
            }
            if rest.isEmpty { return nil }
            guard rest.first == "," else { return "there is something behind the option \(name) that is no comma" }
            rest = rest.dropFirst()
            guard !rest.isEmpty else { return "the options end with a comma" }
        }
    }

    private static func endOfValue(_ text: Substring) -> Substring.Index? {
        var index = text.startIndex
        while index < text.endIndex, text[index] != "\"" {
            let next = text.index(after: index)
            if text[index] == "\\", next < text.endIndex, text[next] == "\"" { index = next }
            index = text.index(after: index)
        }
        return index < text.endIndex ? index : nil
    }

    private static func problem(of name: String, _ value: String) -> String? {
        switch name {
        case "environment":
            let variable = value.prefix { $0 != "=" }
            let isName =
                !variable.isEmpty && variable.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
            return isName && variable.count < value.count ? nil : "environment=\"\" wants NAME=VALUE"
        case "expiry-time":
            let digits = value.hasSuffix("Z") ? value.dropLast() : value[...]
            let isTime = [8, 12, 14].contains(digits.count) && digits.allSatisfy { $0.isASCII && $0.isNumber }
            return isTime ? nil : "expiry-time=\"\" wants YYYYMMDD, or with HHMM or HHMMSS"
        case "permitopen": return value.contains(":") ? nil : "permitopen=\"\" wants HOST:PORT"
        default: return nil
        }
    }

    private static func shown(_ name: String) -> String { TerminalText.line(String(name.prefix(40))) }
}
