import Glibc
import NetrootSystem
import Testing

/// A tree with one of everything that squashfs holds, and images of it by mksquashfs.
package final class SquashfsTree {
    package let scratch: ScratchDirectory
    package var path: String { scratch.path + "/tree" }
    /// Seconds since 1970, of every file in it.
    package static let modified = 1_600_000_000
    /// Device nodes, which only root can make: mksquashfs is told of them.
    package static let devices = [("dev/console", "c", 0o600, 5, 1), ("dev/disk", "b", 0o660, 259, 300)]

    /// - Parameter isSmall: fewer and smaller files, for what is done thousands of times.
    package init(isSmall: Bool = false) throws {
        scratch = try ScratchDirectory()
        try Files.makeDirectory(path + "/etc/deep/er/and/deeper")
        for name in ["bin", "dev", "empty", "many"] { try Files.makeDirectory("\(path)/\(name)") }
        var random = SeededRandom(seed: 7)
        // Parts that compress and parts that do not, so that blocks of both kinds are there; a multiple of no block.
        var program: [UInt8] = []
        for index in 0..<(isSmall ? 70_001 : 300_001) {
            let isNoise = index / 20_000 % 2 == 0
            program.append(isNoise ? UInt8.random(in: 0...255, using: &random) : UInt8(index / 97 & 0x3F))
        }
        try file("bin/program", program, mode: 0o4755)
        try file("bin/whole", Array(program[..<(isSmall ? 16384 : 262_144)]))
        try file("etc/hostname", Array("client\n".utf8))
        try file("etc/shadow", Array("root:*\n".utf8), mode: 0o640)
        try file("etc/nothing", [])
        try file("etc/deep/er/and/deeper/file", Array(repeating: 0x61, count: 5000))
        for number in 0..<(isSmall ? 40 : 600) { try file("many/file-\(number)", Array("\(number)".utf8)) }
        try sparse("sparse", size: isSmall ? 90_000 : 3 << 20, parts: [(0, 5000), (isSmall ? 65536 : 2 << 20, 100)])
        try sparse("hole", size: isSmall ? 15_000 : 1_500_000, parts: [])
        try check(link(path + "/etc/hostname", path + "/etc/hostname2"))
        try check(link(path + "/etc/hostname", path + "/many/hostname3"))
        try check(symlink("../etc/hostname", path + "/bin/link"))
        try check(symlink(String(repeating: "long/", count: 300), path + "/bin/longlink"))
        try check(mkfifo(path + "/dev/fifo", 0o640))
        try check(mknod(path + "/dev/socket", S_IFSOCK | 0o755, 0))
        try named([0x2F, 0xFF, 0xFE, 0x20, 0x0A, 0x80], Array("any bytes".utf8))
        _ = chmod(path + "/empty", 0o1777)
    }

    private func check(_ result: Int32) throws { try SystemError.check("make", path, result) }

    private func file(_ name: String, _ bytes: [UInt8], mode: UInt16 = 0o644) throws {
        try Files.replace("\(path)/\(name)", with: bytes, mode: mode)
    }

    private func named(_ name: [UInt8], _ bytes: [UInt8]) throws {
        let target = path.utf8CString.dropLast() + name.map(CChar.init(bitPattern:)) + [0]
        let descriptor = try SystemError.check("make", path, open(Array(target), O_WRONLY | O_CREAT | O_CLOEXEC, 0o644))
        defer { close(descriptor) }
        #expect(write(descriptor, bytes, bytes.count) == bytes.count)
    }

    private func sparse(_ name: String, size: Int, parts: [(Int, Int)]) throws {
        let target = "\(path)/\(name)"
        let descriptor = try SystemError.check("make", target, open(target, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644))
        defer { close(descriptor) }
        for (offset, count) in parts {
            #expect(pwrite(descriptor, [UInt8](repeating: 0x55, count: count), count, off_t(offset)) == count)
        }
        try check(ftruncate(descriptor, off_t(size)))
    }

    /// Extended attributes by file, name and value in hexadecimal; a large one on two files is stored once.
    package static let attributes = [
        ("bin/program", "user.small", "76616c7565"), ("bin/program", "user.large", large),
        ("etc/hostname", "user.large", large), ("etc", "user.directory", "000102ff"),
    ]
    private static let large = String(repeating: "78", count: 3000)

    /// The tree with its extended attributes, which Glibc's module has no call for.
    package static func withAttributes(isSmall: Bool = false) async throws -> SquashfsTree {
        let tree = try SquashfsTree(isSmall: isSmall)
        for (name, key, value) in attributes {
            _ = try await tree.scratch.output("setfattr", ["-n", key, "-v", "0x\(value)", "tree/\(name)"])
        }
        return tree
    }

    /// Makes an image; `options` are mksquashfs's.
    package func image(_ name: String, _ options: [String]) async throws -> String {
        let image = "\(scratch.path)/\(name)"
        let devices = Self.devices.flatMap { ["-p", "\($0.0) \($0.1) \(String($0.2, radix: 8)) 0 0 \($0.3) \($0.4)"] }
        let usual = ["-noappend", "-no-progress", "-quiet", "-mkfs-time", "1", "-all-time", "\(Self.modified)"]
        _ = try await scratch.output("mksquashfs", [path, image] + usual + devices + options)
        return image
    }
}
