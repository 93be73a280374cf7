import ArgumentParser
import NetrootConfig
import NetrootEntry
import NetrootSite
import NetrootSystem

struct InstallCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "install", abstract: "Write the TFTP root, the boot entries and the exports of a label.",
        discussion: """
            Installs the current generation for each TRANSPORT; without one, for all
            of the label's TRANSPORTS. The first of them is what a client boots without
            being asked. The entry by nfs has the label's name, the others are
            LABEL@TRANSPORT. All are written for PXELINUX, GRUB (UEFI) and iPXE.

            What is not given stays as in the label's last install. At first the
            entries are for QEMU's user network, where the host is 10.0.2.2.
            --port and --server are for one transport. --system wants --client.

            In the place of a transport, grub puts a label of FORMAT initramfs beside the
            GRUB of an installed machine, and prints the command that boots it once.

            Examples:
              netroot install debian12
              netroot install debian12 nfs --address 192.168.7.1
              netroot install debian12 nfs --server kernel --system --client 192.168.7.0/24
              netroot install debian12 http --http-port 80 --system --client 192.168.7.0/24
              netroot install debian12 --append /srv/site/debian12
              netroot install rescue grub --boot /boot --append site.cpio.zst
            """)

    @OptionGroup var options: LabelOptions
    @Argument(help: "How clients get the root (default: the label's TRANSPORTS), or grub.")
    var transport: [TransportName] = []
    @OptionGroup var short: ShortFormOption
    @Option(name: .long, help: "The server's IPv4 or IPv6 address or name, as the clients reach it (10.0.2.2).")
    var address: String?
    @Option(name: .long, help: "The port of the transport's server (nfs 2049, nbd 10809, iscsi 3260).")
    var port: Int?
    @Option(name: .long, help: "The transport's server; for nfs: netroot, or kernel for the kernel's nfsd.")
    var server: String?
    @Option(name: .long, help: "The port of nginx, for images and for what iPXE loads (8080).")
    var httpPort: Int?
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Who may have the root: an address or a network, for nfsd whatever exports(5) has, or any; may be repeated."
        ))
    var client: [String] = []
    @Option(
        name: .long,
        help: "A newc archive appended to the initramfs, or a directory laid over the root; may be repeated.")
    var append: [String] = []
    @Flag(name: .long, help: "Forget the archives and directories of --append.")
    var noAppend = false
    @Flag(name: .long, help: "Leave the entry that boots by itself as it is.")
    var noDefault = false
    @Flag(name: .long, help: "Put the exports into the system's folders too.")
    var system = false
    @Option(name: .long, help: "With grub: the directory that holds GRUB's, such as /boot.")
    var boot: String?
    @Flag(name: .long, help: "With grub: take back what was installed.")
    var remove = false
    @Flag(name: .long, help: "Print what would change, and change nothing.")
    var dryRun = false

    func validate() throws { try checkPorts(["--http-port": httpPort, "--port": port]) }

    /// Installs, prints what was done, and how running servers learn of it.
    func run() async throws {
        try checkGRUBOptions()
        let label = try options.load()
        guard !isForGRUB else { return try await runGRUB(label) }
        let chosen = try Transports.shipped.require(try short.names(transport) ?? label.transports)
        var install = try Install(label: label, by: chosen)
        if let address { install.options.address = try ServerAddress(parsing: address).description }
        if let httpPort { install.options.httpPort = httpPort }
        if !client.isEmpty { install.options.setClients(client) }
        if noAppend || !append.isEmpty { install.options.append = try append.map(CommonOptions.absolute) }
        try setServer(of: chosen, in: &install.options)
        install.makeDefault = !noDefault
        install.system = system
        install.interfaces = try InterfaceAddress.ofThisMachine()
        let ready = install
        let plan =
            dryRun
            ? try await ready.plan() : try await Interruption.cancelling { try await ready.run() }
        for note in plan.notes { FileWriter.standardError.write("netroot: \(note)\n") }
        FileWriter.standardOutput.write(try await plan.report(dryRun: dryRun))
        if system, !dryRun {
            for reload in ready.reloads(after: plan) { FileWriter.standardOutput.write("next: \(reload)\n") }
        }
    }

    private func setServer(of chosen: [any Transport], in options: inout InstallOptions) throws {
        guard port != nil || server != nil else { return }
        guard let transport = chosen.first, chosen.count == 1 else {
            throw OptionError(
                problem: "\(port == nil ? "--server" : "--port") is for one transport",
                hint: "name it: netroot install \(self.options.label) \(chosen[0].name)")
        }
        if let port {
            guard transport.standardPort != nil else {
                throw OptionError(problem: "\(transport.name) has no port of its own", hint: "give --http-port")
            }
            options.ports[transport.name.rawValue] = port
        }
        if let server { options.servers[transport.name.rawValue] = try transport.server(named: server).name }
    }
}
