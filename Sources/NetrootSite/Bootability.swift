public import NetrootConfig
public import NetrootEntry
public import NetrootStore

extension Transports {
    /// The judgement whether a generation can be booted by a transport from a server, and what of it that server serves.
    /// - Parameters:
    ///   - server: one of the transport's servers.
    ///   - wanted: the kind of artifact that has to be served; nil: the first that server and generation have.
    /// - Throws: `BootError` with the reason.
    public func artifact(
        of generation: Generation, label: Label, by transport: any Transport, from server: TransportServer,
        wanted: ArtifactKind? = nil
    ) throws(BootError) -> ArtifactKind {
        let known = generation.manifest.transports
        // An archive with the whole root in it is no initramfs that was made for some transports.
        guard transport.loads != .initramfs || known.contains(transport.name) else {
            throw .initramfsLacks(
                transport: transport.name, label: label.name, generation: generation.number, known: known)
        }
        try requireWritable(label, by: transport, from: server)
        if let wanted, !server.serves.contains(wanted) {
            throw .notServed(kind: wanted, transport: transport.name, server: server.name, serves: server.serves)
        }
        let kinds = wanted.map { [$0] } ?? server.serves
        guard let found = kinds.first(where: { generation.artifact($0) != nil }) else {
            throw .noArtifact(
                kinds: kinds, label: label.name,
                generation: generation.number, transport: transport.name,
                server: server == transport.servers.first ? nil : server.name)
        }
        return found
    }

    /// Throws where a label's clients write to the root and the server cannot let them.
    /// - Throws: `BootError.readOnly`.
    public func requireWritable(
        _ label: Label, by transport: any Transport, from server: TransportServer
    ) throws(BootError) {
        guard label.rw, !server.canWrite else { return }
        let own = transport.servers.first(where: \.canWrite)
        let other = known.first { $0.servers.contains(where: \.canWrite) }
        throw .readOnly(
            label: label.name, transport: transport.name, server: server.name,
            writable: own.map { .init(transport: nil, server: $0.name) }
                ?? other.flatMap { other in
                    other.servers.first(where: \.canWrite).map { .init(transport: other.name, server: $0.name) }
                })
    }
}
