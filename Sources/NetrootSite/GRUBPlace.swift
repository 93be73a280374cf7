import Glibc
import NetrootEntry
import NetrootSystem

/// Where the directory that holds GRUB's lies, as GRUB sees it and as this system does.
struct GRUBPlace: Sendable, Equatable {
    /// The directory, without symlinks.
    let path: String
    let mount: MountPoint?
    /// The kernel's name of the device, `sda1` or `dm-0`; empty where the filesystem has no one device.
    let device: String

    /// - Throws: `SystemError`.
    init(_ boot: String) throws {
        guard let resolved = realpath(boot, nil) else { throw SystemError("resolve", boot, code: errno) }
        defer { free(resolved) }
        let path = String(cString: resolved)
        let mount = MountPoint.of(path, in: try Files.text("/proc/self/mountinfo"))
        let device = try mount.flatMap { try Files.linkTarget("/sys/dev/block/\($0.device)") }
        self.init(path: path, mount: mount, device: device.map(Files.name) ?? "")
    }

    init(path: String, mount: MountPoint?, device: String) {
        self.path = path
        self.mount = mount
        self.device = device
    }

    /// What GRUB may call a directory below this one: that depends on what is a filesystem of its own. Of Btrfs it sees the
    /// whole, with the subvolume as a directory.
    func names(of below: String) -> [String] {
        var names = [below, "/boot" + below]
        if let mount, mount.root != "/" {
            let rest = mount.path == "/" ? path : String(path.dropFirst(mount.path.count))
            let name = mount.root + rest + below
            if GRUBCustomConfig.canName(name), !names.contains(name) { names.append(name) }
        }
        return names
    }

    /// Whether files have modes here.
    var hasModes: Bool { !["vfat", "msdos", "exfat"].contains(mount?.type ?? "") }

    /// Why GRUB cannot write its environment here, and so not forget an entry that it was to boot once (grub-mkconfig
    /// leaves `save_env` out there); nil where it can, as far as can be seen.
    var unwritable: String? {
        if let type = mount?.type, ["btrfs", "zfs"].contains(type) { return type }
        if device.hasPrefix("dm-") { return "LVM or another device mapper" }
        return device.hasPrefix("md") ? "RAID" : nil
    }
}
