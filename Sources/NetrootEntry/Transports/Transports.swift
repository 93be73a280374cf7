public import NetrootConfig
public import NetrootSystem

/// The list of transports: adding one is a type and a word here.
public struct Transports: Sendable {
    /// In the order in which help and messages name them; the first is what a label has where it names none.
    public let known: [any Transport]

    /// Other transports than the shipped ones, for tests.
    public init(_ known: [any Transport]) { self.known = known }

    /// All that netroot ships.
    public static let shipped = Transports([NFS(), NBD(), HTTP(), ISCSI(), RAM()])

    /// Their names.
    public var names: [TransportName] { known.map(\.name) }

    /// The transport of a name; nil where there is none.
    public subscript(_ name: TransportName) -> (any Transport)? { known.first { $0.name == name } }

    /// The transport of a name.
    /// - Throws: `UnknownTransportError`.
    public func require(_ name: TransportName) throws(UnknownTransportError) -> any Transport {
        guard let transport = self[name] else { throw UnknownTransportError(name: name, known: names) }
        return transport
    }

    /// The transports of these names, in their order.
    /// - Throws: `UnknownTransportError`.
    public func require(_ names: [TransportName]) throws(UnknownTransportError) -> [any Transport] {
        var found: [any Transport] = []
        for name in names { found.append(try require(name)) }
        return found
    }
}

/// A name that no transport has.
public struct UnknownTransportError: ReportableError, Equatable {
    /// As it was given.
    public let name: TransportName
    /// The names that there are.
    public let known: [TransportName]

    /// Always `.usage`.
    public var exitStatus: ExitStatus { .usage }

    /// One line, with the nearest name or all of them.
    public var description: String {
        let names = known.map(\.rawValue)
        let hint = nearestName(to: name.rawValue, among: names).map { "did you mean '\($0)'?" }
        return "unknown transport '\(name)'; " + (hint ?? "use \(names.joined(separator: ", "))")
    }
}
