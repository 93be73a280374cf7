import Glibc
public import NetrootConfig
import NetrootEntry
import NetrootStore
public import NetrootSystem

/// A label's archive beside the kernels of an installed system, and an entry for its GRUB that `grub-reboot` boots once.
///
/// Neither GRUB's own configuration nor its default entry is changed.
public struct GRUBOnce: Sendable {
    public let label: Label
    /// The directory that holds GRUB's, as it is mounted here: `/boot`.
    public let boot: String
    /// Archives appended to the label's, and directories that are packed into one; nil leaves those of the last install.
    public let append: [String]?
    /// This machine's RAM in bytes, for what the user is told; nil where it is not known.
    public var memory: Int64?

    /// Nothing is looked at yet.
    public init(label: Label, boot: String, append: [String]? = nil) {
        self.label = label
        self.boot = boot
        self.append = append
    }

    /// The directory of the label's files.
    private var directory: String { "\(boot)/netroot/\(label.name)" }
    private static let sitePrefix = "site-"
    /// What stays free besides the files, in bytes: a disk that is full to the last block stops the system on it.
    private static let reserve: Int64 = 1 << 20

    /// GRUB's own directory: Fedora and openSUSE have another name for it.
    /// - Throws: `GRUBOnceError.noGRUB`.
    private func grub() throws(GRUBOnceError) -> String {
        guard let name = ["grub", "grub2"].first(where: { Files.isDirectory("\(boot)/\($0)") }) else {
            throw .noGRUB(boot: boot)
        }
        return "\(boot)/\(name)"
    }

    /// The command that makes the machine boot the entry at its next start, and only then.
    /// - Throws: `GRUBOnceError.noGRUB`.
    public func next() throws -> String {
        let program = Files.name(try grub()) == "grub2" ? "grub2-reboot" : "grub-reboot"
        let place = boot == "/boot" ? "" : " --boot-directory=\(boot)"
        return "\(program)\(place) \(GRUBCustomConfig.id(label.name)) && reboot"
    }

    /// What has to change; nothing is changed yet.
    /// - Throws: `GRUBOnceError`, `BootError`, `StoreError`, `SystemError`, `SharedConfigError`, `KernelCommandLineError`.
    public func plan() async throws -> InstallPlan {
        let grub = try grub()
        let generation = try LabelStore(label: label).current()
        let ram = RAM()
        let kind = try Transports.shipped.artifact(of: generation, label: label, by: ram, from: RAM.noServer)
        let archive = try generation.requirePath(of: kind)
        let custom = "\(grub)/\(GRUBCustomConfig.file)"
        let place = try GRUBPlace(boot)
        var plan = InstallPlan(isPrivate: true, hasModes: place.hasModes)
        let before = try config(custom)
        // One for each generation: until the entry is written the old one boots the old files.
        let files = "\(directory)/\(generation.number)"
        try await plan.copy(generation.vmlinuz, to: files + "/vmlinuz")
        try await plan.copy(archive, to: "\(files)/\(Files.name(archive))")
        let site = try await sideLoads(to: &plan, in: files, before: before)
        let commandLine = KernelCommandLine(
            root: RAMRoot(), address: .dhcp, overlaySize: label.overlaySize, containerStorage: label.containerStorage,
            stableMachineID: label.machineID == .stable, debug: label.debug, extra: label.extraCommandLine)
        let entry = BootEntry(
            name: GRUBCustomConfig.id(label.name), title: "\(label.name), generation \(generation.number), from RAM",
            kernel: "vmlinuz", initrds: [Files.name(archive)] + site, arguments: try commandLine.arguments(),
            needsNetwork: false)
        let below = "/netroot/\(label.name)/\(generation.number)"
        try plan.write(
            custom,
            try before.replacing(
                entry, label: label.name, places: place.names(of: below), isNew: !Files.exists(custom)
            ).bytes)
        for name in try Files.names(in: files) where isOwn(name) && name != "vmlinuz" && !entry.initrds.contains(name) {
            plan.remove("\(files)/\(name)")
        }
        for name in try Files.names(in: directory) where name != "\(generation.number)" {
            _ = try remove(name, from: &plan)
        }
        try plan.requireWritable()
        try requireSpace(for: plan)
        note(in: &plan, grub: grub, needs: generation.artifact(kind)?.archive?.leastRAM, hasSite: !site.isEmpty)
        note(place, in: &plan, grub: grub)
        return plan
    }

