import Glibc
public import NetrootSystem

/// A server's address as its clients reach it: an IPv4 or IPv6 address, or a host name.
public struct ServerAddress: Sendable, Equatable, CustomStringConvertible {
    /// Without brackets; an IPv6 address in its shortest form.
    public let description: String
    /// Whether it is an IPv6 address. A name is not: clients look it up by IPv4.
    public let isIPv6: Bool

    /// Reads an address; one of IPv6 may stand in brackets.
    /// - Throws: `ServerAddressError` for what is not an address, and for one that clients cannot reach.
    public init(parsing text: String) throws(ServerAddressError) {
        let isBracketed = text.hasPrefix("[") && text.hasSuffix("]")
        let plain = isBracketed ? String(text.dropFirst().dropLast()) : text
        func wrong(_ problem: String, _ next: String) -> ServerAddressError {
            ServerAddressError(text: text, problem: problem, next: next)
        }
        guard !text.contains("%") else {
            throw wrong("has a zone, which only this machine knows", "give an address that the clients know too")
        }
        guard !text.contains("/") else { throw wrong("is a network", "give the address of one machine") }
        let colons = plain.count { $0 == ":" }
        if isBracketed || colons > 1 {
            if text.hasPrefix("["), let end = text.firstIndex(of: "]"), text[end...].hasPrefix("]:") {
                throw wrong("has a port", "give the address alone, and the port with --port")
            }
            guard let bytes = Self.bytes(plain, AF_INET6, 16), let short = Self.text(bytes, AF_INET6) else {
                throw wrong("is not an IPv6 address", "write it as fd00::1 or [fd00::1]")
            }
            if bytes.allSatisfy({ $0 == 0 }) || bytes[0] == 0xFF {
                throw wrong("is not the address of one machine", "give one that the clients reach")
            }
            if bytes[0] == 0xFE, bytes[1] & 0xC0 == 0x80 {
                throw wrong(
                    "is a link-local address, which means nothing without a zone", "give a global or unique local one")
            }
            if bytes.starts(with: [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF]),
                let four = Self.text(Array(bytes.suffix(4)), AF_INET)
            {
                throw wrong("is an IPv4 address in the form of IPv6", "write \(four)")
            }
            (description, isIPv6) = (short, true)
            return
        }
        guard colons == 0 else { throw wrong("has a port", "give the address alone, and the port with --port") }
        isIPv6 = false
        description = plain
        if !plain.isEmpty, plain.allSatisfy({ $0.isASCII && ($0.isNumber || $0 == ".") }) {
            guard let bytes = Self.bytes(plain, AF_INET, 4) else {
                throw wrong("is not an IPv4 address", "write four numbers from 0 to 255, such as 192.168.7.1")
            }
            guard bytes[0] != 0, bytes[0] < 224 else {
                throw wrong("is not the address of one machine", "give one that the clients reach")
            }
        } else if !Self.isName(plain) {
            throw wrong("is neither an address nor a host name", "write it as 192.168.7.1, fd00::1 or boot.example.org")
        }
    }

    /// As it stands before a colon: in a URL, and in `root=`.
    public var beforeColon: String { isIPv6 ? "[\(description)]" : description }

    private static func bytes(_ text: String, _ family: Int32, _ count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        return inet_pton(family, text, &bytes) == 1 ? bytes : nil
    }

    private static func text(_ bytes: [UInt8], _ family: Int32) -> String? {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        guard inet_ntop(family, bytes, &text, socklen_t(text.count)) != nil else { return nil }
        return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// A name of letters, digits and hyphens, in labels (RFC 1123, 2.1); an underscore is let through, as resolvers do.
    private static func isName(_ text: String) -> Bool {
        let labels = text.split(separator: ".", omittingEmptySubsequences: false)
        return text.utf8.count <= 253
            && labels.allSatisfy { label in
                (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
                    && label.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") }
            }
    }
}

/// Why a text is not the address of a server.
public struct ServerAddressError: ReportableError, Equatable {
    let text: String
    let problem: String
    let next: String

    /// Always `.usage`.
    public var exitStatus: ExitStatus { .usage }

    /// One line: what, and what to write instead.
    public var description: String { "the address '\(text)' \(problem); \(next)" }
}
