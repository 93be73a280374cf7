public import NetrootSystem
public struct Export: Sendable { public init(path: String, directory: String, generation: UInt32) {} }
public struct NFSStatistics: Sendable { public var readBytes: UInt64 { 0 } }
public struct NFSServer: Sendable {
 public static func start(exports: [Export], provider: (@Sendable () throws -> [Export])?, address: String, port: Int) async throws -> NFSServer { NFSServer() }
 public var port: Int { 0 }
 public var statistics: NFSStatistics { .init() }
 public func stop() async throws {}
}
