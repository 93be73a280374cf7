import Glibc
import NetrootConfig
import NetrootSystem

/// What mmdebstrap, apt and dpkg printed, and the reason in it why they failed.
///
/// One fault makes several messages: who may not read a repository is told too that it is not signed. So the kinds of reasons
/// are looked for in the order in which one follows from the other, and not the lines in theirs.
struct AptLog: Sendable {
    /// What they printed, a line each.
    let lines: [String]
    /// `HOST:PORT` of the proxies that apt was told of.
    let proxies: [String]

    /// - Parameter proxies: `HOST:PORT` each.
    init(_ text: String, proxies: [String] = []) {
        lines = text.split(whereSeparator: \.isNewline).map(String.init)
        self.proxies = proxies
    }

    /// Those of the environment, as apt reads it (apt.conf(5), `Acquire::http::Proxy`).
    static func proxies() -> [String] {
        let names = ["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy"]
        return names.compactMap { name -> String? in
            guard let value = getenv(name) else { return nil }
            return proxy(String(cString: value))
        }
    }

    /// `HOST:PORT` of the value of such a variable; nil of an empty one, which says that there is no proxy.
    static func proxy(_ value: String) -> String? {
        let url = MirrorAddress(value).url
        let authority = url.firstRange(of: "://").map { url[$0.upperBound...] } ?? url[...]
        let result = authority.prefix { $0 != "/" }
        return result.isEmpty ? nil : String(result)
    }

    /// The reason, where it is one that a user can act on.
    var reason: BuildError? {
        refusedIndex ?? failedFetch ?? unsigned ?? unknownPackage ?? failedScript ?? unmet ?? other
    }

    /// The repositories that apt refuses since nobody signed them whom it trusts, in its own words: URL, suite, file.
    var unsignedRepositories: [String] {
        lines.compactMap { line in
            guard line.hasPrefix("E: The repository '"), let end = line.firstRange(of: "' is not signed.") else {
                return nil
            }
            return RPM.withoutCredentials(String(line[..<end.lowerBound].dropFirst("E: The repository '".count)))
        }.removingDuplicates()
    }

    private func first(_ prefix: String = "E: ", _ signs: String...) -> String? {
        lines.first { line in line.hasPrefix(prefix) && signs.allSatisfy(line.contains) }
            .map { String($0.dropFirst(3).prefix(300)) }
    }

    /// An index that is signed, and of another time.
    private var refusedIndex: BuildError? {
        if let line = first("E: ", "Release file for ", " is expired ") { return .mirror(.expired, reason: line) }
        if let line = first("E: ", "Release file for ", " is not valid yet ") { return .mirror(.early, reason: line) }
        return nil
    }

    /// The first file that could not be fetched: `E: Failed to fetch URL  REASON`.
    private var failedFetch: BuildError? {
        let begin = "E: Failed to fetch "
        guard let line = lines.first(where: { $0.hasPrefix(begin) }) else {
            // Of a Release file it is no error at first: older mirrors have an InRelease alone, or none.
            return first("E: The repository '", " does not have a Release file.").map { .mirror(.missing, reason: $0) }
        }
        let parts = Self.parts(line.dropFirst(begin.count))
        let detail = "\(parts.reason): \(parts.url)"
        let number = parts.reason.prefix { $0.isASCII && $0.isNumber }
        if let status = Int(number), let fault = MirrorFault(status: status) { return .mirror(fault, reason: detail) }
        func has(_ signs: String...) -> Bool { signs.contains { parts.reason.contains($0) } }
        if has("Hash Sum mismatch", "File has unexpected size") { return .mirror(.changed, reason: detail) }
        if has("ertificate") { return .mirror(.certificate, reason: detail) }
        if isOfProxy(parts.reason) { return .mirror(.proxy, reason: detail) }
        if has("File not found") { return .mirror(.missing, reason: detail) }
        return .noNetwork(detail: detail)
    }

    /// apt's words of a proxy (methods/http.cc, methods/connect.cc). Each has a blank, which no host name has.
    private static let proxyWords = [
        "SOCKS proxy ", "SOCKS5h proxy", "HTTP proxy", " to proxy", "from proxy", "proxy configured",
    ]

