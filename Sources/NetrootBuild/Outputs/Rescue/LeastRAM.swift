/// The least RAM with which a machine boots a rescue archive whole, from what was measured of the archive.
///
/// The kernel holds the archive as it came while it unpacks it into rootfs. rootfs is a tmpfs whose bound is half of the RAM
/// that the kernel has left then (`shmem_default_max_blocks` in mm/shmem.c). So an archive of A bytes whose files take F needs
/// A, twice F, and what the kernel takes for itself. Afterwards A is free again, and the system runs on the rest.
struct LeastRAM: Sendable, Equatable {
    /// The archive, as it is loaded, in bytes.
    var archive: UInt64
    /// What its files take in rootfs, in bytes: whole pages.
    var files: UInt64

    static func += (sum: inout Self, other: Self) {
        sum.archive += other.archive
        sum.files += other.files
    }

    /// What the kernel keeps, but for its table of pages: measured 44 MiB with Debian 12's cloud kernel (`reserved` in its
    /// line `Memory:`, without the archive), and more with one for every machine.
    private static let kernel: UInt64 = 56 << 20
    /// What a system needs beside its root to reach multi-user.target and to let somebody log in: measured 60 MiB with
    /// systemd, udev, networkd, logind and sshd.
    private static let running: UInt64 = 128 << 20
    /// What unpacking takes besides, where nothing bounds rootfs: inodes, and what the kernel keeps free.
    private static let unpacking: UInt64 = 48 << 20
    /// What the firmware keeps. `/init` (`ram_firmware` in ram-root/ram-root.sh) lets a machine boot that has less by that much.
    private static let firmware: UInt64 = 16 << 20

    /// Where rootfs is a tmpfs, as it is without an argument for it.
    var bounded: Int64 { Self.rounded(max(2 * files + archive, files + Self.running)) }

    /// With `rootfstype=ramfs` on the kernel command line, where nothing bounds rootfs.
    var unbounded: Int64 { Self.rounded(files + max(archive + Self.unpacking, Self.running)) }

    /// With what kernel and firmware take, in whole steps of 16 MiB, as machines are given RAM. The table of pages takes 64
    /// bytes for each 4 KiB, that is 1/64.
    private static func rounded(_ bytes: UInt64) -> Int64 {
        let step: UInt64 = 16 << 20
        let whole = (bytes + kernel) * 64 / 63 + firmware
        return Int64(clamping: (whole + step - 1) / step * step)
    }
}
