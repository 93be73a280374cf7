public import ArgumentParser
public import NetrootConfig
import NetrootEntry
import NetrootSystem

extension TransportName: ExpressibleByArgument {
    public init?(argument: String) { self.init(rawValue: argument.lowercased()) }
    public static var allValueStrings: [String] { Transports.shipped.names.map(\.rawValue) }
}

/// The short forms of verbs that take a transport: `installnfs LABEL` is `install LABEL nfs`.
enum ShortForms {
    static let verbs = ["install", "start"]

    /// All of them, as help and hints name them.
    static var all: [String] {
        verbs.flatMap { verb in Transports.shipped.names.map { "\(verb)\($0)" } }
    }

    /// The arguments with a short form, where one is the verb, written out.
    static func expanded(_ arguments: [String]) -> [String] {
        guard let first = arguments.first else { return arguments }
        if first == "help", let verb = arguments.dropFirst().first, let found = parts(verb) {
            return [first, found.verb] + arguments.dropFirst(2)
        }
        guard let found = parts(first) else { return arguments }
        return [found.verb, "--\(ShortFormOption.name)", found.transport] + arguments.dropFirst()
    }

    private static func parts(_ word: String) -> (verb: String, transport: String)? {
        for verb in verbs where word.hasPrefix(verb) {
            let transport = String(word.dropFirst(verb.count))
            if Transports.shipped.names.contains(where: { $0.rawValue == transport }) { return (verb, transport) }
        }
        return nil
    }
}

/// The transport that a short form of the verb names.
struct ShortFormOption: ParsableArguments {
    static let name = "short-form-of"

    @Option(name: .customLong(name), help: .hidden)
    var transport: TransportName?

    /// The names given in either way; nil where there are none.
    func names(_ given: [TransportName]) throws -> [TransportName]? {
        guard let transport else { return given.isEmpty ? nil : given.removingDuplicates() }
        guard given.isEmpty || given == [transport] else {
            throw OptionError(
                problem: "the short form of the verb names its transport, \(transport), itself",
                hint: "leave out '\(given[0])'")
        }
        return [transport]
    }
}
