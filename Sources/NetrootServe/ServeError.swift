public import NetrootImage
public import NetrootSystem

/// What keeps a root from being served or probed.
public enum ServeError: ReportableError, Equatable {
    /// Somebody else listens there.
    case portInUse(address: String, port: Int)
    /// The address cannot be listened on, for another reason.
    case cannotListen(address: String, port: Int, reason: String)
    /// There is nothing to serve.
    case noExports
    /// An export's directory cannot be read.
    case unreadableExport(path: String, directory: String, reason: String)
    /// An export's image cannot be read.
    case unreadableImage(path: String, error: SquashfsReadError)
    /// A resource of the machine is short.
    case resource(what: String, reason: String)
    /// The process may have too few files and connections open to serve anybody.
    case tooFewDescriptors(limit: Int, needed: Int)
    /// The server cannot be stopped in an orderly way.
    case cannotStop(reason: String)
    /// A probe's argument is not HOST:PORT:/PATH.
    case badTarget(String)
    /// Nobody listens at HOST:PORT.
    case connectionRefused(target: String)
    /// The server has no such export.
    case notExported(target: String, path: String)
    /// The server did not answer in time.
    case timedOut(target: String, seconds: Int)
    /// The server answered with an error, or nonsense.
    case probeFailed(target: String, path: String, reason: String)

    /// One or two lines: the thing, the place, the next step.
    public var description: String {
        switch self {
        case .portInUse(let address, let port):
            "port \(port) of \(address) is in use; choose another with --port, or see who has it: ss -ltnp sport = :\(port)"
        case .cannotListen(let address, let port, let reason):
            "cannot listen on \(address) port \(port): \(reason); give an address of this machine"
        case .noExports:
            "there is no generation to serve; build one first: netroot build LABEL"
        case .unreadableExport(let path, let directory, let reason):
            "cannot read \(directory), the tree of export \(path): \(reason)"
        case .unreadableImage(let path, let error):
            "export \(path): \(error)"
        case .resource(let what, let reason):
            "the NFS server cannot get \(what): \(reason)"
        case .tooFewDescriptors(let limit, let needed):
            """
            the limit of open files is \(limit), and the NFS server needs at least \(needed); raise it: \
            ulimit -n \(max(needed, 8192)), or LimitNOFILE=8192 in a systemd unit
            """
        case .cannotStop(let reason):
            "the NFS server cannot be stopped: \(reason)"
        case .badTarget(let text):
            "'\(text)' names no export; write HOST:PORT:/PATH, for example 127.0.0.1:2049:/debian12"
        case .connectionRefused(let target):
            "nobody listens at \(target) (connection refused); start the server: netroot serve LABEL"
        case .notExported(let target, let path):
            "\(target) does not export \(path); netroot serve prints the paths that it exports"
        case .timedOut(let target, let seconds):
            "no answer from \(target) in \(seconds) s; is it an NFS server, and reachable?"
        case .probeFailed(let target, let path, let reason):
            "probing \(path) at \(target) failed: \(TerminalText.line(reason))"
        }
    }

    /// `.unavailable` where somebody else's service is the matter, `.usage` for a bad argument, otherwise `.failed`.
    public var exitStatus: ExitStatus {
        switch self {
        case .badTarget: .usage
        case .connectionRefused, .tooFewDescriptors: .unavailable
        default: .failed
        }
    }
}
