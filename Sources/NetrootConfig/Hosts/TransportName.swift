/// The name of a transport, as `TRANSPORTS`, the command line and manifests have it.
///
/// Which names there are, the list of transports says (`Transports`, in NetrootEntry); this room only compares with them.
public struct TransportName: Sendable, Hashable, Codable, RawRepresentable, CustomStringConvertible {
    /// In lower case.
    public let rawValue: String

    /// Any word; whether there is such a transport is not looked at.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// The transport that needs no network: the whole root is in the archive that the boot loader brings.
    public static let ram = TransportName(rawValue: "ram")

    /// The name itself.
    public var description: String { rawValue }
}
