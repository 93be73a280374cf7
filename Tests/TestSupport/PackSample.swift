import CLinux
import Glibc
import NetrootSystem

/// A tree with one of everything that a filesystem can hold. Needs root.
package struct PackSample {
    package let path: String

    package init(at path: String) throws {
        self.path = path
        try Files.makeDirectory(path)
        try names()
        try contents()
        try specials()
        try attributes()
    }

    /// Writes a new file; not synced, as there are thousands.
    package static func put(_ path: String, _ bytes: [UInt8]) throws {
        let descriptor = try SystemError.check("make", path, open(path, O_CREAT | O_TRUNC | O_WRONLY, 0o644))
        defer { close(descriptor) }
        guard write(descriptor, bytes, bytes.count) == bytes.count else {
            throw SystemError("write", path, code: errno)
        }
    }

    /// Bytes that do not compress, the same on every run.
    package static func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
        var state = seed
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 8)
        while bytes.count < count {
            state = state &+ 0x9E37_79B9_7F4A_7C15
            var word = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
            word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
            withUnsafeBytes(of: word ^ word >> 31) { bytes.append(contentsOf: $0) }
        }
        return Array(bytes[..<count])
    }

    /// Lines that compress well; another count gives other lines.
    package static func text(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        for line in 0..<1000 where bytes.count < count {
            bytes += Array("line \(line &* 2_654_435_761 % 977) of \(count)\n".utf8)
        }
        while bytes.count < count { bytes += bytes }
        return Array(bytes[..<count])
    }

    private func names() throws {
        try Files.makeDirectory(path + "/names")
        for byte in UInt8(1)...255 where byte != 0x2F {
            let name = Array((path + "/names/n").utf8) + [byte]
            let descriptor = open(name.map { CChar(bitPattern: $0) } + [0], O_CREAT | O_WRONLY, 0o644)
            try SystemError.check("make", "n\(byte)", descriptor)
            write(descriptor, [byte], 1)
            close(descriptor)
        }
        try Files.makeDirectory(path + "/many")
        for number in 0..<1000 { try Self.put(path + "/many/\(number)", Array("\(number)".utf8)) }
        try Files.makeDirectory(path + "/empty-directory")
        try Files.makeDirectory(path + "/" + String(repeating: "d", count: 255))
    }

    private func contents() throws {
        try Self.put(path + "/empty", [])
        for size in [4096, 131072, 1 << 20] {
            try Self.put(path + "/block-\(size)", Self.text(size))
            try Self.put(path + "/more-\(size)", Self.text(size + 1))
            try Self.put(path + "/noise-\(size)", Self.noise(size + 777, seed: UInt64(size)))
            var holed = Self.noise(size, seed: 9) + [UInt8](repeating: 0, count: size)
            holed += Self.text(size)
            try sparse(path + "/hole-\(size)", holed, hole: size..<2 * size)
        }
        try sparse(path + "/only-hole", [], hole: 0..<(3 << 20) + 5)
        try sparse(path + "/ends-in-hole", [UInt8](repeating: 7, count: 5000), hole: 5000..<(2 << 20) + 100)
        try Self.put(path + "/same-1", Self.text(300_000))
        try Self.put(path + "/many/same-2", Self.text(300_000))
        try Self.put(path + "/same-3", Self.noise(3_000_000, seed: 4))
        try Self.put(path + "/many/same-4", Self.noise(3_000_000, seed: 4))
        try SystemError.check("link", path, link(path + "/same-1", path + "/many/linked"))
        try SystemError.check("link", path, link(path + "/same-1", path + "/linked"))
    }

    private func sparse(_ file: String, _ bytes: [UInt8], hole: Range<Int>) throws {
        try Self.put(file, Array(bytes.prefix(hole.lowerBound)))
        try SystemError.check("grow", file, truncate(file, max(hole.upperBound, bytes.count)))
        guard bytes.count > hole.upperBound else { return }
        let descriptor = try SystemError.check("write", file, open(file, O_WRONLY))
        defer { close(descriptor) }
        let rest = Array(bytes[hole.upperBound...])
        guard pwrite(descriptor, rest, rest.count, hole.upperBound) == rest.count else {
            throw SystemError("write", file, code: errno)
        }
    }

    private func specials() throws {
        try SystemError.check("link", path, symlink("empty", path + "/symlink"))
        try SystemError.check("link", path, symlink(String(repeating: "x", count: 4095), path + "/long-symlink"))
        for (name, mode, device) in [
            ("fifo", S_IFIFO, 0), ("socket", S_IFSOCK, 0), ("character", S_IFCHR, 5 << 8 | 1),
            // Major 259, minor 70000: more than 8 bits each.
            ("block", S_IFBLK, 259 << 8 | 70000 & 0xFF | (70000 & ~0xFF) << 12),
        ] {
            try SystemError.check("make", name, mknod(path + "/" + name, mode | 0o640, UInt(device)))
        }
        try SystemError.check("link", path, link(path + "/character", path + "/many/character"))
        try SystemError.check("link", path, link(path + "/symlink", path + "/many/symlink"))
    }

    private func attributes() throws {
        for (name, mode) in [("empty", 0o6755), ("empty-directory", 0o1777), ("block-4096", 0), ("more-4096", 0o440)] {
            try SystemError.check("chmod", name, chmod("\(path)/\(name)", mode_t(mode)))
        }
        try SystemError.check("chown", path, lchown(path + "/long-symlink", 1234, 4_294_967_294))
        try SystemError.check("chown", path, chown(path + "/noise-4096", 4_000_000_000, 65534))
        try set("more-131072", "security.capability", [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        try set("same-1", "user.long", Self.noise(3000))
        try set("same-1", "user.empty", [])
        for name in ["fifo", "character", "block", "socket", "long-symlink", "empty-directory", ""] {
            try set(name, "trusted.kind", Array(name.utf8))
        }
        for (name, seconds) in [("empty", 0), ("many/1", -5), ("many/2", 5_000_000_000), ("many", 1_000_000_000)] {
            try time(name, seconds)
        }
    }

    package func set(_ name: String, _ key: String, _ value: [UInt8]) throws {
        try SystemError.check(
            "set an attribute of", name, lsetxattr("\(path)/\(name)", key, value, value.count, 0))
    }

    package func time(_ name: String, _ seconds: Int) throws {
        let times = [timespec(tv_sec: seconds, tv_nsec: 5), timespec(tv_sec: seconds, tv_nsec: 5)]
        try SystemError.check("touch", name, utimensat(AT_FDCWD, "\(path)/\(name)", times, AT_SYMLINK_NOFOLLOW))
    }

    /// `user::rw-,user:7:r--,group::r--,mask::r--,other::r--` (`linux/posix_acl_xattr.h`).
    package static let acl: [UInt8] = {
        let entries: [(UInt16, UInt16, UInt32)] = [(1, 6, .max), (2, 4, 7), (4, 4, .max), (16, 4, .max), (32, 4, .max)]
        return entries.reduce(into: [2, 0, 0, 0]) { bytes, entry in
            withUnsafeBytes(of: entry.0) { bytes += $0 }
            withUnsafeBytes(of: entry.1) { bytes += $0 }
            withUnsafeBytes(of: entry.2) { bytes += $0 }
        }
    }()
}
