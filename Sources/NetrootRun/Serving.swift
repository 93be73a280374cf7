public import NetrootConfig
import NetrootEntry
public import NetrootServe
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
    /// Who may connect: addresses and networks, `*` for everybody; none: whom the label was installed for.
    public let clients: [String]
    /// What clients can make the server spend.
    public let limits: NFSLimits

    /// Nothing is opened yet; `run` serves.
    public init(label: Label, address: String, port: Int, clients: [String] = [], limits: NFSLimits = NFSLimits()) {
        self.clients = clients
        self.limits = limits
        self.label = label
        self.address = address
        self.port = port
    }

    /// Serves all generations; those that a client has used are held, so that `gc` leaves them alone.
    /// - Throws: `StoreError`, `BootError`, `ServeError`, `SystemError`; a cancelled task is the regular end.
    public func run(say: @escaping @Sendable (String) -> Void) async throws {
        try Transports.shipped.requireWritable(label, by: NFS(), from: NFS.own)
        let store = LabelStore(label: label)
        let stored = try store.usable()
        // A damaged one, were it the current one, is no reason to serve none.
        if stored.generations.isEmpty { _ = try store.current() }
        for error in stored.damaged { say("not served: \(error)") }
        let clients = try allowed()
        var accepts: (@Sendable (String) -> Bool)?
        if let clients { accepts = { address in clients.contains { $0.contains(address) } } }
        let held = HeldGenerations()
        let recorder = ClientRecorder(store: store, say: say)
        let server = try await NFSServer.start(
            exports: try Self.exports(of: store), provider: { try Self.exports(of: store) }, address: address,
            port: port, accepts: accepts, onFirstUse: { held.hold($0, of: store, say: say) },
            onUse: { recorder.note($0, Int($1.generation)) }, limits: limits)
        await recorder.begin()
        let recording = Task { await recorder.run { server.renewUses() } }
        say("serving \(label.name) on \(server.address), port \(server.port), read-only")
        say(
            clients.map { "clients \($0.map(\.description).joined(separator: " "))" }
                ?? "clients: whoever reaches the port")
        for path in server.paths { say("export \(path)") }
        do {
            while true { try await Task.sleep(for: .seconds(86400)) }
        } catch is CancellationError {
            let statistics = server.statistics
            try await recorder.end(recording) { try await server.stop() }
            say("served \(statistics.totalOperations) operations, \(statistics.bytesRead) bytes read")
            withExtendedLifetime(held) {}
        }
    }

    /// Who may connect; nil: everybody, because it was said, or because nobody has said anything.
    private func allowed() throws -> [AddressRange]? {
        // Nobody but this machine reaches a server on loopback.
        let loopback = ["127.0.0.0/8", "::1"].compactMap(AddressRange.init)
        if clients.isEmpty, loopback.contains(where: { $0.contains(address) }) { return nil }
        let given = clients.isEmpty ? try InstallOptions.last(label)?.clients ?? [] : clients
        guard !given.isEmpty, !given.contains("*"), !given.contains("any") else { return nil }
        return try given.map { client in
            guard let range = AddressRange(client) else {
                throw RunError.clientNotAddress(client, label: label.name)
            }
            return range
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

    /// Holds the generation of an export until the server ends. Where another process has locked it, clients are served all
    /// the same, and it is tried again.
    func hold(_ export: Export, of store: LabelStore, say: @escaping @Sendable (String) -> Void) {
        do {
            try take(export, of: store)
        } catch let error as StoreError where error.exitStatus == .locked {
            say("generation \(export.generation) is used and cannot be held yet, so that gc may remove it: \(error)")
            Task { await keepTrying(export, of: store, say: say) }
        } catch {
            say("generation \(export.generation) is used and cannot be held: \(error)")
        }
    }

    private func take(_ export: Export, of store: LabelStore) throws {
        let hold = try store.generation(Int(export.generation)).hold()
        holds.withLock { $0.append(hold) }
    }

    /// Ends with the hold, with the generation, or with the process.
    private func keepTrying(_ export: Export, of store: LabelStore, say: @Sendable (String) -> Void) async {
        while true {
            do {
                try await Task.sleep(for: .seconds(1))
                try take(export, of: store)
                say("generation \(export.generation) is held now")
                return
            } catch let error as StoreError where error.exitStatus == .locked {
                continue
            } catch {
                say("generation \(export.generation) is used and cannot be held: \(error)")
                return
            }
        }
    }
}
