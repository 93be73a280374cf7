public import FoundationEssentials

/// Which clients netroot's own NFS server was asked by for which generations, and when: `NETROOT/clients/nfs.json`.
///
/// A client whose attribute cache holds asks nothing for a day, and none is told when the server starts anew. So `gc` goes by
/// this record, and not by the connections of the moment.
public struct ClientRecord: Sendable, Equatable {
    /// One client and one generation that it used.
    public struct Entry: Sendable, Equatable {
        /// Its numeric address; nil for all those together that the record has no room for.
        public var address: String?
        /// The generation's number.
        public var generation: Int
        /// When it first used that generation; whole seconds.
        public var firstSeen: Date
        /// When it was last known to use it; whole seconds.
        public var lastSeen: Date
        /// How many clients the entry stands for, at most: one that comes again after it lost its place counts again.
        public var clients = 1

        /// One sight of a client.
        public init(address: String?, generation: Int, seen: Date) {
            self.address = address
            self.generation = generation
            firstSeen = seen
            lastSeen = seen
        }

        mutating func join(_ other: Entry) {
            firstSeen = min(firstSeen, other.firstSeen)
            lastSeen = max(lastSeen, other.lastSeen)
        }
    }

    /// A client by its address, nil for the others, and a generation.
    struct Key: Hashable {
        let address: String?
        let generation: Int
    }

    /// The most clients that are listed, of all generations together. Whoever has a network of addresses must not fill the
    /// disk; those beyond are kept as one entry a generation, since `gc` needs no names.
    static let mostClients = 4096

    /// The one transport whose clients are known: that of netroot's own server.
    public static let transport = "nfs"

    /// When a server began to record; whole seconds. Nil where it is not known: nobody has, or an older netroot.
    public var since: Date?
    private var byKey: [Key: Entry] = [:]
    private let limit: Int

    /// No client yet.
    public init() { limit = Self.mostClients }

    init(limit: Int) { self.limit = limit }

    /// Sorted by generation, the newest first, then the last seen first.
    public var entries: [Entry] {
        byKey.values.sorted {
            ($1.generation, $1.lastSeen, $0.address ?? "~") < ($0.generation, $0.lastSeen, $1.address ?? "~")
        }
    }

    /// Whether nobody is in it.
    public var isEmpty: Bool { byKey.isEmpty }

    /// Whether the client is listed with the generation.
    public func has(_ address: String, _ generation: Int) -> Bool {
        byKey[Key(address: address, generation: generation)] != nil
    }

    /// Adds what was seen.
    public mutating func add(_ entry: Entry) {
        let key = Key(address: entry.address, generation: entry.generation)
        if var known = byKey[key] {
            known.join(entry)
            if entry.address == nil { known.clients += entry.clients }
            byKey[key] = known
        } else {
            byKey[key] = entry
        }
        // In steps: to look for the oldest costs a pass over all.
        if byKey.count > limit + limit / 8 { fold(to: limit) }
    }

    /// Adds what another record has seen.
    public mutating func add(_ other: ClientRecord) {
        for entry in other.byKey.values { add(entry) }
        fold(to: limit)
    }

    /// Forgets generations that are gone.
    public mutating func keep(_ generations: Set<Int>) {
        byKey = byKey.filter { generations.contains($0.key.generation) }
    }

    /// Makes room: those that were seen longest ago lose their names, and keep their generation's time.
    private mutating func fold(to count: Int) {
        let named = byKey.values.filter { $0.address != nil }
        guard named.count > count else { return }
        for entry in named.sorted(by: { $0.lastSeen < $1.lastSeen }).prefix(named.count - count) {
            byKey[Key(address: entry.address, generation: entry.generation)] = nil
            var others = entry
            others.address = nil
            let key = Key(address: nil, generation: entry.generation)
            if var known = byKey[key] {
                known.join(others)
                known.clients += 1
                byKey[key] = known
            } else {
                byKey[key] = others
            }
        }
    }
}

extension ClientRecord: Codable {
    /// The version of the file's form.
    static let schema = 1

    private enum CodingKeys: CodingKey { case schema, since, clients }

    private struct Row: Codable {
        var address: String?
        var clients: Int?
        var firstSeen: String
        var generation: Int
        var lastSeen: String
        var transport: String
    }

    /// Reads the file's form.
    public init(from decoder: any Decoder) throws {
        self.init()
        let container = try decoder.container(keyedBy: CodingKeys.self)
        guard try container.decode(Int.self, forKey: .schema) == Self.schema else {
            throw DecodingError.dataCorruptedError(
                forKey: .schema, in: container, debugDescription: "it is of another netroot")
        }
        for row in try container.decode([Row].self, forKey: .clients) {
            guard let first = Self.date(row.firstSeen), let last = Self.date(row.lastSeen), row.generation > 0 else {
                throw DecodingError.dataCorruptedError(
                    forKey: .clients, in: container, debugDescription: "a time or generation is none")
            }
            var entry = Entry(address: row.address, generation: row.generation, seen: last)
            entry.firstSeen = first
            entry.clients = row.address == nil ? max(1, min(row.clients ?? 1, 1 << 40)) : 1
            add(entry)
        }
        fold(to: limit)
        since = try container.decodeIfPresent(String.self, forKey: .since).map { text in
            guard let date = Self.date(text) else {
                throw DecodingError.dataCorruptedError(forKey: .since, in: container, debugDescription: "it is no time")
            }
            return date
        }
    }

    /// Writes the file's form.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(Self.schema, forKey: .schema)
        try container.encodeIfPresent(since.map(JSON.timestamp), forKey: .since)
        try container.encode(
            entries.map { entry in
                Row(
                    address: entry.address, clients: entry.address == nil ? entry.clients : nil,
                    firstSeen: JSON.timestamp(entry.firstSeen), generation: entry.generation,
                    lastSeen: JSON.timestamp(entry.lastSeen), transport: Self.transport)
            }, forKey: .clients)
    }

    static func date(_ text: String) -> Date? {
        do { return try Date(text, strategy: .iso8601) } catch { return nil }
    }
}
