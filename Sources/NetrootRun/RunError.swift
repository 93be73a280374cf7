public import NetrootConfig
import NetrootEntry
public import NetrootSystem

/// Why a label cannot be served or booted in a run on this machine.
public enum RunError: ReportableError, Equatable {
    /// A TCP port is in use.
    case portInUse(port: Int, option: String)
    /// A firmware and a boot loader that do not go together.
    case loaderMismatch(loader: String, firmware: String)
    /// A run has no server for the transport.
    case noServer(transport: TransportName)
    /// A server that a run needs ended, or did not answer.
    case serverFailed(name: String, reason: String, log: String)
    /// There is no NFS server in this kernel.
    case noKernelServer(reason: String)
    /// netroot's own NFS server cannot tell this client by its address.
    case clientNotAddress(String, label: String)
    /// A boot check of a label without an overlay.
    case nothingToCheck(label: String)
    /// The record of what a machine changed on the host cannot be read.
    case damagedRecord(path: String)
    /// What is to be appended to the initramfs is not an archive that the kernel takes.
    case badSideload(path: String, problem: String, next: String)
    /// QEMU ended at once.
    case machineFailed(termination: Termination, reason: String)

    /// `.usage` where another option or setting is what is wanted, `.unavailable` without a server, else `.failed`.
    public var exitStatus: ExitStatus {
        switch self {
        case .nothingToCheck, .loaderMismatch, .clientNotAddress, .badSideload: .usage
        case .noKernelServer, .noServer: .unavailable
        default: .failed
        }
    }

    /// One or two lines: what, where and what to do next.
    public var description: String {
        switch self {
        case .portInUse(let port, let option):
            return
                "port \(port) on 127.0.0.1 is in use; end what listens there (ss -ltnp), or give \(option) another one"
        case .loaderMismatch(let loader, let firmware):
            return "--loader \(loader) does not go with --firmware \(firmware); \(Self.loaders)"
        case .noServer(let transport):
            return "netroot cannot serve \(transport) for a machine of its own; install it, and boot a real client"
        case .serverFailed(let name, let reason, let log):
            return "\(name) \(reason); log: \(log)"
        case .noKernelServer(let reason):
            return "--server kernel: \(reason); apt-get install nfs-kernel-server, or leave --server out"
        case .clientNotAddress(let client, let label):
            return "serve cannot tell the client '\(client)' of \(label) by its address; give --client an address or a "
                + "network such as 192.168.7.0/24, or any"
        case .nothingToCheck(let label):
            return "\(label) has RW=Y: the boot check is for read-only roots with an overlay; set RW=N to test it"
        case .damagedRecord(let path):
            return "\(path) cannot be read; look for exports (exportfs -s) that a killed run left, then remove the file"
        case .badSideload(let path, let problem, let next):
            return "--sideload \(path) \(problem); \(next)"
        case .machineFailed(let termination, let reason):
            return "QEMU ended with \(termination): \(reason); see EXTRA_QEMU and VM_MEMORY in the hosts file"
        }
    }

    /// What goes with what.
    private static let loaders = Firmware.allCases.map { firmware in
        "\(firmware.rawValue): \(firmware.loaders.map(\.rawValue).joined(separator: ", "))"
    }.joined(separator: "; ")

    /// A server that ended by itself.
    static func serverEnded(_ daemon: Daemon, _ ending: Daemon.Ending, _ when: String) -> RunError {
        let how = ending.termination.map { "ended with \($0)" } ?? "was stopped"
        let line = ending.lastLines.last.map { ": \($0)" } ?? ""
        return .serverFailed(name: daemon.name, reason: "\(how) \(when)\(line)", log: daemon.log)
    }
}
