import Glibc
import NetrootConfig
import NetrootEntry
import NetrootStore
import NetrootSystem

extension Install {
    /// What the transports' servers have to be told, beside the generations and, where asked for, in the system's folder.
    func addExports(to plan: inout InstallPlan, generations: [Generation], current: Generation) throws {
        for case let exported as any ExportedTransport in chosen {
            let offer = ExportOffer(label: label, generations: generations, clients: options.clients)
            for file in try exported.exports(offer) {
                try plan.write("\(label.netroot)/\(file.name)", Array(file.text.utf8))
                guard system, let place = file.system else { continue }
                try addToSystem(Array(file.text.utf8), place.name, sysroot + place.folder, to: &plan)
            }
        }
        // iPXE loads kernel and initramfs over HTTP, whatever the transport of the root.
        try addNginx(to: &plan, current: current)
    }

    /// The commands with which the system's servers read their exports anew.
    public var reloads: [String] {
        chosen.compactMap { ($0 as? any ExportedTransport)?.reload }.removingDuplicates()
    }

    /// Whether one of the transports is served by the HTTP server of the boot files.
    private var servesOverHTTP: Bool { chosen.contains { $0.overHTTP != nil } }

    /// Debian's nginx includes it.
    private var nginxFolder: String { sysroot + "/etc/nginx/conf.d" }

    /// The server is the same for all labels of a TFTP root; who may have a label's files stands beside them.
    private func addNginx(to plan: inout InstallPlan, current: Generation) throws {
        let path = "\(label.tftpboot)/netroot/\(label.name)/\(NginxConfig.labelFile)"
        // Names that only exports(5) knows hold for NFS: what HTTP was told before stays, and an image is not offered.
        let known = options.clients.allSatisfy { $0 == "*" || Clients.isNetwork($0) }
        if known || servesOverHTTP {
            let config = try NginxConfig.label(label.name, clients: options.clients, image: try httpImage(current))
            try plan.write(path, Array(config.utf8))
        } else if !Files.exists(path) {
            try plan.write(path, Array(try NginxConfig.label(label.name, clients: ["*"], image: nil).utf8))
        }
        let site = Array(
            try NginxConfig.site(root: label.tftpboot, address: options.address, port: options.httpPort).utf8)
        try plan.write("\(label.tftpboot)/netroot-nginx.conf", site)
        // An entry of another transport needs it for iPXE only, which a site may do without.
        guard system, servesOverHTTP || Files.isDirectory(nginxFolder) else { return }
        let name = "netroot-\(options.httpPort).conf"
        let taken = "\(nginxFolder)/\(name)"
        let root = site.split(separator: 10).first { String(decoding: $0, as: UTF8.self).hasPrefix("    root ") }
        if Files.exists(taken), let root, !(try Files.read(taken).split(separator: 10).contains(root)) {
            throw BootError.siteTaken(path: taken, port: options.httpPort)
        }
        try addToSystem(site, name, nginxFolder, to: &plan)
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

    /// The image's path below the URL of the TFTP root.
    func imageURL(_ generation: Int) -> String {
        "\(Installed.bootDirectory(label.name, generation))/root.squashfs"
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
