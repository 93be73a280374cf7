public import ArgumentParser
public import NetrootConfig
public import NetrootEntry
import NetrootRun
import NetrootSite
import NetrootStore
import NetrootSystem

extension Firmware: ExpressibleByArgument {}
extension BootLoader: ExpressibleByArgument {}

/// As the value of `--form`: what NFS can serve.
extension ArtifactKind: ExpressibleByArgument {
    public init?(argument: String) {
        guard let kind = ArtifactKind(rawValue: argument), NFS().serves.contains(kind) else { return nil }
        self = kind
    }

    public static var allValueStrings: [String] { NFS().serves.map(\.rawValue) }

    /// Throws where no server of a transport serves artifacts of this kind.
    func check(for transport: any Transport) throws {
        guard !transport.serves.contains(self) else { return }
        let serves = transport.serves.map(\.rawValue).joined(separator: " or ")
        throw OptionError(problem: "--form \(rawValue) is not for \(transport.name)", hint: "it serves \(serves)")
    }
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
    @Option(name: .long, help: "How the root comes to the machine: nfs, nbd, http, iscsi or ram (the label's first).")
    var transport: TransportName?
    @Option(name: .long, help: "What NFS serves where the generation has both: tree or squashfs (tree).")
    var form: ArtifactKind?
    @Option(name: .long, help: "The machine's firmware: bios or uefi (bios).")
    var firmware: Firmware?
    @Option(name: .long, help: "The boot loader: ipxe or pxelinux under bios (ipxe), grub under uefi; direct: QEMU.")
    var loader: BootLoader?
    @Option(name: .long, help: "An archive appended to the initramfs; may be repeated.", completion: .file())
    var sideload: [String] = []
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
        guard timeout > 0 else { throw ValidationError("--timeout has to be more than 0 seconds, not \(timeout)") }
        try checkPorts(["--ssh-port": sshPort, "--nfs-port": nfsPort, "--mount-port": mountPort])
        guard nfsPort != nil || (mountPort == nil && nfsPath == nil) else {
            throw ValidationError("--mount-port and --nfs-path need --nfs-port")
        }
        guard nfsPort == nil || ([nil, NFS().name].contains(transport) && !all) else {
            throw ValidationError("--nfs-port is for --transport nfs")
        }
        guard loader == nil || !all else { throw ValidationError("--loader is not for --all") }
        guard junit == nil || all else { throw ValidationError("--junit needs --all") }
    }

    func run() async throws {
        let label = try options.load()
        let shipped = try ShippedFiles.locate()
        let sideloads = try await Sideloads(sideload.map(CommonOptions.absolute))
        let progress = Progress()
        if let transport {
            let known = try Transports.shipped.require(transport)
            try form?.check(for: known)
        }
        guard !all else { return try await runAll(label, shipped, sideloads, progress) }
        let transport = try chosen(of: label)
        try form?.check(for: transport)
        let check = BootCheckRun(
            label: label,
            way: BootWay(transport: transport, form: form, firmware: firmware ?? .bios, loader: loader),
            generation: generation, shipped: shipped, sshPort: sshPort, timeout: timeout,
            running: nfsPort.map { RunningServer(port: $0, mountPort: mountPort, path: nfsPath) },
            sideloads: sideloads)
        let report = try await Interruption.cancelling { try await check.run { progress.note($0) } }
        FileWriter.standardOutput.write(output.json ? try JSON.text(report) : Report.boot(report))
        if !report.passed { throw ExitCode(ExitStatus.failed.rawValue) }
    }

    /// The transport that is asked for; else the first of the label's, of those that serve what `--form` asks for.
    private func chosen(of label: Label) throws -> any Transport {
        if let transport { return try Transports.shipped.require(transport) }
        guard nfsPort == nil else { return NFS() }
        let known = try Transports.shipped.require(label.transports)
        return known.first { transport in form.map(transport.serves.contains) ?? true } ?? known[0]
    }

    private func runAll(
        _ label: Label, _ shipped: ShippedFiles, _ sideloads: Sideloads, _ progress: Progress
    ) async throws {
        // Boots take minutes: what would fail at their end fails now.
        if let junit { try Files.replace(junit, with: Array(JUnitReport.xml(label: label.name, rows: []).utf8)) }
        var matrix = BootMatrix(
            label: label, generation: generation, shipped: shipped, sshPort: sshPort, timeout: timeout,
            sideloads: sideloads)
        let (transport, form, firmware) = (transport, form, firmware)
        matrix.include = { way in
            (transport ?? way.transport.name) == way.transport.name && (form ?? way.form) == way.form
                && (firmware ?? way.firmware) == way.firmware
        }
        let ready = matrix
        let rows = try await Interruption.cancelling { try await ready.run { progress.note($0) } }
        FileWriter.standardOutput.write(output.json ? try JSON.text(rows) : Report.matrix(label.name, rows))
        if let junit { try Files.replace(junit, with: Array(JUnitReport.xml(label: label.name, rows: rows).utf8)) }
        if rows.isEmpty || !rows.allSatisfy(\.passed) { throw ExitCode(ExitStatus.failed.rawValue) }
    }
}
