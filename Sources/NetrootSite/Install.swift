import Glibc
public import NetrootConfig
import NetrootEntry
import NetrootImage
public import NetrootStore
import NetrootSystem

/// Writing the TFTP root, the boot entries and the export of a label, for one transport.
public struct Install: Sendable {
    /// The label.
    public let label: Label
    /// How clients get the root.
    public let transport: Transport
    /// What the entry and the export say.
    public var options: InstallOptions
    /// Whether the label becomes what a client boots without being asked.
    public var makeDefault = true
    /// Whether the export goes into the system's folder as well; else it is only beside the generations.
    public var system = false
    /// The system's folders.
    public var places = SystemPlaces()
    /// The boot loaders.
    public var loaders = BootLoaders()

    /// - Parameter options: nil takes those of the last install, or the defaults.
    /// - Throws: `SystemError`, `BootError.damagedOptions`.
    public init(label: Label, transport: Transport, options: InstallOptions? = nil) throws {
        self.label = label
        self.transport = transport
        self.options = try options ?? InstallOptions.last(label) ?? InstallOptions()
    }

    /// What the names of site archives begin with: entries of other transports go on naming those of their own install.
    private var sitePrefix: String { transport == .nfs ? "site-" : "\(transport.rawValue)-site-" }

    var verb: String { "install\(transport.rawValue)" }

    /// Plans, and makes the changes under a lock on the TFTP root, so that two installs keep each other's entries.
    /// - Throws: as `plan`; `LockedError`, `CommandError`.
    public func run() async throws -> InstallPlan {
        _ = try await plan()
        let own = try LabelStore(label: label).lock(verb: verb)
        defer { withExtendedLifetime(own) {} }
        try Files.makeDirectory(label.tftpboot)
        let lock = try FileLock(
            path: label.tftpboot + "/.netroot.lock", subject: "TFTPBOOT \(label.tftpboot)",
            verb: "\(verb) \(label.name)")
        defer { withExtendedLifetime(lock) {} }
        let plan = try await plan()
        try await plan.apply()
        return plan
    }

    /// What has to change; nothing is changed yet.
    /// - Throws: `MissingError`, `StoreError`, `BootError`, `SystemError`, and the renderers' errors.
    public func plan() async throws -> InstallPlan {
        try loaders.require()
        let store = LabelStore(label: label)
        let generation = try store.current()
        try check(generation)
        try requireWritable()
        var plan = InstallPlan()
        try await plan.copy(loaders.pxelinux, to: label.tftpboot + "/pxelinux.0")
        try await plan.copy(loaders.ldlinux, to: label.tftpboot + "/ldlinux.c32")
        try plan.write(label.tftpboot + "/" + BootLoaders.grubFile, try await loaders.grubImage(), isText: false)
        let files = Installed.bootDirectory(label.name, generation.number)
        try await plan.copy(generation.vmlinuz, to: "\(label.tftpboot)/\(files)/vmlinuz")
        try await plan.copy(generation.initramfs, to: "\(label.tftpboot)/\(files)/initrd.img")
        let site = try await addSiteFiles(to: &plan, directory: files)
        try plan.write(InstallOptions.path(label), Array(try JSON.text(options).utf8))
        // Before the entry: a client that boots at this moment finds its root exported.
        try addExports(to: &plan, generations: try store.usable().generations, current: generation)
        try addEntries(to: &plan, try entry(generation, files: files, site: site))
        try removeStale(from: &plan, generation: generation.number, keeping: Set(try store.numbers()))
        try plan.requireWritable()
        return plan
    }

    /// Whether the generation can be booted by this transport.
    private func check(_ generation: Generation) throws {
        try transport.require(in: generation, of: label)
        switch transport {
        case .nfs:
            if label.rw, options.server == .netroot { throw BootError.readWriteNeedsKernelServer(label: label.name) }
            if options.server == .kernel, generation.artifact(.tree) == nil {
                throw BootError.kernelServerNeedsTree(label: label.name, generation: generation.number)
            }
        case .nbd, .http, .iscsi:
            if label.rw { throw BootError.readWriteNeedsNFS(label: label.name, transport: transport.rawValue) }
            guard generation.artifact(.squashfs) != nil else {
                throw BootError.noImage(
                    label: label.name, generation: generation.number, transport: transport.rawValue)
            }
        }
    }

    private func entry(_ generation: Generation, files: String, site: [String]) throws -> BootEntry {
        let suffix = transport == .nfs ? "" : " by \(transport.rawValue)"
        return BootEntry(
            name: BootEntry.name(label.name, transport),
            title: "\(label.name), generation \(generation.number)\(suffix)",
            kernel: "\(files)/vmlinuz", initrds: ["\(files)/initrd.img"] + site,
            arguments: try commandLine(generation).arguments())
    }

