import Glibc

/// The variables that name a proxy, in both spellings: those that Apptainer always passes on (`alwaysPassKeys` in
/// internal/pkg/util/env/create.go).
public enum ProxyVariables {
    static let names = ["http", "https", "ftp", "all", "no"].flatMap { ["\($0)_proxy", "\($0)_proxy".uppercased()] }

    /// Those that this process was given; an empty one says nothing.
    public static func ofCaller() -> [String: String] {
        var values: [String: String] = [:]
        for name in names {
            guard let value = getenv(name).map({ String(cString: $0) }), !value.isEmpty else { continue }
            values[name] = value
        }
        return values
    }

    /// What must not be read by others, of the URLs of proxies: `NAME:PASSWORD`, and each password that is long enough to be
    /// no word of a log.
    static func credentials(in values: some Sequence<String>) -> [String] {
        var found: Set<String> = []
        for value in values {
            let rest = value.firstRange(of: "://").map { value[$0.upperBound...] } ?? value[...]
            guard let at = rest.lastIndex(of: "@"), at > rest.startIndex else { continue }
            let user = rest[..<at]
            found.insert(user + "@")
            if user.utf8.count >= 8 { found.insert(String(user)) }
            guard let colon = user.firstIndex(of: ":") else { continue }
            let password = user[user.index(after: colon)...]
            if password.utf8.count >= 8 { found.insert(String(password)) }
        }
        return found.sorted { ($0.utf8.count, $1) > ($1.utf8.count, $0) }
    }
}
