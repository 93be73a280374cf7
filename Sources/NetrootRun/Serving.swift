public import NetrootConfig
import NetrootEntry
import NetrootServe
import NetrootSite
import NetrootStore
import NetrootSystem
import Synchronization

/// A label's generations, served by netroot's own NFS server until the task is cancelled.
public struct Serving: Sendable {
    public let label: Label
    /// The numeric address to listen on.
    public let address: String
    /// The TCP port; 0 for any.
    public let port: Int

    /// Nothing is opened yet; `run` serves.
    public init(label: Label, address: String, port: Int) {
        self.label = label
        self.address = address
        self.port = port
    }

    /// Serves all generations; those that a client has used are held, so that `gc` leaves them alone.
    /// - Throws: `StoreError`, `BootError`, `ServeError`, `SystemError`; a cancelled task is the regular end.
    public func run(say: @escaping @Sendable (String) -> Void) async throws {
        try Transports.shipped.requireWritable(label, by: NFS(), from: NFS.own)
        let store = LabelStore(label: label)
        _ = try store.current()
        for error in try store.usable().damaged { say("not served: \(error)") }
        let held = HeldGenerations()
        let server = try await NFSServer.start(
            exports: try Self.exports(of: store), provider: { try Self.exports(of: store) }, address: address,
            port: port, onFirstUse: { held.hold($0, of: store, say: say) })
        say("serving \(label.name) on \(server.address), port \(server.port), read-only")
        for path in server.paths { say("export \(path)") }
        do {
            while true { try await Task.sleep(for: .seconds(86400)) }
        } catch is CancellationError {
            let statistics = server.statistics
            try await uncancelled { try await server.stop() }
            say("served \(statistics.totalOperations) operations, \(statistics.bytesRead) bytes read")
            withExtendedLifetime(held) {}
        }
    }

    /// The exports of all generations that there are, newest first.
    private static func exports(of store: LabelStore) throws -> [Export] {
        try store.usable().generations.reversed().compactMap { try Export($0) }
    }
}

/// The generations that clients of a server have used, each marked as in use.
private final class HeldGenerations: Sendable {
    private let holds = Mutex<[GenerationHold]>([])

    /// Holds the generation of an export until the server ends.
    func hold(_ export: Export, of store: LabelStore, say: (String) -> Void) {
        do {
            let hold = try store.generation(Int(export.generation)).hold()
            holds.withLock { $0.append(hold) }
        } catch {
            say("generation \(export.generation) is used and cannot be held: \(error)")
        }
    }
}
