public import ArgumentParser
public import NetrootConfig
public import NetrootEntry
import NetrootRun
import NetrootSite
import NetrootStore
import NetrootSystem

extension Transport: ExpressibleByArgument {}
extension Firmware: ExpressibleByArgument {}
extension BootLoader: ExpressibleByArgument {}

/// As the value of `--form`: what NFS can serve.
extension ArtifactKind: ExpressibleByArgument {
    public init?(argument: String) {
        guard let kind = ArtifactKind(rawValue: argument), Transport.nfs.serves.contains(kind) else { return nil }
        self = kind
    }

    public static var allValueStrings: [String] { Transport.nfs.serves.map(\.rawValue) }
}

/// The options of every start verb.
struct StartArguments: ParsableArguments {
    @OptionGroup var options: LabelOptions
    @Option(name: .long, help: "The port on 127.0.0.1 that leads to the guest's ssh.")
    var sshPort = 2222
    @Option(name: .long, help: "The machine's firmware: bios or uefi.")
    var firmware = Firmware.bios
    @Option(name: .long, help: "The boot loader: ipxe or pxelinux under bios (ipxe), grub under uefi.")
    var loader: BootLoader?
    @Flag(name: .long, help: "Keep the console off this terminal; its log is kept in any case.")
    var headless = false

    func validate() throws { try checkPorts(["--ssh-port": sshPort]) }

    func run(_ transport: Transport, form: ArtifactKind? = nil, server: NFSServerKind = .netroot) async throws {
        let start = Start(
            label: try options.load(),
            way: BootWay(transport: transport, form: form, firmware: firmware, loader: loader),
            shipped: try ShippedFiles.locate(), sshPort: sshPort, server: server, headless: headless)
        let progress = Progress()
        try await Interruption.cancelling { try await start.run { progress.note($0) } }
    }
}

struct StartNFSCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "startnfs", abstract: "Boot a QEMU machine by PXE from the label's NFS root.",
        discussion: """
            The console is on this terminal; Ctrl-C ends the machine, and everything that was started with it.

            Examples:
              netroot startnfs debian12
              netroot startnfs debian12 --firmware uefi
              ssh -p 2222 root@localhost
            """)

    @OptionGroup var arguments: StartArguments
    @Option(name: .long, help: "Who serves the root: netroot, or the kernel's nfsd.")
    var server = NFSServerKind.netroot
    @Option(name: .long, help: "What is served where the generation has both: tree or squashfs (tree).")
    var form: ArtifactKind?

    func run() async throws { try await arguments.run(.nfs, form: form, server: server) }
}

struct StartNBDCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "startnbd", abstract: "Boot a QEMU machine by PXE from the label's image over NBD.",
        discussion: "Example:\n  netroot startnbd debian12 --firmware uefi")

    @OptionGroup var arguments: StartArguments

    func run() async throws { try await arguments.run(.nbd) }
}

struct StartISCSICommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "startiscsi", abstract: "Boot a QEMU machine by PXE from the label's image over iSCSI.",
        discussion: "Example:\n  netroot startiscsi debian12 --firmware uefi")

    @OptionGroup var arguments: StartArguments

    func run() async throws { try await arguments.run(.iscsi) }
}

struct StartHTTPCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "starthttp", abstract: "Boot a QEMU machine by PXE that fetches the label's image into its RAM.",
        discussion: "Example:\n  netroot starthttp debian12 --firmware uefi")

    @OptionGroup var arguments: StartArguments

    func run() async throws { try await arguments.run(.http) }
}

