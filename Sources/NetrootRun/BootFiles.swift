import NetrootConfig
import NetrootEntry
import NetrootImage
import NetrootSite
import NetrootStore
import NetrootSystem
import SystemPackage

/// The boot files of one run: a TFTP root of its own, for ports and addresses are those of this run.
struct BootFiles: Sendable {
    /// The TFTP root.
    let directory: String
    /// What the firmware asks for first, relative.
    let bootFile: String
    /// Bytes that a client loads over TFTP; what it loads over HTTP is counted by nginx.
    let bytes: Int64
    /// What QEMU loads itself; nil where the firmware asks the network.
    let kernel: Machine.Kernel?
}

extension NetworkBoot {
    static func bootFiles(_ session: BootSession) -> String { session.directory + "/boot" }

    /// Fills the TFTP root: the installed files by symlinks, and an entry of its own.
    /// - Parameter more: archives appended to the initramfs, behind those that are installed for the entry.
    /// - Throws: `SystemError`, `CommandError`, `CancellationError`, and the renderers' errors.
    func makeBootFiles(
        in session: BootSession, _ generation: Generation, served: ServedRoot, appending more: [String]
    ) async throws -> BootFiles {
        let directory = Self.bootFiles(session)
        let source =
            try isInstalled(generation)
            ? "\(label.tftpboot)/\(Installed.bootDirectory(label.name, generation.number))" : generation.directory
        let initramfs = Files.name(try generation.requirePath(of: way.transport.loads))
        var loaded = ["vmlinuz", initramfs].map { (name: $0, target: "\(source)/\($0)") }
        // Archives of several places may have the same name.
        loaded += (try siteArchives(generation) + more).enumerated().map { ("\($0 + 1)-appended.cpio", $1) }
        let commandLine = try commandLine(served, generation)
        guard way.usesLoader else {
            let whole = session.joinedInitramfs
            try InitramfsJoin.write(loaded.dropFirst().map(\.target), to: whole, isPrivate: true)
            return BootFiles(
                directory: directory, bootFile: "", bytes: 0,
                kernel: .init(path: loaded[0].target, initramfs: whole, commandLine: try commandLine.rendered()))
        }
        for (name, target) in loaded {
            // A dangling link would be a file that the firmware cannot load, without a word why.
            _ = try Files.size(target)
            try Files.replaceLink("\(directory)/\(name)", target: target)
        }
        let entry = BootEntry(
            name: label.name, kernel: "vmlinuz", initrds: loaded.dropFirst().map(\.name),
            arguments: try commandLine.arguments(), needsNetwork: served.root.needsNetwork)
        let bootFile = try await write(entry, in: directory, served: served)
        var bytes = try Files.size("\(directory)/\(bootFile)")
        if way.actualLoader == .pxelinux { bytes += try Files.size(directory + "/ldlinux.c32") }
        if way.actualLoader != .ipxe { for (_, target) in loaded { bytes += try Files.size(target) } }
        return BootFiles(directory: directory, bootFile: bootFile, bytes: bytes, kernel: nil)
    }

    /// Whether the entry of the transport names this generation.
    private func isInstalled(_ generation: Generation) throws -> Bool {
        try Installed(label).generation(way.transport) == generation.number
    }

    /// The archives that an install has appended for the transport.
    /// - Throws: `SystemError`, `SharedConfigError`.
    func siteArchives(_ generation: Generation) throws -> [String] {
        try isInstalled(generation) ? Installed(label).siteArchives(way.transport) : []
    }

    /// Writes what the boot loader reads.
    /// - Returns: what the firmware asks for first, relative.
    private func write(_ entry: BootEntry, in directory: String, served: ServedRoot) async throws -> String {
        let loaders = BootLoaders()
        switch way.actualLoader {
        case .pxelinux:
            try Files.makeDirectory(directory + "/pxelinux.cfg")
            try Files.replaceLink(directory + "/pxelinux.0", target: loaders.pxelinux)
            try Files.replaceLink(directory + "/ldlinux.c32", target: loaders.ldlinux)
            let config = try PXELinuxConfig().replacing(entry)
            try Files.replace("\(directory)/\(PXELinuxConfig.file)", with: config.bytes)
            return "pxelinux.0"
        case .grub:
            try Files.makeDirectory(directory + "/grub")
            let server = try ServerAddress(parsing: Machine.hostAddress)
            let image = try await loaders.grubImage(server: server)
            try Files.replace("\(directory)/\(BootLoaders.grubFile)", with: image)
            try Files.replace("\(directory)/\(GRUBConfig.file)", with: try GRUBConfig().replacing(entry).bytes)
            return BootLoaders.grubFile
        case .ipxe:
            let script = try IPXEScript.script(entry, base: served.httpBase ?? "")
            try Files.replace(directory + "/boot.ipxe", with: Array(script.utf8))
            return "boot.ipxe"
        // The kernel is QEMU's to load.
        case .direct: return ""
        }
    }
}