    /// The side-loads that are given, or else those of the last install, whose generation may be another.
    private func sideLoads(
        to plan: inout InstallPlan, in files: String, before: GRUBCustomConfig
    ) async throws -> [String] {
        if let append { return try await plan.addSiteFiles(append, in: files, prefix: Self.sitePrefix) }
        let site = before.initrds(of: label.name).filter(isSite)
        let number = before.place(of: label.name).map(Files.name).flatMap { Int($0) }
        for name in site {
            try await plan.copy("\(number.map { "\(directory)/\($0)" } ?? directory)/\(name)", to: "\(files)/\(name)")
        }
        return site
    }

    /// Adds the removal of what an install may have put into the label's directory: a generation's files, or one file.
    /// - Returns: whether nothing is left of it.
    private func remove(_ name: String, from plan: inout InstallPlan) throws -> Bool {
        let path = "\(directory)/\(name)"
        guard Int(name) != nil, Files.isDirectory(path) else {
            if isOwn(name) { plan.remove(path) }
            return isOwn(name)
        }
        let names = try Files.names(in: path)
        let own = names.filter(isOwn)
        if own == names { plan.remove(path) } else { for name in own { plan.remove("\(path)/\(name)") } }
        return own == names
    }

    /// What an install has written, to be taken back.
    /// - Throws: `GRUBOnceError`, `SystemError`, `SharedConfigError`.
    public func removal() throws -> InstallPlan {
        let custom = "\(try grub())/\(GRUBCustomConfig.file)"
        var plan = InstallPlan(isPrivate: true, hasModes: try GRUBPlace(boot).hasModes)
        if Files.exists(custom) {
            let left = try config(custom).removing(label.name)
            let isOwn = try left.isEmptyAndOwn && Files.linkTarget(custom) == nil
            if isOwn { try plan.delete(custom) } else { try plan.write(custom, left.bytes) }
        }
        var single = plan
        let isWhole = try Files.names(in: directory).map { try remove($0, from: &single) }.allSatisfy { $0 }
        if isWhole {
            let shared = Files.parent(directory)
            let others = try Files.names(in: shared).filter { $0 != label.name && $0 != Self.lockName }
            if Files.exists(shared) { plan.remove(others.isEmpty ? shared : directory) }
        } else {
            plan = single
            plan.note("\(directory) stays: netroot did not write all that is in it")
        }
        try plan.requireWritable()
        return plan
    }

    /// Plans, and makes the changes under a lock.
    /// - Throws: as `plan`; `LockedError`, `CommandError`.
    public func install() async throws -> InstallPlan {
        if !Files.isDirectory(boot + "/netroot") {
            // What can be found wrong is found before the first directory is made.
            _ = try await plan()
            try Files.makeDirectory(boot + "/netroot")
        }
        let lock = try lock()
        defer { withExtendedLifetime(lock) {} }
        try removeLeftovers()
        let plan = try await plan()
        try await plan.apply()
        return plan
    }

    /// Takes back what an install has written; where there is nothing it does nothing.
    /// - Throws: as `removal`; `LockedError`.
    public func remove() async throws -> InstallPlan {
        let lock = Files.isDirectory(boot + "/netroot") ? try lock() : nil
        defer { withExtendedLifetime(lock) {} }
        if lock != nil { try removeLeftovers() }
        let plan = try removal()
        try await plan.apply()
        return plan
    }

