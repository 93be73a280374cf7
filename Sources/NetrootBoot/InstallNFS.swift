import Glibc
public import NetrootConfig
import NetrootImage
import NetrootStore
import NetrootSystem

/// Who serves a root.
public enum NFSServerKind: String, Codable, Sendable, CaseIterable {
    /// netroot's own server: NFS and MOUNT on one port.
    case netroot
    /// The kernel's nfsd, with rpcbind.
    case kernel
}

/// Where the boot loader's files come from: Debian's packages, unless a test says otherwise.
public struct PXELinuxFiles: Sendable {
    /// The program that the firmware loads.
    public var loader = "/usr/lib/PXELINUX/pxelinux.0"
    /// Its library.
    public var library = "/usr/lib/syslinux/modules/bios/ldlinux.c32"

    /// The paths in Debian's packages.
    public init() {}

    func require() throws {
        try Tool.require(file: loader, package: "pxelinux")
        try Tool.require(file: library, package: "syslinux-common")
    }
}

/// Writing the TFTP root, the boot entry and the export of a label.
public struct InstallNFS: Sendable {
    /// The label.
    public let label: Label
    /// What the entry and the export say.
    public var options: InstallOptions
    /// Whether the label becomes what a client boots without being asked.
    public var makeDefault = true
    /// The folder that the export goes to as well; nil: only beside the generations.
    public var exportsDirectory: String?
    /// The boot loader.
    public var loader = PXELinuxFiles()

    /// - Parameter options: nil takes those of the last install, or the defaults.
    /// - Throws: `SystemError`, `DecodingError`.
    public init(label: Label, options: InstallOptions? = nil) throws {
        self.label = label
        self.options = try options ?? InstallOptions.last(label) ?? InstallOptions()
    }

    /// The paths of a label's boot files, relative to the TFTP root.
    static func bootDirectory(_ label: String, _ generation: Int) -> String { "netroot/\(label)/\(generation)" }

    /// The generation that the boot entry of a label names; nil where there is no entry.
    /// - Throws: `SystemError`.
    public static func installedGeneration(_ label: Label) throws -> Int? {
        let path = configPath(label)
        guard Files.exists(path) else { return nil }
        guard let kernel = try PXELinuxConfig(bytes: try Files.read(path)).kernelPath(of: label.name) else {
            return nil
        }
        return kernel.split(separator: "/").dropLast().last.flatMap { Int($0) }
    }

    static func configPath(_ label: Label) -> String { label.tftpboot + "/pxelinux.cfg/default" }

    /// Plans, and makes the changes under a lock on the TFTP root, so that two installs keep each other's entries.
    /// - Throws: as `plan`; `LockedError`, `CommandError`.
    public func run() async throws -> InstallPlan {
        _ = try await plan()
        let own = try LabelStore(label: label).lock(verb: "installnfs")
        defer { withExtendedLifetime(own) {} }
        try Files.makeDirectory(label.tftpboot)
        let lock = try FileLock(
            path: label.tftpboot + "/.netroot.lock", subject: "TFTPBOOT \(label.tftpboot)",
            verb: "installnfs \(label.name)")
        defer { withExtendedLifetime(lock) {} }
        let plan = try await plan()
        try await plan.apply()
        return plan
    }

    /// What has to change; nothing is changed yet.
    /// - Throws: `MissingError`, `StoreError`, `BootError`, `SystemError`, and the renderers' errors.
    public func plan() async throws -> InstallPlan {
        try loader.require()
        if label.rw, options.server == .netroot { throw BootError.readWriteNeedsKernelServer(label: label.name) }
        let store = LabelStore(label: label)
        let generation = try store.current()
        try requireWritable()
        var plan = InstallPlan()
        try await plan.copy(loader.loader, to: label.tftpboot + "/pxelinux.0")
        try await plan.copy(loader.library, to: label.tftpboot + "/ldlinux.c32")
        let files = Self.bootDirectory(label.name, generation.number)
        try await plan.copy(generation.vmlinuz, to: "\(label.tftpboot)/\(files)/vmlinuz")
        try await plan.copy(generation.initramfs, to: "\(label.tftpboot)/\(files)/initrd.img")
        let site = try await addSiteFiles(to: &plan, directory: files)
        try plan.write(InstallOptions.path(label), Array(try JSON.text(options).utf8))
        // Before the entry: a client that boots at this moment finds its root exported.
        try addExport(to: &plan, generations: try store.usable().generations)
        let path = Self.configPath(label)
        let old = try PXELinuxConfig(bytes: Files.exists(path) ? try Files.read(path) : [])
        let entry = PXELinuxEntry(
            label: label.name, title: "\(label.name), generation \(generation.number)",
            kernel: "\(files)/vmlinuz", initrds: ["\(files)/initrd.img"] + site,
            commandLine: try commandLine(root: generation.root).rendered())
        try plan.write(path, try old.replacing(entry, makeDefault: makeDefault).bytes)
        try removeStale(
            from: &plan, generation: generation.number, keeping: Set(try store.numbers()).union([generation.number]))
        try plan.requireWritable()
        return plan
    }

    /// Site archives beside the initramfs: a file as it is, a directory packed to lie over the root.
    /// - Returns: their paths in the TFTP root, in order.
    private func addSiteFiles(to plan: inout InstallPlan, directory: String) async throws -> [String] {
        var names: [String] = []
        for (number, source) in options.append.enumerated() {
            let name = "\(directory)/site-\(number + 1).cpio"
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

    private func commandLine(root: String) -> KernelCommandLine {
        KernelCommandLine(
            root: NFSRoot(server: options.address, path: root, port: options.server == .netroot ? options.port : nil),
            address: .dhcp, nameserver: nil, rw: label.rw, overlaySize: label.overlaySize, debug: label.debug,
            virtualMachine: false, extra: label.extraCommandLine)
    }

    /// One line a generation: a client that runs an older one keeps its root.
    private func addExport(to plan: inout InstallPlan, generations: [Generation]) throws {
        let exports = ExportsFile(
            label: label.name, directories: generations.map(\.root), clients: options.clients, rw: label.rw)
        let text = Array(try exports.rendered().utf8)
        try plan.write("\(label.netroot)/\(exports.fileName)", text)
        guard let exportsDirectory else { return }
        let place = Files.nearestDirectory(exportsDirectory)
        guard access(place, W_OK) == 0 else {
            throw BootError.exportsNotWritable(path: exportsDirectory, reason: String(cString: strerror(errno)))
        }
        try plan.write("\(exportsDirectory)/\(exports.fileName)", text)
    }

    private func removeStale(from plan: inout InstallPlan, generation: Int, keeping: Set<Int>) throws {
        let directory = "\(label.tftpboot)/netroot/\(label.name)"
        for name in try Files.names(in: directory) {
            guard let number = Int(name), !keeping.contains(number) else { continue }
            plan.remove("\(directory)/\(name)")
        }
        let current = "\(directory)/\(generation)"
        let named = Set((1...max(options.append.count, 1)).prefix(options.append.count).map { "site-\($0).cpio" })
        for name in try Files.names(in: current) where name.hasPrefix("site-") && !named.contains(name) {
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
