import Glibc
import NetrootConfig
import NetrootEntry
import NetrootStore
import NetrootSystem

extension Install {
    /// What the transports' servers have to be told, beside the generations and, where asked for, in the system's folder.
    func addExports(to plan: inout InstallPlan, generations: [Generation], current: Generation) throws {
        for case let exported as any ExportedTransport in chosen {
            let offer = ExportOffer(
                label: label, generations: generations, server: try options.server(of: exported),
                clients: options.offeredTo)
            for file in try exported.exports(offer) {
                let own = "\(label.netroot)/\(file.name)"
                guard let text = file.text else {
                    try plan.delete(own)
                    try removeFromSystem(file, from: &plan)
                    continue
                }
                try plan.write(own, Array(text.utf8))
                guard system, let place = file.system else { continue }
                try addToSystem(Array(text.utf8), place.name, sysroot + place.folder, to: &plan)
            }
        }
        // iPXE loads kernel and initramfs over HTTP, whatever the transport of the root.
        try addNginx(to: &plan, current: current)
    }

    /// The commands with which the system's servers read anew what this install has told them.
    public func reloads(after plan: InstallPlan) -> [String] {
        transports.known.compactMap { $0 as? any ExportedTransport }
            .filter { plan.concerns(sysroot + $0.systemFolder) }.map(\.reload).removingDuplicates()
    }

    /// Throws where nobody has said who may have the root, and a server that is not ours would offer it to everybody:
    /// one that `--system` tells of it, or an nginx that an earlier install has told of the TFTP root.
    /// - Throws: `BootError.clientsNotSaid`.
    func requireClients() throws {
        guard options.clients.isEmpty else { return }
        var servers: [String] = []
        for case let exported as any ExportedTransport in chosen {
            let server = try options.server(of: exported)
            if exported.overHTTP != nil {
                if try system || isServedByNginx() { servers.append(nginxName) }
            } else if system, exported.isTold(server) {
                servers.append(server == NFS.kernel ? "the kernel's nfsd" : server.name)
            }
        }
        let givesArchive = try chosen.contains { $0.rootOverHTTP != nil } && isServedByNginx()
        if system && Files.isDirectory(nginxFolder) || givesArchive, !servers.contains(nginxName) {
            servers.append(nginxName)
        }
        guard !servers.isEmpty else { return }
        throw BootError.clientsNotSaid(
            label: label.name, servers: servers, example: interfaces.first?.network ?? "192.168.7.0/24")
    }

    /// The server of the boot files, as `HTTP` names it.
    private var nginxName: String { HTTP().servers[0].name }

    /// Whether one of the transports is served by the HTTP server of the boot files.
    private var servesOverHTTP: Bool { chosen.contains { $0.overHTTP != nil } }

    /// Whether a root is to be had from the HTTP server of the boot files: an image, or an archive that iPXE loads.
    private var givesRootOverHTTP: Bool { chosen.contains { $0.rootOverHTTP != nil } }

    /// Debian's nginx includes it.
    private var nginxFolder: String { sysroot + HTTP().systemFolder }

    /// What tells Debian's nginx of the TFTP root.
    private var nginxFile: String { "\(nginxFolder)/netroot-\(options.httpPort).conf" }

    /// Whether an earlier install with `--system` has told nginx of this TFTP root.
    private func isServedByNginx() throws -> Bool {
        guard Files.exists(nginxFile) else { return false }
        return try Files.read(nginxFile).firstRange(of: Array("root \"\(label.tftpboot)\";".utf8)) != nil
    }

