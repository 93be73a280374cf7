import NetrootEntry
public import NetrootSystem

/// Why a label cannot be installed, served or booted.
public enum BootError: ReportableError, Equatable {
    /// A TCP port is in use.
    case portInUse(port: Int, option: String)
    /// The TFTP root cannot be written.
    case tftpNotWritable(path: String, reason: String)
    /// The label has no boot entry in the TFTP root.
    case notInstalled(label: String, transport: String, tftpboot: String)
    /// The installed generation is gone.
    case installedGenerationGone(label: String, number: Int)
    /// The embedded server is read-only, the label is not.
    case readWriteNeedsKernelServer(label: String)
    /// The kernel's nfsd exports directories, the label is an image.
    case kernelServerNeedsTree(label: String, generation: Int)
    /// A root that is written to, by a transport that is read-only.
    case readWriteNeedsNFS(label: String, transport: String)
    /// The transport carries an image, the generation has none.
    case noImage(label: String, generation: Int, transport: String)
    /// The generation has no tree.
    case noTree(label: String, generation: Int)
    /// The initramfs was built without what a transport needs.
    case initramfsLacks(transport: String, label: String, generation: Int, known: [String])
    /// A firmware and a boot loader that do not go together.
    case loaderMismatch(loader: String, firmware: String)
    /// A server that a run needs ended, or did not answer.
    case serverFailed(name: String, reason: String, log: String)
    /// nginx serves another TFTP root on the same port.
    case siteTaken(path: String, port: Int)
    /// There is no NFS server in this kernel.
    case noKernelServer(reason: String)
    /// A boot check of a label without an overlay.
    case nothingToCheck(label: String)
    /// The record of what a machine changed on the host cannot be read.
    case damagedRecord(path: String)
    /// The options of the last install cannot be read.
    case damagedOptions(path: String)
    /// QEMU ended at once.
    case machineFailed(termination: Termination, reason: String)
    /// The exports cannot be put into the system's folder.
    case exportsNotWritable(path: String, reason: String)

    /// `.usage` for what `RW=Y` rules out, `.unavailable` without a kernel server, else `.failed`.
    public var exitStatus: ExitStatus {
        switch self {
        case .readWriteNeedsKernelServer, .nothingToCheck, .readWriteNeedsNFS, .kernelServerNeedsTree, .loaderMismatch:
            .usage
        case .noKernelServer: .unavailable
        default: .failed
        }
    }

    /// One or two lines: what, where and what to do next.
    public var description: String {
        switch self {
        case .portInUse(let port, let option):
            return
                "port \(port) on 127.0.0.1 is in use; end what listens there (ss -ltnp), or give \(option) another one"
        case .tftpNotWritable(let path, let reason):
            return "TFTPBOOT \(path) cannot be written: \(reason); mend its permissions, or set TFTPBOOT elsewhere"
        case .notInstalled(let label, let transport, let tftpboot):
            return "\(label) has no boot entry for \(transport) in \(tftpboot); netroot install\(transport) \(label)"
        case .installedGenerationGone(let label, let number):
            return "the boot entry of \(label) names generation \(number), which is gone; install the label again"
        case .readWriteNeedsKernelServer(let label):
            return "\(label) has RW=Y and netroot's own NFS server is read-only; add --server kernel"
        case .kernelServerNeedsTree(let label, let generation):
            return
                "--server kernel exports directories, generation \(generation) of \(label) is an image; "
                + "set FORMAT = tree, or leave --server out"
        case .readWriteNeedsNFS(let label, let transport):
            return "\(label) has RW=Y and \(transport) is read-only; set RW=N, or use installnfs --server kernel"
        case .noImage(let label, let generation, let transport):
            return
                "generation \(generation) of \(label) has no image, which \(transport) wants; "
                + "set TRANSPORTS or FORMAT in the hosts file, then netroot build \(label)"
        case .noTree(let label, let generation):
            return "generation \(generation) of \(label) has no tree; set FORMAT = tree, then netroot build \(label)"
        case .initramfsLacks(let transport, let label, let generation, let known):
            return
                "the initramfs of \(label), generation \(generation), boots by \(known.joined(separator: ", ")), not by "
                + "\(transport); add it to TRANSPORTS in the hosts file, then netroot build \(label)"
        case .loaderMismatch(let loader, let firmware):
            return "--loader \(loader) does not go with --firmware \(firmware); bios: pxelinux, ipxe; uefi: grub"
        case .siteTaken(let path, let port):
            return "\(path) is for another TFTP root; give --http-port another than \(port), or remove the file"
        case .serverFailed(let name, let reason, let log):
            return "\(name) \(reason); log: \(log)"
        case .noKernelServer(let reason):
            return "--server kernel: \(reason); apt-get install nfs-kernel-server, or leave --server out"
        case .nothingToCheck(let label):
            return "\(label) has RW=Y: the boot check is for read-only roots with an overlay; set RW=N to test it"
        case .damagedRecord(let path):
            return "\(path) cannot be read; look for exports (exportfs -s) that a killed run left, then remove the file"
        case .damagedOptions(let path):
            return "\(path) cannot be read; remove it, and give installnfs its options again"
        case .machineFailed(let termination, let reason):
            return "QEMU ended with \(termination): \(reason); see EXTRA_QEMU and VM_MEMORY in the hosts file"
        case .exportsNotWritable(let path, let reason):
            return "\(path) cannot be written: \(reason); run it as root, or leave --system out"
        }
    }
}
