public import ArgumentParser
import NetrootConfig
public import NetrootSite
import NetrootSystem

extension NFSServerKind: ExpressibleByArgument {}

/// The options of every install verb.
struct InstallArguments: ParsableArguments {
    @OptionGroup var options: LabelOptions
    @Option(name: .long, help: "The server's address, as the clients reach it (10.0.2.2).")
    var address: String?
    @Option(name: .long, help: "The port of nginx, for images and for what iPXE loads (8080).")
    var httpPort: Int?
    @Option(
        name: .long,
        help: "Who may have the root: an address or a network, for nfsd whatever exports(5) has (*); may be repeated.")
    var client: [String] = []
    @Option(
        name: .long,
        help: "A newc archive appended to the initramfs, or a directory laid over the root; may be repeated.")
    var append: [String] = []
    @Flag(name: .long, help: "Forget the archives and directories of --append.")
    var noAppend = false
    @Flag(name: .long, help: "Leave the entry that boots by itself as it is.")
    var noDefault = false
    @Flag(name: .long, help: "Put the export into the system's folder too.")
    var system = false
    @Flag(name: .long, help: "Print what would change, and change nothing.")
    var dryRun = false

    func validate() throws { try checkPorts(["--http-port": httpPort]) }

    /// Installs, prints what was done, and how a running server learns of it.
    func run(_ transport: Transport, set: (inout InstallOptions) -> Void = { _ in }) async throws {
        var install = try Install(label: try options.load(), transport: transport)
        if let address { install.options.address = address }
        if let httpPort { install.options.httpPort = httpPort }
        if !client.isEmpty { install.options.clients = client }
        if noAppend || !append.isEmpty { install.options.append = try append.map(CommonOptions.absolute) }
        set(&install.options)
        install.makeDefault = !noDefault
        install.system = system
        let ready = install
        let plan =
            dryRun
            ? try await ready.plan() : try await Interruption.cancelling { try await ready.run() }
        FileWriter.standardOutput.write(plan.report(dryRun: dryRun))
        if system, !dryRun { FileWriter.standardOutput.write("next: \(transport.reload)\n") }
    }
}

extension Transport {
    /// How the system's server reads its exports anew.
    fileprivate var reload: String {
        switch self {
        case .nfs: "exportfs -ra"
        // Debian's unit has no reload: a restart would cut off running clients.
        case .nbd: "/etc/init.d/nbd-server reload"
        case .iscsi: "tgt-admin --execute"
        case .http: "systemctl reload-or-restart nginx"
        }
    }
}

struct InstallNFSCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "installnfs", abstract: "Write TFTP root, boot entry and NFS export of the current generation.",
        discussion: """
            The entry is written for PXELINUX, GRUB (UEFI) and iPXE. What is not given is as in the label's last
            install. At first the entry is for QEMU's user network, where the host is 10.0.2.2.

            Examples:
              netroot installnfs debian12
              netroot installnfs debian12 --address 192.168.7.1                   clients of `netroot serve`
              netroot installnfs debian12 --address 192.168.7.1 --server kernel --system
              netroot installnfs debian12 --append /srv/site/debian12             files for the overlay
            """)

    @OptionGroup var arguments: InstallArguments
    @Option(name: .long, help: "The port of `netroot serve` (2049).")
    var port: Int?
    @Option(name: .long, help: "Who serves the root: netroot, or the kernel's nfsd (netroot).")
    var server: NFSServerKind?

    func validate() throws { try checkPorts(["--port": port]) }

    func run() async throws {
        try await arguments.run(.nfs) { options in
            if let port { options.port = port }
            if let server { options.server = server }
        }
    }
}

struct InstallNBDCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "installnbd",
        abstract: "Write TFTP root, boot entry and nbd-server's export of the current generation.",
        discussion: """
            The entry is LABEL@nbd, beside the label's others. TRANSPORTS of the label has to name nbd.

            Example:
              netroot installnbd debian12 --address 192.168.7.1 --system
            """)

    @OptionGroup var arguments: InstallArguments
    @Option(name: .long, help: "The port of nbd-server (10809).")
    var port: Int?

    func validate() throws { try checkPorts(["--port": port]) }

    func run() async throws {
        try await arguments.run(.nbd) { options in
            if let port { options.nbdPort = port }
        }
    }
}

struct InstallISCSICommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "installiscsi",
        abstract: "Write TFTP root, boot entry and tgt's target of the current generation.",
        discussion: """
            The entry is LABEL@iscsi, beside the label's others. TRANSPORTS of the label has to name iscsi.

            Example:
              netroot installiscsi debian12 --address 192.168.7.1 --system
            """)

    @OptionGroup var arguments: InstallArguments
    @Option(name: .long, help: "The port of tgtd (3260).")
    var port: Int?

    func validate() throws { try checkPorts(["--port": port]) }

    func run() async throws {
        try await arguments.run(.iscsi) { options in
            if let port { options.iscsiPort = port }
        }
    }
}

struct InstallHTTPCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "installhttp",
        abstract: "Write TFTP root, boot entry and nginx's configuration for the current generation.",
        discussion: """
            The client fetches the whole image into its RAM. The entry is LABEL@http, beside the label's others. TRANSPORTS
            of the label has to name http.

            Example:
              netroot installhttp debian12 --address 192.168.7.1 --http-port 80 --system
            """)

    @OptionGroup var arguments: InstallArguments

    func run() async throws { try await arguments.run(.http) }
}
