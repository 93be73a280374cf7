import NetrootSystem
import Testing

@testable import NetrootSite

/// What GRUB calls a directory, and whether it can write there.
@Suite struct GRUBPlaceTests {
    private func place(_ path: String, _ line: String, device: String = "") throws -> GRUBPlace {
        GRUBPlace(path: path, mount: try #require(MountPoint.of(path, in: line)), device: device)
    }

    @Test(
        arguments: [
            ("/boot", "21 1 254:1 / / rw shared:1 - ext4 /dev/vda1 rw", nil),
            ("/boot", "21 1 254:1 / /boot rw - ext4 /dev/vda1 rw", nil),
            ("/boot", "21 1 0:30 /@ / rw - btrfs /dev/vda1 rw", "/@/boot/netroot/a/1"),
            ("/mnt/boot", "21 1 0:30 /@boot /mnt/boot rw - btrfs /dev/vda1 rw", "/@boot/netroot/a/1"),
            ("/mnt/boot", "21 1 0:30 /root /mnt rw - btrfs /dev/vda1 rw", "/root/boot/netroot/a/1"),
            ("/boot", "21 1 0:30 /a\\040b / rw - btrfs /dev/vda1 rw", nil),
        ] as [(String, String, String?)])
    func aSubvolumeIsPartOfTheName(path: String, line: String, more: String?) throws {
        let names = try place(path, line).names(of: "/netroot/a/1")
        #expect(names == ["/netroot/a/1", "/boot/netroot/a/1"] + [more].compactMap(\.self))
    }

    @Test(
        arguments: [
            ("ext4", "vda1", nil), ("vfat", "sda1", nil), ("btrfs", "", "btrfs"), ("zfs", "", "zfs"),
            ("ext4", "dm-0", "LVM or another device mapper"), ("xfs", "md127", "RAID"),
        ] as [(String, String, String?)])
    func whereGRUBCannotForget(type: String, device: String, what: String?) throws {
        let place = try place("/boot", "21 1 0:30 / / rw shared:1 - \(type) x rw", device: device)
        #expect(place.unwritable == what)
        #expect(place.hasModes == (type != "vfat"))
    }
}
