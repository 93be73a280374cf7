import Glibc
public import NetrootConfig
public import NetrootEntry
import NetrootStore
public import NetrootSystem

/// Writing the TFTP root, the boot entries and the exports of a label, for some transports.
public struct Install: Sendable {
    public let label: Label
    /// How clients get the root; at least one.
    public let chosen: [any Transport]
    /// All transports, for what the label's other entries say.
    public let transports: Transports
    /// What the entry and the export say.
    public var options: InstallOptions
    /// Whether the label, by the first of the chosen transports, becomes what a client boots without being asked.
    public var makeDefault = true
    /// Whether the export goes into the system's folder as well; else it is only beside the generations.
    public var system = false
    /// What goes before the paths of the system's folders: nothing, or a test's own root.
    public var sysroot = ""
    /// This machine's addresses, for what the user is told.
    public var interfaces: [InterfaceAddress] = []
    /// The boot loaders.
    public var loaders = BootLoaders()

    /// - Parameters:
    ///   - transports: all that there are.
    ///   - options: nil takes those of the last install, or the defaults.
    /// - Throws: `SystemError`, `BootError`.
    public init(
        label: Label, by chosen: [any Transport], transports: Transports = .shipped, options: InstallOptions? = nil
    ) throws {
        self.label = label
        self.chosen = chosen
        self.transports = transports
        self.options = try options ?? InstallOptions.last(label) ?? InstallOptions()
    }

    /// Plans, and makes the changes under a lock on the TFTP root, so that two installs keep each other's entries.
    /// - Throws: as `plan`; `LockedError`, `CommandError`.
    public func run() async throws -> InstallPlan {
        _ = try await plan()
        let own = try LabelStore(label: label).lock(verb: "install")
        defer { withExtendedLifetime(own) {} }
        try Files.makeDirectory(label.tftpboot)
        let lock = try TFTPRoot(of: label).lock(verb: "install")
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
        for transport in chosen {
            _ = try transports.artifact(
                of: generation, label: label, by: transport, from: try options.server(of: transport))
        }
        try requireClients()
        try requireWritable()
        var plan = InstallPlan()
        try await plan.copy(loaders.pxelinux, to: label.tftpboot + "/pxelinux.0")
        try await plan.copy(loaders.ldlinux, to: label.tftpboot + "/ldlinux.c32")
        try plan.write(
            label.tftpboot + "/" + BootLoaders.grubFile, try await loaders.grubImage(server: try sharedServer()),
            isText: false)
        let files = Installed.bootDirectory(label.name, generation.number)
        try await plan.copy(generation.vmlinuz, to: "\(label.tftpboot)/\(files)/vmlinuz")
        for transport in chosen {
            let loaded = try generation.requirePath(of: transport.loads)
            try await plan.copy(loaded, to: "\(label.tftpboot)/\(files)/\(Files.name(loaded))")
        }
        try plan.write(InstallOptions.path(label), Array(try JSON.text(options).utf8))
        // Before the entry: a client that boots at this moment finds its root exported.
        let stored = try store.usable()
        for error in stored.damaged { plan.note("not offered to clients: \(error)") }
        try addExports(to: &plan, generations: stored.generations, current: generation)
        try noteAddress(in: &plan)
        for (number, transport) in chosen.enumerated() {
            let site = try await plan.addSiteFiles(
                options.append, in: "\(label.tftpboot)/\(files)", prefix: transport.sitePrefix
            ).map { "\(files)/\($0)" }
            try addEntries(
                to: &plan, try entry(generation, by: transport, files: files, site: site),
                makeDefault: makeDefault && number == 0)
            try removeStaleSites(from: &plan, generation: generation.number, prefix: transport.sitePrefix)
        }
        try removeStale(from: &plan, generation: generation.number, keeping: Set(try store.numbers()))
        try plan.requireWritable()
        return plan
    }

    private func entry(
        _ generation: Generation, by transport: any Transport, files: String, site: [String]
    ) throws -> BootEntry {
        let suffix = transport.entrySuffix.isEmpty ? "" : " by \(transport.name)"
        let root = transport.root(
            of: RootOffer(
                label: label.name, generation: generation.number, path: generation.exportPath,
                imageBytes: generation.artifact(.squashfs)?.bytes ?? 0, address: try options.server().description,
                server: try options.server(of: transport),
                port: options.port(of: transport),
                imageURL: "\(try options.httpBase())/\(imageURL(generation.number))"))
        let commandLine = KernelCommandLine(
            root: root, address: try options.server().isIPv6 ? .ipv6 : .dhcp, nameserver: nil, rw: label.rw,
            overlaySize: label.overlaySize,
            containerStorage: label.containerStorage, stableMachineID: label.machineID == .stable,
            debug: label.debug, virtualMachine: false, extra: label.extraCommandLine)
        return BootEntry(
            name: transport.entryName(label.name),
            title: "\(label.name), generation \(generation.number)\(suffix)",
            kernel: "\(files)/vmlinuz",
            initrds: ["\(files)/\(Files.name(try generation.requirePath(of: transport.loads)))"] + site,
            arguments: try commandLine.arguments(), needsNetwork: root.needsNetwork)
    }

    /// The entry for each boot loader, and iPXE's menu over all scripts.
    private func addEntries(to plan: inout InstallPlan, _ entry: BootEntry, makeDefault: Bool) throws {
        func old(_ file: String) throws -> [UInt8] { try plan.content(of: "\(label.tftpboot)/\(file)") ?? [] }
        let ipxe = "\(label.tftpboot)/ipxe"
        var scripts: [(name: String, title: String)] = []
        for name in try plan.names(in: ipxe) where name.hasSuffix(".ipxe") && name != "index.ipxe" {
            let text = String(decoding: try old("ipxe/\(name)"), as: UTF8.self)
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
        try plan.write(
            "\(ipxe)/\(entry.name).ipxe", Array(try IPXEScript.script(entry, base: try options.httpBase()).utf8))
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

    private func removeStale(from plan: inout InstallPlan, generation: Int, keeping: Set<Int>) throws {
        let directory = "\(label.tftpboot)/netroot/\(label.name)"
        for name in try Files.names(in: directory) {
            guard let number = Int(name), number != generation, !keeping.contains(number) else { continue }
            plan.remove("\(directory)/\(name)")
        }
    }

    /// Removes the site archives of an earlier install that this one does not name any more.
    private func removeStaleSites(from plan: inout InstallPlan, generation: Int, prefix: String) throws {
        let current = "\(label.tftpboot)/netroot/\(label.name)/\(generation)"
        let named = Set(options.append.indices.map { "\(prefix)\($0 + 1).cpio" })
        for name in try Files.names(in: current) where name.hasPrefix(prefix) && !named.contains(name) {
            plan.remove("\(current)/\(name)")
        }
    }

    private func requireWritable() throws {
        let place = Files.nearestDirectory(label.tftpboot)
        if Files.exists(label.tftpboot), !Files.isDirectory(label.tftpboot) {
            throw BootError.tftpNotWritable(path: label.tftpboot, reason: "it is not a directory")
        }
        guard access(place, W_OK) == 0 else {
            throw BootError.tftpNotWritable(path: label.tftpboot, reason: String(cString: strerror(errno)))
        }
    }
}
