import Logging
import NIOCore
import Synchronization

/// Decides by a client's address whether it may connect, and tells in the log whom it refused.
final class ClientDoor: Sendable {
    private let accepts: @Sendable (String) -> Bool
    private let log: Logger
    /// Those that the log has: a client that asks again and again fills no disk, and neither do many clients.
    private let told = Mutex<Set<String>>([])
    private let mostTold = 1024

    init(accepts: @escaping @Sendable (String) -> Bool, log: Logger) {
        self.accepts = accepts
        self.log = log
    }

    func letsIn(_ address: SocketAddress?) -> Bool {
        guard let client = address?.ipAddress else { return false }
        if accepts(client) { return true }
        let isNew = told.withLock { told in told.count < mostTold && told.insert(client).inserted }
        if isNew { log.warning("refused \(client), which is not one of the clients") }
        return false
    }
}
