import Glibc
import NetrootConfig
import NetrootServe
import NetrootStore
import NetrootSystem

/// An NFS server that listens on 127.0.0.1 already and serves the label's root.
public struct RunningServer: Sendable, Equatable {
    /// Its port.
    public var port: Int
    /// The port of its MOUNT service; nil: the same.
    public var mountPort: Int?
    /// The path by which it exports the root; nil: the generation's own.
    public var path: String?

    /// Nothing is asked yet whether it answers.
    public init(port: Int, mountPort: Int? = nil, path: String? = nil) {
        self.port = port
        self.mountPort = mountPort
        self.path = path
    }
}

/// What `startnfs` and `test` share: the root served, and a TFTP root from which QEMU's machine boots it.
struct NFSBoot: Sendable {
    /// The label.
    let label: Label
    /// The port on 127.0.0.1 that leads to the guest's ssh.
    let sshPort: Int
    /// Who serves the root.
    let source: Source

    /// Who serves the root.
    enum Source: Sendable, Equatable {
        /// netroot's own server, in this process.
        case embedded
        /// The kernel's nfsd.
        case kernel
        /// A server that runs already.
        case running(RunningServer)
    }

    /// A root that is being served.
    struct Served: Sendable {
        let root: NFSRoot
        let server: NFSServer?

        /// Stops the server after an error, which stays the one that is told.
        func end(after error: any Error, note: @Sendable (String) -> Void) async {
            do {
                try await server?.stop()
            } catch let second {
                note("the NFS server did not stop: \(second)")
            }
        }
    }

    /// Everything that can be found wrong before anything is changed.
    /// - Returns: the generation that the boot entry names.
    /// - Throws: `BootError`, `MissingError`, `StoreError`, `SystemError`.
    func check() throws -> Generation {
        try Tool.require(Machine.tools)
        guard let number = try InstallNFS.installedGeneration(label) else {
            throw BootError.notInstalled(label: label.name, tftpboot: label.tftpboot)
        }
        let store = LabelStore(label: label)
        guard try store.numbers().contains(number) else {
            throw BootError.installedGenerationGone(label: label.name, number: number)
        }
        if label.rw, source == .embedded { throw BootError.readWriteNeedsKernelServer(label: label.name) }
        if source == .kernel { try KernelExport.requireServer() }
        try LocalPort.requireFree(sshPort, option: "--ssh-port")
        return try store.generation(number)
    }

    /// The exports that `serve` will make, for the record.
    func exports(of generation: Generation) -> [KernelExport] {
        source == .kernel ? [.local(generation.root, readWrite: label.rw)] : []
    }

    /// Serves the root.
    /// - Throws: `ServeError`, `CommandError`.
    func serve(_ generation: Generation) async throws -> Served {
        switch source {
        case .embedded:
            let server = try await NFSServer.start(
                exports: [Export(generation)], provider: nil, address: "127.0.0.1", port: 0)
            return Served(
                root: NFSRoot(server: Machine.hostAddress, path: generation.root, port: server.port), server: server)
        case .kernel:
            for export in exports(of: generation) { try await export.add() }
            return Served(root: NFSRoot(server: Machine.hostAddress, path: generation.root, port: nil), server: nil)
        case .running(let running):
            let root = NFSRoot(
                server: Machine.hostAddress, path: running.path ?? generation.root, port: running.port,
                mountPort: running.mountPort)
            return Served(root: root, server: nil)
        }
    }

    /// The kernel command line for QEMU's user network.
    func commandLine(_ served: Served) throws -> KernelCommandLine {
        try KernelCommandLine(
            root: served.root,
            address: .fixed(
                address: Machine.guestAddress, gateway: Machine.hostAddress, netmask: Machine.netmask,
                hostname: hostname, interface: "eth0"),
            nameserver: Machine.nameserver, rw: label.rw, overlaySize: label.overlaySize,
            debug: label.debug, virtualMachine: true, extra: emulation + label.extraCommandLine)
    }

