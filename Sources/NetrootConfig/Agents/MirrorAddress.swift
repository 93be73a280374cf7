/// The URL of a mirror, and apart from it the user and the password that it gives.
public struct MirrorAddress: Sendable, Equatable {
    /// Without user and password.
    public let url: String
    /// As the URL gives them, with `%40` for `@`; nil where it gives none.
    public let user: String?
    /// As the URL gives it; nil where it gives none.
    public let password: String?

    /// Takes a URL apart (RFC 3986, 3.2.1).
    public init(_ text: String) {
        guard let scheme = text.firstRange(of: "://") else {
            (url, user, password) = (text, nil, nil)
            return
        }
        let rest = text[scheme.upperBound...]
        let authority = rest.prefix { !"/?#".contains($0) }
        guard let at = authority.lastIndex(of: "@") else {
            (url, user, password) = (text, nil, nil)
            return
        }
        url = String(text[..<scheme.upperBound] + rest[rest.index(after: at)...])
        let parts = authority[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        user = String(parts[0])
        password = parts.count > 1 ? String(parts[1]) : nil
    }

    /// The user and the password as they are meant; nil where there are none, or where `%` stands for no byte of a text.
    public var login: (user: String, password: String)? {
        guard let user, let name = Self.decoded(user), let word = Self.decoded(password ?? "") else { return nil }
        return (name, word)
    }

    private static func decoded(_ text: String) -> String? {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) else {
                return nil
            }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
