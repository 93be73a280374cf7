import Glibc

/// The file descriptors that a server needs, and those that it may have (`RLIMIT_NOFILE`).
struct DescriptorNeed {
    let exports: Int

    /// What the program, its event loops and its threads have open.
    private static let own = 64
    /// Files and connections that a server of any use has.
    private static let leastFiles = 32
    private static let leastConnections = 128

    /// Of each export the root is open, and its directory is held while it is used.
    private var trees: Int { 2 * exports }
    /// Without as many it is not worth beginning: files would fail to open, and clients would be sent away.
    var least: Int { Self.own + trees + Self.leastFiles + Self.leastConnections }

    /// Makes room for the descriptors that the limits allow, or lowers the limits to what there is, so that accept
    /// never runs out of them.
    /// - Throws: `.tooFewDescriptors`, `.resource`.
    func raiseLimit(for limits: NFSLimits) throws(ServeError) -> NFSLimits {
        var current = rlimit()
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        guard getrlimit(resource, &current) == 0 else {
            throw .resource(what: "the limit of open files", reason: "\(Errno.current)")
        }
        let wanted = rlim_t(limits.connections + limits.openFiles + trees + Self.own)
        if current.rlim_cur < wanted {
            current.rlim_cur = min(wanted, current.rlim_max)
            guard setrlimit(resource, &current) == 0 else {
                throw .resource(what: "enough open files", reason: "\(Errno.current)")
            }
        }
        return try lowered(limits, available: Int(clamping: current.rlim_cur))
    }

    /// The limits with no more files and connections than there are descriptors.
    /// - Throws: `.tooFewDescriptors`.
    func lowered(_ limits: NFSLimits, available: Int) throws(ServeError) -> NFSLimits {
        guard available >= least else { throw .tooFewDescriptors(limit: available, needed: least) }
        var limits = limits
        let room = available - Self.own - trees
        limits.openFiles = min(limits.openFiles, max(Self.leastFiles, room / 5))
        limits.connections = min(limits.connections, room - limits.openFiles)
        return limits
    }
}