    /// The server is the same for all labels of a TFTP root; who may have a label's files stands beside them.
    private func addNginx(to plan: inout InstallPlan, current: Generation) throws {
        let path = "\(label.tftpboot)/netroot/\(label.name)/\(NginxConfig.labelFile)"
        let hasArchive = try installsArchive()
        let hasSecrets =
            try !options.append.isEmpty && (hasArchive || !options.append.allSatisfy(InstallPlan.isReadableForAll))
        // Names that only exports(5) knows hold for NFS: what HTTP was told before stays, and an image is not offered.
        let known = options.clients.allSatisfy { $0 == "*" || AddressRange($0) != nil }
        if known || givesRootOverHTTP {
            let image = try httpImage(current)
            let text = try NginxConfig.label(
                label.name, clients: options.clients, image: image, hasArchive: hasArchive, hasSecrets: hasSecrets)
            try plan.write(path, Array(text.utf8))
            // Without an address it is for QEMU, which has an nginx of its own.
            if options.clients.isEmpty, options.address != nil {
                let closed = [
                    image == nil ? nil : "image", hasArchive ? "archive" : nil, hasSecrets ? "side-loads" : nil,
                ]
                for what in closed.compactMap(\.self) {
                    plan.note("nginx gives the \(what) of \(label.name) to nobody; say with --client who may have it")
                }
            }
        } else if !Files.exists(path) {
            let text = try NginxConfig.label(label.name, clients: [], image: nil, hasSecrets: hasSecrets)
            try plan.write(path, Array(text.utf8))
            plan.note(
                "nginx knows no names, so it gives kernel and initramfs of \(label.name) to everybody, as TFTP does; "
                    + "name addresses or networks with --client")
        }
        if options.clients.isEmpty, try isServedByNginx() {
            plan.note(
                "nginx gives kernel and initramfs of \(label.name) to everybody, as TFTP does; "
                    + "name addresses or networks with --client")
        }
        let site = Array(
            try NginxConfig.site(
                root: label.tftpboot, address: try sharedServer(), port: options.httpPort, before: try earlierSite()
            ).utf8)
        try plan.write(siteFile, site)
        // An entry of another transport needs it for iPXE only, which a site may do without.
        guard system, servesOverHTTP || Files.isDirectory(nginxFolder) else { return }
        let taken = nginxFile
        let root = site.split(separator: 10).first { String(decoding: $0, as: UTF8.self).hasPrefix("    root ") }
        if Files.exists(taken), let root, !(try Files.read(taken).split(separator: 10).contains(root)) {
            throw BootError.siteTaken(path: taken, port: options.httpPort)
        }
        try addToSystem(site, Files.name(taken), nginxFolder, to: &plan)
    }

    /// The HTTP server of the TFTP root, to be included by nginx.
    private var siteFile: String { "\(label.tftpboot)/netroot-nginx.conf" }

    private func earlierSite() throws -> String { Files.exists(siteFile) ? try Files.text(siteFile) : "" }

    /// The server that files for all labels of the TFTP root name: GRUB's image and nginx's site. A label that nobody gave
    /// an address leaves them to real machines that boot another label from there.
    func sharedServer() throws -> ServerAddress {
        if options.address == nil, let earlier = NginxConfig.address(ofSite: try earlierSite()) { return earlier }
        return try options.server()
    }

    /// The image of the label's HTTP entry: of this install, or as installed before.
    private func httpImage(_ current: Generation) throws -> (url: String, path: String)? {
        if let kind = chosen.compactMap(\.overHTTP).first {
            return (imageURL(current.number), try current.requirePath(of: kind))
        }
        let installed = try Installed(label)
        let store = LabelStore(label: label)
        for other in transports.known {
            guard let kind = other.overHTTP, let number = installed.generation(other) else { continue }
            // One that is gone, or of an older netroot, has nothing to offer until http is installed again.
            let usable = try store.usable().generations.first { $0.number == number }
            return usable?.path(of: kind).map { (imageURL(number), $0) }
        }
        return nil
    }

    /// Whether an entry of the label loads an archive with the whole root in it: of this install, or as installed before.
    private func installsArchive() throws -> Bool {
        let installed = try Installed(label)
        return (chosen + transports.known.filter { installed.generation($0) != nil }).contains { $0.loads == .rescue }
    }

    /// The image's path below the URL of the TFTP root.
    func imageURL(_ generation: Int) -> String {
        "\(Installed.bootDirectory(label.name, generation))/root.squashfs"
    }

    /// Removes what an earlier install told the system's server; without `--system` it is only said.
    private func removeFromSystem(_ file: ExportFile, from plan: inout InstallPlan) throws {
        guard let place = file.system else { return }
        let path = "\(sysroot)\(place.folder)/\(place.name)"
        guard Files.exists(path) else { return }
        guard system else {
            plan.note("\(path) still exports \(label.name); install it with --system to remove that")
            return
        }
        try plan.delete(path)
    }

    private func addToSystem(
        _ text: [UInt8], _ name: String, _ directory: String, to plan: inout InstallPlan
    ) throws {
        let place = Files.nearestDirectory(directory)
        guard access(place, W_OK) == 0 else {
            throw BootError.exportsNotWritable(path: directory, reason: String(cString: strerror(errno)))
        }
        try plan.write("\(directory)/\(name)", text)
    }
}
