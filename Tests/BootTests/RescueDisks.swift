import NetrootSystem
import TestSupport
import Testing

/// Disks that a system might take for its own: swap, a filesystem, and a member of an array. A rescue system leaves them
/// alone, which the guest's check noDisk says.
struct RescueDisks {
    let folder: String
    private(set) var files: [String] = []

    /// `EXTRA_QEMU`; what the guest writes to them is not kept.
    var arguments: String {
        files.enumerated().map { number, file in
            "-drive file=\(file),format=raw,if=none,id=disk\(number),snapshot=on "
                + "-device virtio-blk-pci,drive=disk\(number)"
        }.joined(separator: " ")
    }

    static func make(in folder: String) async throws -> RescueDisks {
        try await CommandRunner().run(Command(["rm", "-rf", folder]))
        try Files.makeDirectory(folder)
        var disks = RescueDisks(folder: folder)
        try await disks.add("swap", ["mkswap", "-q"])
        try await disks.add("ext4", ["mkfs.ext4", "-q", "-F", "-L", "home"])
        try await disks.addMember()
        return disks
    }

    private mutating func add(_ name: String, _ make: [String]) async throws {
        let file = "\(folder)/\(name)"
        try await CommandRunner().run(Command(["truncate", "-s", "64M", file]))
        try await CommandRunner().run(Command(make + [file]))
        files.append(file)
    }

    /// One disk of a mirror of two, as `mdadm --create --metadata=1.2` writes it (the kernel's md_p.h, little endian): an
    /// array that mdadm's udev rules assemble.
    private mutating func addMember() async throws {
        let file = "\(folder)/member"
        var block = [UInt8](repeating: 0, count: 512)
        func put(_ value: UInt64, _ count: Int, at offset: Int) {
            for byte in 0..<count { block[offset + byte] = UInt8(truncatingIfNeeded: value >> (8 * byte)) }
        }
        let sectors = UInt64(64 << 20) / 512
        put(0xA92B_4EFC, 4, at: 0)
        put(1, 4, at: 4)
        for offset in 16..<32 { put(0x5A, 1, at: offset) }
        for (number, byte) in "rescue:0".utf8.enumerated() { put(UInt64(byte), 1, at: 32 + number) }
        put(1_700_000_000, 8, at: 64)
        put(1, 4, at: 72)
        put(sectors - 2048, 8, at: 80)
        put(2, 4, at: 92)
        put(2048, 8, at: 128)
        put(sectors - 2048, 8, at: 136)
        put(8, 8, at: 144)
        for offset in 168..<184 { put(0xA5, 1, at: offset) }
        put(1_700_000_000, 8, at: 192)
        put(1, 8, at: 200)
        put(UInt64.max, 8, at: 208)
        put(128, 4, at: 220)
        for role in 0..<128 { put(role == 0 ? 0 : 0xFFFF, 2, at: 256 + 2 * role) }
        var sum: UInt64 = 0
        for word in stride(from: 0, to: block.count, by: 4) {
            sum += (0..<4).reduce(0) { $0 | UInt64(block[word + $1]) << (8 * $1) }
        }
        put((sum & 0xFFFF_FFFF) + (sum >> 32), 4, at: 216)
        var bytes = [UInt8](repeating: 0, count: 64 << 20)
        bytes.replaceSubrange(4096..<(4096 + block.count), with: block)
        try Files.replace(file, with: bytes)
        files.append(file)
    }
}
