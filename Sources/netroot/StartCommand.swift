import ArgumentParser
import NetrootConfig
import NetrootEntry
import NetrootRun
import NetrootSite
import NetrootSystem

struct StartCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "start", abstract: "Boot a QEMU machine by PXE from what is installed of a label.",
        discussion: """
            Boots by TRANSPORT; without one, by the first of the label's TRANSPORTS. The
            console is on this terminal; Ctrl-C ends the machine, and everything that
            was started with it.

            Examples:
              netroot start debian12
              netroot start debian12 nbd --firmware uefi
              netroot start rescue ram --sideload site.cpio.zst
              ssh -p 2222 root@localhost
            """)

    @OptionGroup var options: LabelOptions
    @Argument(help: "How the machine gets the root (default: the first of the label's TRANSPORTS).")
    var transport: TransportName?
    @OptionGroup var short: ShortFormOption
    @Option(name: .long, help: "The port on 127.0.0.1 that leads to the guest's ssh.")
    var sshPort = 2222
    @Option(name: .long, help: "The machine's firmware: bios or uefi.")
    var firmware = Firmware.bios
    @Option(name: .long, help: "The boot loader: ipxe or pxelinux under bios (ipxe), grub under uefi; direct: QEMU.")
    var loader: BootLoader?
    @Option(name: .long, help: "The transport's server; for nfs: netroot, or kernel for the kernel's nfsd.")
    var server: String?
    @Option(name: .long, help: "What nfs serves where the generation has both: tree or squashfs (tree).")
    var form: ArtifactKind?
    @Option(name: .long, help: "An archive appended to the initramfs; may be repeated.", completion: .file())
    var sideload: [String] = []
    @Flag(name: .long, help: "Keep the console off this terminal; its log is kept in any case.")
    var headless = false

    func validate() throws { try checkPorts(["--ssh-port": sshPort]) }

    func run() async throws {
        let label = try options.load()
        let name = try short.names(transport.map { [$0] } ?? [])?.first ?? label.transports[0]
        let transport = try Transports.shipped.require(name)
        try form?.check(for: transport)
        let start = Start(
            label: label, way: BootWay(transport: transport, form: form, firmware: firmware, loader: loader),
            shipped: try ShippedFiles.locate(), sshPort: sshPort, server: try server.map(transport.server(named:)),
            sideloads: try await Sideloads(sideload.map(CommonOptions.absolute)), headless: headless)
        let progress = Progress()
        try await Interruption.cancelling { try await start.run { progress.note($0) } }
    }
}
