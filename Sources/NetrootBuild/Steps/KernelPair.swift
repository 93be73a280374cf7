import NetrootConfig
import NetrootEntry
import NetrootImage
import NetrootSystem
import NetrootTree

/// The kernel of a root and the initramfs that dracut makes for it.
struct KernelPair: Sendable {
    let tree: RootTree
    let inRoot: RootCommand
    let runner: CommandRunner
    /// What the initramfs is to boot by.
    let transports: [any Transport]
    /// `KERNEL` of the label.
    var pattern: KernelPattern?

    /// The kernel that clients boot, of those that have their modules, and the image's path in the root.
    /// - Throws: `BuildError.noKernel`, `BuildError.kernelUnmatched`, `BuildError.onlyDebugKernels`.
    func kernel() throws -> (choice: KernelChoice, path: String) {
        let modules = Set(try tree.names(in: "lib/modules"))
        let images = try tree.names(in: "boot").filter { $0.hasPrefix("vmlinuz-") }
            .map { (version: String($0.dropFirst("vmlinuz-".count)), path: "boot/\($0)") }
        // Fedora and its kin keep the image beside the modules.
        let besideModules = try modules.sorted().filter { try tree.contains("lib/modules/\($0)/vmlinuz") }
            .map { (version: $0, path: "lib/modules/\($0)/vmlinuz") }
        let usable = (images + besideModules).filter { modules.contains($0.version) }
        let family = try PackageFamily.of(tree)
        guard !usable.isEmpty else { throw BuildError.noKernel(package: family?.kernelPackage ?? "a kernel") }
        let choice = try KernelChoice(
            of: Set(usable.map(\.version)), by: family?.kernelVersionOrder ?? .linuxVersion, pattern: pattern)
        let taken = usable.first { $0.version == choice.taken } ?? usable[0]
        return (choice, taken.path)
    }

    /// Checks that the root has dracut.
    /// - Throws: `BuildError.noDracut`.
    func requireDracut() throws {
        let paths = ["usr/bin/dracut", "usr/sbin/dracut"]
        guard try paths.contains(where: { try tree.contains($0) }) else { throw BuildError.noDracut }
    }

    /// Checks that the root has what the transports need, in words that dracut does not have.
    /// - Throws: `BuildError.transportLacks`.
    func requireTransports() throws {
        for transport in transports {
            guard let need = try transport.needs.missing(in: tree) else { continue }
            throw BuildError.transportLacks(
                transport: transport.name.rawValue, what: need.name, package: need.package(try PackageFamily.of(tree)))
        }
    }

    /// Whether one of the transports boots an initramfs of dracut.
    var needsDracut: Bool { transports.contains { $0.loads == .initramfs } }

    /// Runs the root's dracut once, takes kernel and initramfs out of the root, and checks that they are a pair; where no
    /// transport boots such an initramfs, only the kernel.
    ///
    /// Of several kernels it notes, there and in the log, which one it takes.
    /// - Throws: `BuildError`, `SystemError`, `CommandError`.
    func make(vmlinuz: String, initramfs: String, progress: Progress) async throws -> KernelChoice {
        let (choice, path) = try kernel()
        if let note = choice.note {
            progress.note(note)
            try runner.note(note)
        }
        if needsDracut { try await makeInitramfs(initramfs, version: choice.taken) }
        try await runner.run(
            Command(["cp", "-L", "--reflink=auto", "--", try tree.regularFile(path), vmlinuz]))
        // The TFTP server of another user reads it too.
        try await runner.run(Command(["chmod", "0644", "--", vmlinuz]))
        return choice
    }

    private func makeInitramfs(_ initramfs: String, version: String) async throws {
        try requireDracut()
        try requireTransports()
        let inside = "/boot/initrd.img-\(version)"
        do {
            try await runner.run(inRoot.command(["dracut", "--force", "--kver", version, inside]))
        } catch let error as CommandError {
            guard case .failed(_, _, let lines, _) = error else { throw error }
            throw BuildError.dracutFailed(lines: lines)
        }
        let made = try tree.resolve(inside)
        guard Files.exists(made) else {
            throw BuildError.dracutFailed(lines: ["it wrote no \(inside)"])
        }
        try await verify(made, version: version)
        // A root that is served needs no copy of its own.
        try await runner.run(Command(["mv", "-f", "--", made, initramfs]))
        // dracut writes 0600; the TFTP server of another user reads it too.
        try await runner.run(Command(["chmod", "0644", "--", initramfs]))
    }

    /// Opens the initramfs and checks that it belongs to the kernel and holds what the transports need.
    /// - Throws: `BuildError.badInitramfs`.
    func verify(_ path: String, version: String) async throws {
        let initramfs: Initramfs
        do {
            initramfs = try await Initramfs.open(path)
        } catch let error as InitramfsError {
            throw BuildError.badInitramfs(reason: error.description)
        } catch let error as NewcError {
            throw BuildError.badInitramfs(reason: error.description)
        }
        let family = try PackageFamily.of(tree)
        if let reason = Self.reasonToReject(
            initramfs.contents, version: version, transports: transports, family: family)
        {
            throw BuildError.badInitramfs(reason: reason)
        }
    }

    /// What every way to a network root needs. dracut itself goes on where it could not install a file.
    private static let needed = [
        ("sbin/netroot", "network"), ("hooks/pre-pivot/06-net.sh", "netroot-net"),
        ("netroot-wait.sh", "netroot-wait"),
    ]

    /// Why an initramfs cannot boot a root of this kernel version by each of the transports; nil where it can.
    static func reasonToReject(
        _ contents: InitramfsContents, version: String, transports: [any Transport], family: PackageFamily? = nil
    ) -> String? {
        let versions = contents.kernelVersions
        guard versions == [version] else {
            let found = versions.isEmpty ? "none" : versions.joined(separator: ", ")
            return "it is for kernel \(found), the root's kernel is \(version)"
        }
        if !contents.hasDracutModule("netroot-rootovl") || !contents.hasFile(matching: "*/hooks/pre-pivot/*rootovl.sh")
        {
            return "it lacks the overlay module netroot-rootovl"
        }
        for (file, module) in needed where !contents.hasFile(matching: "*/\(file)") {
            return "it lacks \(Files.name(file)) of dracut's module \(module)"
        }
        if !contents.hasKernelModule("overlay") { return "it lacks the kernel module overlay" }
        for transport in transports {
            if let missing = transport.needs.missing(in: contents, family: family) {
                return "for the transport \(transport.name) it lacks \(missing)"
            }
        }
        return contents.hasNetworkDriver ? nil : "it lacks every network driver"
    }
}