    /// Under TCG address randomisation scatters the code that QEMU has translated, and boots stall for seconds.
    private var emulation: [String] {
        get throws { try Machine.canUseKVM() ? [] : ["norandmaps"] }
    }

    /// The guest's name: the label, with what a host name cannot have replaced (RFC 952).
    var hostname: String { String(label.name.map { $0 == "_" ? "-" : $0 }) }

    /// Fills the TFTP root of one run: the installed files by symlinks, and an entry of its own, for the port and
    /// the addresses are those of this run.
    /// - Parameter more: archives appended to the initramfs.
    /// - Returns: the directory, and the bytes that a client loads from it.
    /// - Throws: `SystemError`, and the renderers' errors.
    func makeTFTPRoot(
        in session: BootSession, _ generation: Generation, served: Served, appending more: [String]
    ) throws -> (directory: String, bytes: Int64) {
        let directory = session.directory + "/tftp"
        try Files.makeDirectory(directory + "/pxelinux.cfg")
        let installed = "\(label.tftpboot)/\(InstallNFS.bootDirectory(label.name, generation.number))"
        var bytes: Int64 = 0
        let files = [
            ("pxelinux.0", label.tftpboot + "/pxelinux.0"), ("ldlinux.c32", label.tftpboot + "/ldlinux.c32"),
            ("vmlinuz", installed + "/vmlinuz"), ("initrd.img", installed + "/initrd.img"),
        ]
        for (name, target) in files {
            bytes += try Files.size(target)
            try Files.replaceLink("\(directory)/\(name)", target: target)
        }
        let installedEntries = try PXELinuxConfig(bytes: try Files.read(InstallNFS.configPath(label)))
        let site = installedEntries.initrdPaths(of: label.name).dropFirst().map { "\(label.tftpboot)/\($0)" }
        let more = Array(site) + more
        for path in more { bytes += try Files.size(path) }
        for path in more { try Files.replaceLink("\(directory)/\(Self.name(path))", target: path) }
        let entry = PXELinuxEntry(
            label: label.name, title: label.name, kernel: "vmlinuz", initrds: ["initrd.img"] + more.map(Self.name),
            commandLine: try commandLine(served).rendered())
        let config = try PXELinuxConfig().replacing(entry)
        try Files.replace(directory + "/pxelinux.cfg/default", with: config.bytes)
        return (directory, bytes)
    }

    private static func name(_ path: String) -> String { path.split(separator: "/").last.map(String.init) ?? path }
}

extension Export {
    init(_ generation: Generation) {
        // The path is that of the tree for both: it is what clients mount.
        let number = UInt32(generation.number)
        if generation.hasTree {
            self.init(path: generation.root, directory: generation.root, generation: number)
        } else {
            self.init(path: generation.root, image: generation.image, generation: number)
        }
    }
}

/// TCP ports of this host.
enum LocalPort {
    /// Throws where something listens on the port of 127.0.0.1.
    /// - Throws: `BootError.portInUse`, `SystemError`.
    static func requireFree(_ port: Int, option: String) throws {
        let descriptor = try SystemError.check("open", "a socket", socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
        defer { close(descriptor) }
        var reuse: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &reuse, socklen_t(MemoryLayout<Int32>.size))
        var address = loopback(port)
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        if result == 0 { return }
        guard errno == EADDRINUSE else { throw SystemError("use", "port \(port)", code: errno) }
        throw BootError.portInUse(port: port, option: option)
    }

    /// Whether a connection to the port of 127.0.0.1 is accepted.
    /// - Throws: `SystemError`.
    static func answers(_ port: Int) throws -> Bool {
        let descriptor = try SystemError.check("open", "a socket", socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
        defer { close(descriptor) }
        var address = loopback(port)
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        } == 0
    }

    private static func loopback(_ port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(truncatingIfNeeded: port)).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }
}
