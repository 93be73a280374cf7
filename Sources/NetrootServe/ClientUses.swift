import Synchronization

/// Told that a client uses an export.
public typealias ClientUse = @Sendable (_ address: String, _ export: Export) -> Void

/// Which clients have which trees open, over all connections of a server.
final class ClientUses: Sendable {
    private struct Use: Hashable {
        let address: String
        let export: Export
    }

    /// The connections of each.
    private let open = Mutex<[Use: Int]>([:])
    private let onUse: ClientUse

    init(_ onUse: @escaping ClientUse) { self.onUse = onUse }

    /// Tells of every client that has a connection, though it may ask nothing.
    func renew() {
        for use in open.withLock({ Array($0.keys) }) { onUse(use.address, use.export) }
    }

    /// The trees of one connection. It belongs to the connection, and tells when that ends.
    final class Connection {
        private let uses: ClientUses
        private let address: String
        private var exports: Set<Export> = []
        /// More trees than that no client mounts; one that does is told of all the same.
        private static let mostExports = 64

        init(_ uses: ClientUses, address: String) {
            self.uses = uses
            self.address = address
        }

        /// The connection names a tree; for one that it named before this does nothing.
        func add(_ export: Export) {
            guard !exports.contains(export) else { return }
            if exports.count < Self.mostExports {
                exports.insert(export)
                uses.open.withLock { $0[Use(address: address, export: export), default: 0] += 1 }
            }
            uses.onUse(address, export)
        }

        deinit {
            for export in exports {
                uses.open.withLock { open in
                    let use = Use(address: address, export: export)
                    let left = (open[use] ?? 1) - 1
                    open[use] = left > 0 ? left : nil
                }
                uses.onUse(address, export)
            }
        }
    }
}
