public import ArgumentParser
public import NetrootBoot
import NetrootConfig
import NetrootStore
import NetrootSystem

extension NFSServerKind: ExpressibleByArgument {}

struct InstallNFSCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "installnfs", abstract: "Write TFTP root, boot entry and NFS export of the current generation.",
        discussion: """
            What is not given is as in the label's last install. At first the entry is for QEMU's user network, where
            the host is 10.0.2.2.

            Examples:
              netroot installnfs debian12
              netroot installnfs debian12 --address 192.168.7.1                   clients of `netroot serve`
              netroot installnfs debian12 --address 192.168.7.1 --server kernel --system
              netroot installnfs debian12 --append /srv/site/debian12             files for the overlay
            """)

    @OptionGroup var options: LabelOptions
    @Option(name: .long, help: "The server's address, as the clients reach it (10.0.2.2).")
    var address: String?
    @Option(name: .long, help: "The port of `netroot serve` (2049).")
    var port: Int?
    @Option(name: .long, help: "Who serves the root: netroot, or the kernel's nfsd (netroot).")
    var server: NFSServerKind?
    @Option(name: .long, help: "Who may mount the export of nfsd, as exports(5) names clients (*); may be repeated.")
    var client: [String] = []
    @Option(
        name: .long,
        help: "A newc archive appended to the initramfs, or a directory laid over the root; may be repeated.")
    var append: [String] = []
    @Flag(name: .long, help: "Forget the archives and directories of --append.")
    var noAppend = false
    @Flag(name: .long, help: "Leave the entry that boots by itself as it is.")
    var noDefault = false
    @Flag(name: .long, help: "Put the export into /etc/exports.d too.")
    var system = false
    @Flag(name: .long, help: "Print what would change, and change nothing.")
    var dryRun = false

    func validate() throws {
        try checkPorts(["--port": port])
    }

    func run() async throws {
        var install = try InstallNFS(label: try options.load())
        if let address { install.options.address = address }
        if let port { install.options.port = port }
        if let server { install.options.server = server }
        if !client.isEmpty { install.options.clients = client }
        if noAppend || !append.isEmpty { install.options.append = try append.map(CommonOptions.absolute) }
        install.makeDefault = !noDefault
        install.exportsDirectory = system ? "/etc/exports.d" : nil
        let ready = install
        let plan =
            dryRun
            ? try await ready.plan() : try await Interruption.cancelling { try await ready.run() }
        FileWriter.standardOutput.write(plan.report(dryRun: dryRun))
        if system, !dryRun { FileWriter.standardOutput.write("next: exportfs -ra\n") }
    }
}

struct StartNFSCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "startnfs", abstract: "Boot a QEMU machine by PXE from the label's NFS root.",
        discussion: """
            The console is on this terminal; Ctrl-C ends the machine, and everything that was started with it.

            Example:
              netroot startnfs debian12
              ssh -p 2222 root@localhost
            """)

    @OptionGroup var options: LabelOptions
    @Option(name: .long, help: "The port on 127.0.0.1 that leads to the guest's ssh.")
    var sshPort = 2222
    @Option(name: .long, help: "Who serves the root: netroot, or the kernel's nfsd.")
    var server = NFSServerKind.netroot
    @Flag(name: .long, help: "Keep the console off this terminal; its log is kept in any case.")
    var headless = false

    func validate() throws { try checkPorts(["--ssh-port": sshPort]) }

    func run() async throws {
        let start = StartNFS(label: try options.load(), sshPort: sshPort, server: server, headless: headless)
        let progress = Progress()
        try await Interruption.cancelling { try await start.run { progress.note($0) } }
    }
}

struct TestCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "test", abstract: "Boot the label without a display and let the guest decide whether it works.",
        discussion: """
            Two boots; exit status 0 when every check passed, 1 otherwise.

            Example:
              netroot test debian12 --json
            """)

    @OptionGroup var options: LabelOptions
    @OptionGroup var output: JSONOption
    @Option(name: .long, help: "The port on 127.0.0.1 that leads to the guest's ssh.")
    var sshPort = 2223
    @Option(name: .long, help: "The most seconds that the check may take.")
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
    }

    func run() async throws {
        let check = BootCheckRun(
            label: try options.load(), shipped: try ShippedFiles.locate(), sshPort: sshPort, timeout: timeout,
            running: nfsPort.map { RunningServer(port: $0, mountPort: mountPort, path: nfsPath) })
        let progress = Progress()
        let report = try await Interruption.cancelling { try await check.run { progress.note($0) } }
        FileWriter.standardOutput.write(output.json ? try JSON.text(report) : Report.boot(report))
        if !report.passed { throw ExitCode(ExitStatus.failed.rawValue) }
    }
}
