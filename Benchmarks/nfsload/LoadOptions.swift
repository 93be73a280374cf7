import Glibc
import NetrootServe

/// What goes wrong in a load run.
enum LoadError: Error, CustomStringConvertible {
    case usage(String)
    case system(String, code: Int32)
    case protocolViolation(String)
    case refused(String, status: UInt32)

    var description: String {
        switch self {
        case .usage(let text): "\(text)\n\(LoadOptions.usage)"
        case .system(let what, let code): "\(what): errno \(code)"
        case .protocolViolation(let text): "the server answers nonsense: \(text)"
        case .refused(let what, let status): "\(what): the server answers status \(status)"
        }
    }

    var exitStatus: Int32 {
        if case .usage = self { return 64 }
        return 1
    }
}

/// The operation that is repeated.
enum LoadOperation: String {
    case read, lookup, readdirplus, getattr
}

/// The command line.
struct LoadOptions {
    var address = "127.0.0.1"
    var port: UInt16 = 0
    var mountPort: UInt16?
    var path = "/"
    var connections = 16
    var seconds = 5.0
    var operation = LoadOperation.read
    var processIdentifier: Int32?
    var file = "etc/os-release"
    var count: UInt32 = 30_000
    var json = false
    var walksFirst = false
    /// Every file is read once, instead of one operation over and over.
    var readsAll = false
    var serveDirectory: String?
    var threads = NFSLimits().threads

    static let usage = """
        usage: nfsload --port P --path /X [--address A] [--mount-port P] [--connections N] [--seconds S]
                       [--operation read|lookup|readdirplus|getattr] [--file NAME] [--count BYTES] [--pid SERVERPID]
                       [--walk] [--json]
               nfsload --port P --path /X --read-all [--count BYTES] [--pid SERVERPID] [--json]
               nfsload --serve DIRECTORY|IMAGE --path /X [--port P] [--threads N]
        """

    init(_ arguments: [String]) throws(LoadError) {
        var rest = arguments[...]
        while let option = rest.popFirst() {
            if option == "--json" {
                json = true
                continue
            }
            if option == "--read-all" {
                readsAll = true
                continue
            }
            if option == "--walk" {
                walksFirst = true
                continue
            }
            guard let value = rest.popFirst() else { throw .usage("\(option): unknown, or its value is missing") }
            switch option {
            case "--address": address = value
            case "--port": port = try Self.number(option, value)
            case "--mount-port": mountPort = try Self.number(option, value)
            case "--path": path = value
            case "--connections": connections = try Self.number(option, value)
            case "--seconds":
                guard let number = Double(value), number > 0 else { throw .usage("\(option): '\(value)'") }
                seconds = number
            case "--operation":
                guard let operation = LoadOperation(rawValue: value) else { throw .usage("\(option): '\(value)'") }
                self.operation = operation
            case "--pid": processIdentifier = try Self.number(option, value)
            case "--file": file = value
            case "--count": count = try Self.number(option, value)
            case "--serve": serveDirectory = value
            case "--threads": threads = try Self.number(option, value)
            default: throw .usage("\(option): unknown option")
            }
        }
        guard serveDirectory != nil || port != 0 else { throw .usage("--port is missing") }
    }

    private static func number<T: FixedWidthInteger>(_ option: String, _ text: String) throws(LoadError) -> T {
        guard let number = T(text), number >= 0 else { throw .usage("\(option): '\(text)' is not a number") }
        return number
    }
}

/// Writes a line at once, for a script that waits for it.
func say(_ line: String, to descriptor: Int32) {
    var text = line + "\n"
    text.withUTF8 { bytes in _ = write(descriptor, bytes.baseAddress, bytes.count) }
}

/// Writes an error line.
func complain(_ line: String) {
    say("nfsload: \(line)", to: STDERR_FILENO)
}
