public import NetrootConfig
import NetrootServe
import NetrootStore
import NetrootSystem
import Synchronization

/// A label's generations, served by netroot's own NFS server until the task is cancelled.
public struct Serving: Sendable {
    /// The label.
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

    /// Serves; the generations that are served are held, so that `gc` leaves them alone.
    /// - Throws: `StoreError`, `BootError`, `ServeError`, `SystemError`; a cancelled task is the regular end.
    public func run(say: @Sendable (String) -> Void) async throws {
        if label.rw { throw BootError.readWriteNeedsKernelServer(label: label.name) }
        let store = LabelStore(label: label)
        _ = try store.current()
        let held = HeldGenerations()
        let server = try await NFSServer.start(
            exports: try held.exports(of: store), provider: { try held.exports(of: store) }, address: address,
            port: port)
        say("serving \(label.name) on \(server.address), port \(server.port), read-only")
        for path in server.paths { say("export \(path)") }
        do {
            while true { try await Task.sleep(for: .seconds(86400)) }
        } catch is CancellationError {
            let statistics = server.statistics
            try await Task { try await server.stop() }.value
            say("served \(statistics.totalOperations) operations, \(statistics.bytesRead) bytes read")
            withExtendedLifetime(held) {}
        }
    }
}

/// The generations that a server has offered, each marked as in use.
private final class HeldGenerations: Sendable {
    private let holds = Mutex<[Int: GenerationHold]>([:])

    /// The exports of all generations that there are, newest first.
    func exports(of store: LabelStore) throws -> [Export] {
        let generations = try store.generations()
        for generation in generations {
            let hold = try generation.hold()
            holds.withLock { $0[generation.number] = $0[generation.number] ?? hold }
        }
        return generations.reversed().map(Export.init)
    }
}
