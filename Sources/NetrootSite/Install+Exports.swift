import Glibc
import NetrootConfig
import NetrootEntry
import NetrootStore
import NetrootSystem

/// The folders of the system that servers read their exports from.
public struct SystemPlaces: Sendable {
    /// The kernel's nfsd (exports(5)).
    public var exports = "/etc/exports.d"
    /// nbd-server: `includedir` of Debian's configuration.
    public var nbd = "/etc/nbd-server/conf.d"
    /// tgt: included by Debian's configuration.
    public var tgt = "/etc/tgt/conf.d"
    /// nginx: included by Debian's configuration.
    public var nginx = "/etc/nginx/conf.d"

    /// The folders of Debian's packages.
    public init() {}
}

extension Install {
    /// What the transport's server has to be told, beside the generations and, where asked for, in the system's folder.
    func addExports(to plan: inout InstallPlan, generations: [Generation], current: Generation) throws {
        switch transport {
        case .nfs: try addNFS(to: &plan, generations.filter { $0.artifact(.tree) != nil })
        case .nbd: try addNBD(to: &plan, generations)
        case .iscsi: try addISCSI(to: &plan, generations)
        // A client copies the image, so that older ones need not be offered.
        case .http: break
        }
        // iPXE loads kernel and initramfs over HTTP, whatever the transport of the root.
        try addNginx(to: &plan, current: current)
    }

    /// One line a generation: a client that runs an older one keeps its root.
    private func addNFS(to plan: inout InstallPlan, _ generations: [Generation]) throws {
        let exports = ExportsFile(
            label: label.name, directories: generations.map(\.exportPath), clients: options.clients, rw: label.rw)
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
            exports: generations.compactMap { generation in
                generation.path(of: .squashfs).map {
                    .init(name: NBDServerConfig.exportName(label.name, generation.number), image: $0)
                }
            }, authFile: authFile)
        try add(
            Array(try config.rendered().utf8), named: "netroot-\(label.name).conf", beside: "netroot-\(label.name).nbd",
            system: places.nbd, to: &plan)
    }

    private func addISCSI(to plan: inout InstallPlan, _ generations: [Generation]) throws {
        let config = try TargetConfig.rendered(
            images: generations.compactMap { generation in
                generation.path(of: .squashfs).map { (TargetConfig.name(label.name, generation.number), $0) }
            }, clients: options.clients)
        try add(
            Array(config.utf8), named: "netroot-\(label.name).conf", beside: "netroot-\(label.name).tgt",
            system: places.tgt, to: &plan)
    }

    /// The server is the same for all labels of a TFTP root; who may have a label's files stands beside them.
    private func addNginx(to plan: inout InstallPlan, current: Generation) throws {
        let path = "\(label.tftpboot)/netroot/\(label.name)/\(NginxConfig.labelFile)"
        // Names that only exports(5) knows hold for NFS: what HTTP was told before stays, and an image is not offered.
        let known = options.clients.allSatisfy { $0 == "*" || Clients.isNetwork($0) }
        if known || transport == .http {
            let config = try NginxConfig.label(label.name, clients: options.clients, image: try httpImage(current))
            try plan.write(path, Array(config.utf8))
        } else if !Files.exists(path) {
            try plan.write(path, Array(try NginxConfig.label(label.name, clients: ["*"], image: nil).utf8))
        }
        let site = Array(
            try NginxConfig.site(root: label.tftpboot, address: options.address, port: options.httpPort).utf8)
        try plan.write("\(label.tftpboot)/netroot-nginx.conf", site)
        // An entry of another transport needs it for iPXE only, which a site may do without.
        guard system, transport == .http || Files.isDirectory(places.nginx) else { return }
        let name = "netroot-\(options.httpPort).conf"
        let taken = "\(places.nginx)/\(name)"
        let root = site.split(separator: 10).first { String(decoding: $0, as: UTF8.self).hasPrefix("    root ") }
        if Files.exists(taken), let root, !(try Files.read(taken).split(separator: 10).contains(root)) {
            throw BootError.siteTaken(path: taken, port: options.httpPort)
        }
        try addToSystem(site, name, places.nginx, to: &plan)
    }

    /// The image of the label's HTTP entry: of this install, or as installed before.
    private func httpImage(_ current: Generation) throws -> (url: String, path: String)? {
        if transport == .http { return (imageURL(current.number), try current.requirePath(of: .squashfs)) }
        guard let number = try Installed(label).generation(.http) else { return nil }
        let store = LabelStore(label: label)
        guard try store.numbers().contains(number) else { return nil }
        return (imageURL(number), try store.generation(number).requirePath(of: .squashfs))
    }

    /// The image's path below the URL of the TFTP root.
    func imageURL(_ generation: Int) -> String {
        "\(Installed.bootDirectory(label.name, generation))/root.squashfs"
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
