/// The bytes that the connections of one event loop make the server hold: replies that their clients do not take, and
/// requests that are not whole or not answered yet. Each loop has its share of the whole, so that it decides alone.
final class ReplyBudget {
    let limit: Int
    private(set) var held = 0
    private var clients: [ClientKey: Int] = [:]

    init(limit: Int) {
        self.limit = limit
    }

    /// Half of it is used: from here on each connection gets less, and must take it soon.
    var isTight: Bool { held > limit / 2 }
    /// More than all of it is used: somebody has to go.
    var isExceeded: Bool { held > limit }

    /// Counts bytes that a client's connection holds now, or holds no longer.
    func change(by bytes: Int, of client: ClientKey) {
        held += bytes
        let now = clients[client, default: 0] + bytes
        clients[client] = now > 0 ? now : nil
    }

    /// Whose connections hold the most, all together.
    var heaviest: ClientKey? { clients.max { $0.value < $1.value }?.key }
}
