public import NetrootConfig

/// Tests write the names of transports as they stand in a hosts file.
extension TransportName: ExpressibleByStringLiteral {
    public init(stringLiteral name: String) { self.init(rawValue: name) }
}
