public import NetrootConfig
import NetrootEntry
public import NetrootSystem

/// Why a label cannot be installed, or its generation not be booted.
public enum BootError: ReportableError, Equatable {
    /// The TFTP root cannot be written.
    case tftpNotWritable(path: String, reason: String)
    /// The label has no boot entry in the TFTP root.
    case notInstalled(label: String, transport: TransportName, tftpboot: String)
    /// The installed generation is gone.
    case installedGenerationGone(label: String, number: Int)
    /// The label's clients write to the root, and the server cannot let them; what could, where there is such a server.
    case readOnly(label: String, transport: TransportName, server: String, writable: Writable?)
    /// The generation has no artifact of a kind that the server serves; `server` is nil for the transport's usual one.
    case noArtifact(
        kinds: [ArtifactKind], label: String, generation: Int, transport: TransportName, server: String?)
    /// The server does not serve artifacts of this kind, whatever the generation has.
    case notServed(kind: ArtifactKind, transport: TransportName, server: String, serves: [ArtifactKind])
    /// The initramfs was built without what a transport needs.
    case initramfsLacks(transport: TransportName, label: String, generation: Int, known: [TransportName])
    /// nginx serves another TFTP root on the same port.
    case siteTaken(path: String, port: Int)
    /// The options of the last install cannot be read.
    case damagedOptions(path: String)
    /// The options of the last install are those of an older netroot.
    case olderOptions(path: String)
    /// The exports cannot be put into the system's folder.
    case exportsNotWritable(path: String, reason: String)
    /// Nobody has said who may have the root, and servers of this machine would offer it to everybody.
    /// - Parameter example: a network of this machine.
    case clientsNotSaid(label: String, servers: [String], example: String)
    /// A transport has no server of this name.
    case unknownServer(name: String, transport: TransportName, known: [String])

    /// A server that lets clients write.
    public struct Writable: Sendable, Equatable {
        /// The transport; nil: the one in question.
        public let transport: TransportName?
        /// The server, as `--server` names it.
        public let server: String
    }

    /// `.usage` where another option or setting is what is wanted, else `.failed`.
    public var exitStatus: ExitStatus {
        switch self {
        case .readOnly, .noArtifact(_, _, _, _, .some), .notServed, .unknownServer, .clientsNotSaid: .usage
        default: .failed
        }
    }

    /// One or two lines: what, where and what to do next.
    public var description: String {
        switch self {
        case .tftpNotWritable(let path, let reason):
            return "TFTPBOOT \(path) cannot be written: \(reason); change its permissions, or set TFTPBOOT elsewhere"
        case .notInstalled(let label, let transport, let tftpboot):
            return "\(label) has no boot entry for \(transport) in \(tftpboot); netroot install \(label) \(transport)"
        case .installedGenerationGone(let label, let number):
            return "the boot entry of \(label) names generation \(number), which is gone; install the label again"
        case .readOnly(let label, let transport, let server, let writable):
            if server == RAM.noServer.name {
                return "\(label) has RW=Y, and what a machine writes to a root in RAM is gone when it ends; set RW=N"
            }
            let problem = "\(label) has RW=Y, and \(server), which serves \(transport), is read-only"
            guard let writable else { return "\(problem); set RW=N" }
            guard let other = writable.transport else { return "\(problem); add --server \(writable.server)" }
            return "\(problem); set RW=N, or use \(other) with --server \(writable.server)"
        case .noArtifact(let kinds, let label, let generation, let transport, let server):
            let words = kinds.map(\.rawValue).joined(separator: " or ")
            let format = kinds.first?.format?.rawValue ?? "tree"
            if let server {
                return "generation \(generation) of \(label) has no \(words), which --server \(server) serves; "
                    + "set FORMAT = \(format) and build again, or leave --server out"
            }
            return "generation \(generation) of \(label) has no \(words), which \(transport) needs; "
                + "add \(format) to FORMAT in the hosts file, then netroot build \(label)"
        case .notServed(let kind, let transport, let server, let serves):
            return "\(server), which serves \(transport), does not serve \(kind.rawValue), but "
                + "\(serves.map(\.rawValue).joined(separator: " or ")); leave out --form \(kind.rawValue), or --server"
        case .initramfsLacks(let transport, let label, let generation, let known):
            return "the initramfs of \(label), generation \(generation), boots by "
                + "\(known.map(\.rawValue).joined(separator: ", ")), not by \(transport); "
                + "add it to TRANSPORTS in the hosts file, then netroot build \(label)"
        case .siteTaken(let path, let port):
            return "\(path) is for another TFTP root; give --http-port another than \(port), or remove the file"
        case .damagedOptions(let path):
            return "\(path) cannot be read; remove it, and give install its options again"
        case .olderOptions(let path):
            return "\(path) is of an older netroot; remove it, and give install its options again"
        case .exportsNotWritable(let path, let reason):
            return "\(path) cannot be written: \(reason); run it as root, or leave --system out"
        case .clientsNotSaid(let label, let servers, let example):
            return "everybody could have the root of \(label) from \(servers.joined(separator: " and ")); say who may "
                + "with --client, such as --client \(example), or --client any"
        case .unknownServer(let name, let transport, let known):
            let hint = nearestName(to: name, among: known).map { "did you mean '\($0)'?" }
            return "\(transport) has no server '\(name)'; " + (hint ?? "use \(known.joined(separator: ", "))")
        }
    }
}
