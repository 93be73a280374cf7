import NetrootConfig
import NetrootEntry
import NetrootSite
import NetrootStore
import NetrootSystem

/// The boot files of one run: a TFTP root of its own, for ports and addresses are those of this run.
struct BootFiles: Sendable {
    /// The TFTP root.
    let directory: String
    /// What the firmware asks for first, relative.
    let bootFile: String
    /// Bytes that a client loads over TFTP; what it loads over HTTP is counted by nginx.
    let bytes: Int64
}

extension NetworkBoot {
    static func bootFiles(_ session: BootSession) -> String { session.directory + "/boot" }

    /// Fills the TFTP root: the installed files by symlinks, and an entry of its own.
    /// - Parameter more: archives appended to the initramfs.
    /// - Throws: `SystemError`, `CommandError`, and the renderers' errors.
    func makeBootFiles(
        in session: BootSession, _ generation: Generation, served: ServedRoot, appending more: [String]
    ) async throws -> BootFiles {
        let directory = Self.bootFiles(session)
        let installed = try Installed(label)
        let isInstalled = installed.generation(way.transport) == generation.number
        let source =
            isInstalled
            ? "\(label.tftpboot)/\(Installed.bootDirectory(label.name, generation.number))" : generation.directory
        let archives = (isInstalled ? installed.siteArchives(way.transport) : []) + more
        var loaded: [(name: String, target: String)] = [
            ("vmlinuz", source + "/vmlinuz"), ("initrd.img", source + "/initrd.img"),
        ]
        loaded += archives.map { (Files.name($0), $0) }
        for (name, target) in loaded {
            // A dangling link would be a file that the firmware cannot load, without a word why.
            _ = try Files.size(target)
            try Files.replaceLink("\(directory)/\(name)", target: target)
        }
        let entry = BootEntry(
            name: label.name, kernel: "vmlinuz", initrds: loaded.dropFirst().map(\.name),
            arguments: try commandLine(served).arguments())
        let bootFile = try await write(entry, in: directory, served: served)
        var bytes = try Files.size("\(directory)/\(bootFile)")
        if way.actualLoader == .pxelinux { bytes += try Files.size(directory + "/ldlinux.c32") }
        if way.actualLoader != .ipxe { for (_, target) in loaded { bytes += try Files.size(target) } }
        return BootFiles(directory: directory, bootFile: bootFile, bytes: bytes)
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
