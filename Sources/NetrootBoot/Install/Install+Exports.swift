import Glibc
import NetrootConfig
import NetrootStore
import NetrootSystem

/// The folders of the system that servers read their exports from.
public struct SystemPlaces: Sendable {
    /// The kernel's nfsd (exports(5)).
    public var exports = "/etc/exports.d"
    /// nbd-server: `includedir` of Debian's configuration.
    public var nbd = "/etc/nbd-server/conf.d"
    /// nginx: included by Debian's configuration.
    public var nginx = "/etc/nginx/conf.d"

    /// The folders of Debian's packages.
    public init() {}
}

extension Install {
    /// What the transport's server has to be told, beside the generations and, where asked for, in the system's folder.
    func addExports(to plan: inout InstallPlan, generations: [Generation], current: Generation) throws {
        switch transport {
        case .nfs: try addNFS(to: &plan, generations.filter(\.hasTree))
        case .nbd: try addNBD(to: &plan, generations.filter(\.hasImage))
        case .http:
            // A client copies the image, so that older ones need not be kept.
            let files = Installed.bootDirectory(label.name, current.number)
            try plan.link("\(label.tftpboot)/\(files)/root.squashfs", to: current.image)
        }
        // iPXE loads kernel and initramfs over HTTP, whatever the transport of the root.
        try addNginx(to: &plan)
    }

    /// One line a generation: a client that runs an older one keeps its root.
    private func addNFS(to plan: inout InstallPlan, _ generations: [Generation]) throws {
        let exports = ExportsFile(
            label: label.name, directories: generations.map(\.root), clients: options.clients, rw: label.rw)
        try add(Array(try exports.rendered().utf8), named: exports.fileName, system: places.exports, to: &plan)
    }

    private func addNBD(to plan: inout InstallPlan, _ generations: [Generation]) throws {
        var authFile: String?
        if options.clients != ["*"] {
            for client in options.clients where !Clients.isNetwork(client) { throw ExportsFileError.badClient(client) }
            let path = "\(label.netroot)/netroot-\(label.name).nbd-clients"
            try plan.write(path, Array((options.clients.joined(separator: "\n") + "\n").utf8))
            authFile = path
        }
        let config = NBDServerConfig(
            listen: nil,
            exports: generations.map {
                .init(name: NBDServerConfig.exportName(label.name, $0.number), image: $0.image)
            }, authFile: authFile)
        try add(
            Array(try config.rendered().utf8), named: "netroot-\(label.name).conf", beside: "netroot-\(label.name).nbd",
            system: places.nbd, to: &plan)
    }

    /// The server is the same for all labels of a TFTP root; who may have a label's files stands beside them.
    private func addNginx(to plan: inout InstallPlan) throws {
        // Names that only exports(5) knows hold for NFS; HTTP then offers boot files, which hold no secret, to all.
        let clients = transport == .nfs && !options.clients.allSatisfy(Clients.isNetwork) ? ["*"] : options.clients
        let place = "\(label.tftpboot)/netroot"
        try plan.write(
            "\(place)/\(label.name)/\(NginxConfig.clientsFile)",
            Array(try NginxConfig.clients(clients, label: label.name).utf8))
        let site = Array(try NginxConfig.site(root: label.tftpboot, port: options.httpPort).utf8)
        try plan.write("\(label.tftpboot)/netroot-nginx.conf", site)
        guard system, transport == .http else { return }
        try addToSystem(site, "netroot-\(options.httpPort).conf", places.nginx, to: &plan)
    }

    private func add(
        _ text: [UInt8], named name: String, beside own: String? = nil, system directory: String,
        to plan: inout InstallPlan
    ) throws {
        try plan.write("\(label.netroot)/\(own ?? name)", text)
        if system { try addToSystem(text, name, directory, to: &plan) }
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