struct TestCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "test", abstract: "Boot the label without a display and let the guest decide whether it works.",
        discussion: """
            Two boots; exit status 0 when every check passed, 1 otherwise. What is booted is the generation that is
            installed for the transport, and before the first install the current one. With --all: the current one, by
            every transport of the label, as tree and as image, by every firmware.

            Examples:
              netroot test debian12 --json
              netroot test debian12 --transport http --firmware uefi
              netroot test debian12 --all --junit report.xml
            """)

    @OptionGroup var options: LabelOptions
    @OptionGroup var output: JSONOption
    @Option(name: .long, help: "How the root comes to the machine: nfs, nbd, http or iscsi (nfs).")
    var transport: Transport?
    @Option(name: .long, help: "What NFS serves where the generation has both: tree or squashfs (tree).")
    var form: ArtifactKind?
    @Option(name: .long, help: "The machine's firmware: bios or uefi (bios).")
    var firmware: Firmware?
    @Option(name: .long, help: "The boot loader: ipxe or pxelinux under bios (ipxe), grub under uefi.")
    var loader: BootLoader?
    @Option(name: .long, help: "The generation.")
    var generation: Int?
    @Flag(
        name: .long, help: "Test every way, or those that --transport, --form and --firmware leave, and print a table.")
    var all = false
    @Option(name: .long, help: "Write the results of --all as JUnit XML.")
    var junit: String?
    @Option(name: .long, help: "The port on 127.0.0.1 that leads to the guest's ssh.")
    var sshPort = 2223
    @Option(name: .long, help: "The most seconds that a check may take.")
    var timeout = 600
    @Option(name: .long, help: "The port of an NFS server on 127.0.0.1 that serves the root already.")
    var nfsPort: Int?
    @Option(name: .long, help: "The port of that server's MOUNT service, where it is another one.")
    var mountPort: Int?
    @Option(name: .long, help: "The path by which that server exports the root.")
    var nfsPath: String?

    func validate() throws {
        guard timeout > 0 else { throw ValidationError("--timeout wants seconds above 0, not \(timeout)") }
        try checkPorts(["--ssh-port": sshPort, "--nfs-port": nfsPort, "--mount-port": mountPort])
        guard nfsPort != nil || (mountPort == nil && nfsPath == nil) else {
            throw ValidationError("--mount-port and --nfs-path want --nfs-port")
        }
        guard nfsPort == nil || ((transport ?? .nfs) == .nfs && !all) else {
            throw ValidationError("--nfs-port is for --transport nfs")
        }
        guard loader == nil || !all else { throw ValidationError("--loader is not for --all") }
        guard form != .tree || (transport ?? .nfs) == .nfs else { throw ValidationError("--form tree is for nfs") }
        guard junit == nil || all else { throw ValidationError("--junit wants --all") }
    }

    func run() async throws {
        let label = try options.load()
        let shipped = try ShippedFiles.locate()
        let progress = Progress()
        guard !all else { return try await runAll(label, shipped, progress) }
        let check = BootCheckRun(
            label: label,
            way: BootWay(transport: transport ?? .nfs, form: form, firmware: firmware ?? .bios, loader: loader),
            generation: generation, shipped: shipped, sshPort: sshPort, timeout: timeout,
            running: nfsPort.map { RunningServer(port: $0, mountPort: mountPort, path: nfsPath) })
        let report = try await Interruption.cancelling { try await check.run { progress.note($0) } }
        FileWriter.standardOutput.write(output.json ? try JSON.text(report) : Report.boot(report))
        if !report.passed { throw ExitCode(ExitStatus.failed.rawValue) }
    }

    private func runAll(_ label: Label, _ shipped: ShippedFiles, _ progress: Progress) async throws {
        // Boots take minutes: what would fail at their end fails now.
        if let junit { try Files.replace(junit, with: Array(JUnitReport.xml(label: label.name, rows: []).utf8)) }
        var matrix = BootMatrix(
            label: label, generation: generation, shipped: shipped, sshPort: sshPort, timeout: timeout)
        let (transport, form, firmware) = (transport, form, firmware)
        matrix.include = { way in
            (transport ?? way.transport) == way.transport && (form ?? way.form) == way.form
                && (firmware ?? way.firmware) == way.firmware
        }
        let ready = matrix
        let rows = try await Interruption.cancelling { try await ready.run { progress.note($0) } }
        FileWriter.standardOutput.write(output.json ? try JSON.text(rows) : Report.matrix(label.name, rows))
        if let junit { try Files.replace(junit, with: Array(JUnitReport.xml(label: label.name, rows: rows).utf8)) }
        if rows.isEmpty || !rows.allSatisfy(\.passed) { throw ExitCode(ExitStatus.failed.rawValue) }
    }
}