    private func commandLine(_ generation: Generation) -> KernelCommandLine {
        let root: BootRoot =
            switch transport {
            case .nfs:
                .nfs(
                    NFSRoot(
                        server: options.address, path: generation.exportPath,
                        port: options.server == .netroot ? options.port : nil))
            case .nbd:
                .nbd(
                    NBDRoot(
                        server: options.address,
                        export: NBDServerConfig.exportName(label.name, generation.number), port: options.nbdPort))
            case .iscsi:
                .iscsi(
                    ISCSIRoot(
                        server: options.address, target: TargetConfig.name(label.name, generation.number),
                        port: options.iscsiPort))
            case .http:
                .http(
                    HTTPRoot(
                        url: "\(options.httpBase)/\(imageURL(generation.number))",
                        bytes: generation.artifact(.squashfs)?.bytes ?? 0))
            }
        return KernelCommandLine(
            root: root, address: .dhcp, nameserver: nil, rw: label.rw, overlaySize: label.overlaySize,
            debug: label.debug, virtualMachine: false, extra: label.extraCommandLine)
    }

    /// The entry for each boot loader, and iPXE's menu over all scripts.
    private func addEntries(to plan: inout InstallPlan, _ entry: BootEntry) throws {
        func old(_ file: String) throws -> [UInt8] {
            let path = "\(label.tftpboot)/\(file)"
            return Files.exists(path) ? try Files.read(path) : []
        }
        let ipxe = "\(label.tftpboot)/ipxe"
        var scripts: [(name: String, title: String)] = []
        for name in try Files.names(in: ipxe) where name.hasSuffix(".ipxe") && name != "index.ipxe" {
            let text = try Files.text("\(ipxe)/\(name)")
            if let title = IPXEScript.title(of: text) {
                scripts.append((String(name.dropLast(".ipxe".count)), title))
            } else if name == entry.name + ".ipxe" {
                throw SharedConfigError.foreignEntry(file: "ipxe/" + name, entry: entry.name, line: 1)
            }
        }
        scripts.removeAll { $0.name == entry.name }
        scripts.append((entry.name, entry.title))
        scripts.sort { $0.name < $1.name }
        let index = String(decoding: try old("ipxe/index.ipxe"), as: UTF8.self)
        let before = IPXEScript.chosen(of: index)
        let chosen = makeDefault ? entry.name : before ?? entry.name
        try plan.write("\(ipxe)/\(entry.name).ipxe", Array(try IPXEScript.script(entry, base: options.httpBase).utf8))
        // A menu of the owner's stays; the entries lie beside it.
        if index.isEmpty || IPXEScript.isOwn(index: index) {
            try plan.write("\(ipxe)/index.ipxe", Array(IPXEScript.index(scripts, chosen: chosen).utf8))
        } else {
            plan.keep("\(ipxe)/index.ipxe")
        }
        let grub = try GRUBConfig(bytes: try old(GRUBConfig.file)).replacing(entry, makeDefault: makeDefault)
        try plan.write("\(label.tftpboot)/\(GRUBConfig.file)", grub.bytes)
        let pxelinux = try PXELinuxConfig(bytes: try old(PXELinuxConfig.file)).replacing(
            entry, makeDefault: makeDefault)
        try plan.write("\(label.tftpboot)/\(PXELinuxConfig.file)", pxelinux.bytes)
    }

    /// Site archives beside the initramfs: a file as it is, a directory packed to lie over the root.
    /// - Returns: their paths in the TFTP root, in order.
    private func addSiteFiles(to plan: inout InstallPlan, directory: String) async throws -> [String] {
        var names: [String] = []
        for (number, source) in options.append.enumerated() {
            let name = "\(directory)/\(sitePrefix)\(number + 1).cpio"
            if Files.isDirectory(source) {
                let archive = try NewcArchive(directory: source, prefix: "netroot/overlay")
                try plan.write("\(label.tftpboot)/\(name)", try archive.bytes(), isText: false)
            } else {
                try await plan.copy(source, to: "\(label.tftpboot)/\(name)")
            }
            names.append(name)
        }
        return names
    }

    private func removeStale(from plan: inout InstallPlan, generation: Int, keeping: Set<Int>) throws {
        let directory = "\(label.tftpboot)/netroot/\(label.name)"
        for name in try Files.names(in: directory) {
            guard let number = Int(name), number != generation, !keeping.contains(number) else { continue }
            plan.remove("\(directory)/\(name)")
        }
        let current = "\(directory)/\(generation)"
        let named = Set(
            (1...max(options.append.count, 1)).prefix(options.append.count).map { "\(sitePrefix)\($0).cpio" })
        for name in try Files.names(in: current) where name.hasPrefix(sitePrefix) && !named.contains(name) {
            plan.remove("\(current)/\(name)")
        }
    }

    private func requireWritable() throws {
        let place = Files.nearestDirectory(label.tftpboot)
        if Files.exists(label.tftpboot), !Files.isDirectory(label.tftpboot) {
            throw BootError.tftpNotWritable(path: label.tftpboot, reason: "it is no directory")
        }
        guard access(place, W_OK) == 0 else {
            throw BootError.tftpNotWritable(path: label.tftpboot, reason: String(cString: strerror(errno)))
        }
    }
}

extension Transport {
    /// Throws where a generation's initramfs was built without what this transport needs.
    /// - Throws: `BootError.initramfsLacks`.
    public func require(in generation: Generation, of label: Label) throws(BootError) {
        let known = generation.manifest.bootTransports
        guard known.contains(self) else {
            throw .initramfsLacks(
                transport: rawValue, label: label.name, generation: generation.number, known: known.map(\.rawValue))
        }
    }
}