    /// Removes what runs left that were killed: it holds keys, and takes the room that is needed.
    private func removeLeftovers() throws {
        let generations = try Files.names(in: directory).filter { Int($0) != nil }.map { "\(directory)/\($0)" }
        for place in [try grub(), directory] + generations { FileReplacement.removeUnfinished(in: place) }
    }

    private static let lockName = ".netroot.lock"

    private func lock() throws -> FileLock {
        try FileLock(
            path: "\(boot)/netroot/\(Self.lockName)", subject: "\(boot)/netroot", verb: "install \(label.name) grub")
    }

    private func config(_ path: String) throws -> GRUBCustomConfig {
        try GRUBCustomConfig(bytes: Files.exists(try InstallPlan.followed(path)) ? try Files.read(path) : [])
    }

    private func isSite(_ name: String) -> Bool {
        name.hasPrefix(Self.sitePrefix) && name.hasSuffix(".cpio")
            && Int(name.dropFirst(Self.sitePrefix.count).dropLast(".cpio".count)) != nil
    }

    /// Whether the name is one that an install gives a file; the root's archive is named by its compression.
    private func isOwn(_ name: String) -> Bool { name == "vmlinuz" || isSite(name) || name.hasPrefix("rescue.cpio") }

    private func requireSpace(for plan: InstallPlan) throws {
        let free = try Files.freeBytes(at: Files.nearestDirectory(boot))
        guard plan.bytes == 0 || plan.bytes + Self.reserve <= free else {
            throw GRUBOnceError.noSpace(boot: boot, needs: plan.bytes + Self.reserve, free: free)
        }
    }

    private func note(in plan: inout InstallPlan, grub: String, needs: Int64?, hasSite: Bool) {
        if !hasSite {
            plan.note(
                "no side-load is appended: who logs in over ssh must be known to the image; see --append, and "
                    + "netroot sideload create")
        }
        if let needs, let memory, memory < needs {
            plan.note("this machine has \(memory >> 20) MiB of RAM, and the archive needs \(needs >> 20) MiB")
        }
        let own = grub + "/grub.cfg"
        do {
            let text = try Files.text(own)
            guard !text.contains(GRUBCustomConfig.file) else { return }
            plan.note("\(own) does not read \(GRUBCustomConfig.file); make it anew, such as by update-grub")
        } catch {
            plan.note("whether GRUB reads \(GRUBCustomConfig.file) is not known: \(error)")
        }
    }
}

extension GRUBOnce {
    /// What does not hold where GRUB's directory lies.
    private func note(_ place: GRUBPlace, in plan: inout InstallPlan, grub: String) {
        if !place.hasModes {
            plan.note("\(boot) has no modes: who can read it here can read the archives")
        }
        if let what = place.unwritable {
            plan.note(
                "\(grub) is on \(what), where GRUB may not be able to write: it would boot the entry at every start, until "
                    + "\(Files.name(grub))-editenv - unset next_entry")
        }
    }
}

/// Why an archive cannot be put beside a GRUB.
public enum GRUBOnceError: ReportableError, Equatable {
    /// There is no GRUB in the directory.
    case noGRUB(boot: String)
    /// The directory's filesystem is too full; bytes.
    case noSpace(boot: String, needs: Int64, free: Int64)

    /// The exit status of a command that ends with this error.
    public var exitStatus: ExitStatus {
        switch self {
        case .noGRUB: .usage
        case .noSpace: .failed
        }
    }

    /// One line: what, where and what to do next.
    public var description: String {
        switch self {
        case .noGRUB(let boot):
            "\(boot) holds neither grub nor grub2; name the directory that holds GRUB's with --boot, such as /boot"
        case .noSpace(let boot, let needs, let free):
            "\(boot) has \(free >> 20) MiB free, and \((needs + (1 << 20) - 1) >> 20) MiB are needed; remove old kernels, "
                + "or make the archive smaller"
        }
    }
}
