/// What the guest's part of the boot check says on its second serial port; `guest/README.md` gives the protocol.
enum CheckMessage: Sendable, Equatable {
    /// A boot began to report; its boot ID, and the seconds since its kernel started.
    case begin(boot: String, uptime: Double)
    /// One check and what it found.
    case check(BootCheck)
    /// Seconds since the kernel started.
    case seconds(name: String, value: Double)
    /// A number of bytes that the guest measured: `ram`, `network`, `root`.
    case bytes(name: String, value: Int64)
    /// The boot has reported all: how many checks, and how many of them failed.
    case end(checks: Int, failed: Int)
    /// The guest's script cannot go on.
    case error(String)

    static let prefix = "NETROOT-CHECK 1 "

    /// Reads a line; nil for one that is not of the protocol, such as the kernel's own.
    init?(line: String) {
        guard let range = line.firstRange(of: Self.prefix) else { return nil }
        let text = line[range.upperBound...].trimmingSuffix(while: \.isWhitespace)
        let verb = text.prefix { $0 != " " }
        let fields = Self.fields(text.dropFirst(verb.count))
        switch verb {
        case "begin":
            guard let boot = fields["boot"], let uptime = fields["uptime"].flatMap(Double.init) else { return nil }
            self = .begin(boot: boot, uptime: uptime)
        case "check":
            guard let name = fields["name"], let result = fields["result"] else { return nil }
            self = .check(BootCheck(name: name, passed: result == "pass", detail: fields["detail"] ?? ""))
        case "seconds":
            guard let name = fields["name"], let value = fields["value"].flatMap(Double.init) else { return nil }
            self = .seconds(name: name, value: value)
        case "bytes":
            guard let name = fields["name"], let value = fields["value"].flatMap({ Int64($0) }), value >= 0 else {
                return nil
            }
            self = .bytes(name: name, value: value)
        case "end":
            guard let checks = fields["checks"].flatMap({ Int($0) }),
                let failed = fields["failed"].flatMap({ Int($0) })
            else { return nil }
            self = .end(checks: checks, failed: failed)
        case "error", "aborted":
            self = .error(String(text))
        default:
            return nil
        }
    }

    /// `key=value` words; `detail=` takes the rest of the line.
    private static func fields(_ text: Substring) -> [String: String] {
        var fields: [String: String] = [:]
        var rest = text.drop { $0 == " " }
        while let equals = rest.firstIndex(of: "=") {
            let key = String(rest[..<equals])
            let after = rest[rest.index(after: equals)...]
            if key == "detail" {
                fields[key] = String(after)
                return fields
            }
            let value = after.prefix { $0 != " " }
            fields[key] = String(value)
            rest = after.dropFirst(value.count).drop { $0 == " " }
        }
        return fields
    }
}

extension Substring {
    fileprivate func trimmingSuffix(while predicate: (Character) -> Bool) -> Substring {
        var text = self
        while let last = text.last, predicate(last) { text.removeLast() }
        return text
    }
}

/// One thing that the boot check decided.
public struct BootCheck: Codable, Sendable, Equatable {
    /// Its name, camelCase.
    public let name: String
    /// Whether it is as it should be.
    public let passed: Bool
    /// What was found.
    public let detail: String

    /// A check that has been decided.
    public init(name: String, passed: Bool, detail: String) {
        self.name = name
        self.passed = passed
        self.detail = detail
    }
}