    /// Whether a reason is that of a proxy: in apt's words, or since it names the host of one as what was not reached.
    private func isOfProxy(_ reason: String) -> Bool {
        if Self.proxyWords.contains(where: reason.contains) { return true }
        let words = reason.split(separator: " ")
        return proxies.contains { proxy in
            // Of a name that has no address apt says no port, and of a proxy without one it says the standard one.
            let host = proxy.prefix { $0 != ":" }
            return !host.isEmpty
                && (reason.contains("Could not resolve '\(host)'")
                    || words.contains { $0 == proxy || host == proxy && $0.hasPrefix("\(host):") })
        }
    }

    /// `URL  404  Not Found [IP: ADDRESS PORT]`, with two blanks in two places.
    private static func parts(_ text: Substring) -> (url: String, reason: String) {
        let words = text.split(separator: "  ", omittingEmptySubsequences: true)
        let reason = words.dropFirst().joined(separator: " ")
        let end = reason.firstRange(of: " [IP: ")?.lowerBound ?? reason.endIndex
        let url = RPM.withoutCredentials(words.first.map(String.init) ?? "")
        return (String(url.prefix(200)), String(reason[..<end].prefix(200)))
    }

    private var unsigned: BuildError? {
        // It says which key is missing, or that one has expired.
        guard
            let line = first("W: GPG error: ") ?? first("W: OpenPGP signature verification failed: ")
                ?? first("E: GPG error: ") ?? first("E: The repository '", " is not signed.")
        else { return nil }
        return .unsigned(
            reason: line,
            remedy: "correct MirrorURL, put the key that signs it into /etc/apt/trusted.gpg.d of this machine")
    }

    private var unknownPackage: BuildError? {
        let begin = "E: Unable to locate package "
        if let line = lines.first(where: { $0.hasPrefix(begin) }) {
            return .unknownPackage(name: String(line.dropFirst(begin.count)))
        }
        guard let line = first("E: ", "has no installation candidate"),
            let name = line.split(separator: "'").dropFirst().first
        else { return nil }
        return .unknownPackage(name: String(name))
    }

    /// `dpkg: error processing package NAME (--configure):`, and in the next line why. What depends on the package fails too.
    private var failedScript: BuildError? {
        for (number, line) in lines.enumerated() where line.hasPrefix("dpkg: error processing ") {
            guard number + 1 < lines.count else { return nil }
            let why = lines[number + 1].drop(while: \.isWhitespace)
            if why.hasPrefix("dependency problems") { continue }
            let words = line.split(separator: " ")
            let name = words.count > 4 ? String(words[4]) : "?"
            guard let script = Self.scripts.first(where: { why.contains(" package \($0) script subprocess ") }),
                let end = why.firstRange(of: "subprocess ")
            else { return .bootstrapFailed(reason: "\(name): \(why.prefix(300))") }
            var result = why[end.upperBound...]
            if result.hasPrefix("returned error ") { result = result.dropFirst("returned error ".count) }
            return .scriptletFailed(
                package: name, scriptlet: "the \(script) script", reason: result + lastWords(before: number))
        }
        return nil
    }

    private static let scripts = ["pre-installation", "post-installation", "pre-removal", "post-removal"]

    /// What the script itself said last, where it said anything.
    private func lastWords(before number: Int) -> String {
        guard number > 0 else { return "" }
        let own = [
            "Setting up ", "Preparing to unpack ", "Unpacking ", "Processing triggers ", "Chrooting into ", "dpkg: ",
        ]
        let line = lines[number - 1].prefix(200)
        return own.contains(where: line.hasPrefix) ? "" : ": \(line)"
    }

    /// ` unmet : Depends: other (>= 2) but it is not installable`, below its heading.
    private var unmet: BuildError? {
        guard
            let heading = lines.firstIndex(where: { $0.hasPrefix("The following packages have unmet dependencies:") }),
            heading + 1 < lines.count
        else { return nil }
        let line = lines[heading + 1].drop(while: \.isWhitespace)
        return .bootstrapFailed(reason: "unmet dependencies: \(line.prefix(300))")
    }

    /// The first other error. mmdebstrap's and apt-get's own last words only say that something failed.
    private var other: BuildError? {
        let empty = [
            "mmdebstrap failed", "setup failed", "run_chroot failed", "apt-get ", "command failed: ", "Sub-process ",
            "Some index files failed", "Unable to fetch some archives",
        ]
        let errors = lines.filter { $0.hasPrefix("E: ") }
        let reason = errors.first { line in !empty.contains(where: line.contains) }
        return (reason ?? errors.first { $0.hasPrefix("E: Sub-process ") })
            .map { .bootstrapFailed(reason: String($0.dropFirst(3).prefix(300))) }
    }
}
