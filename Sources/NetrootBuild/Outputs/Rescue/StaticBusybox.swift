import Glibc
import NetrootSystem
import NetrootTree

/// A busybox that needs no library: the root's own, or this machine's.
enum StaticBusybox {
    /// Its bytes.
    /// - Throws: `MissingError` where neither has one that the root's machine runs, with the commands that `/init` calls;
    ///   `RootPathError`, `SystemError`.
    static func read(from tree: RootTree, _ shipped: ShippedFiles) throws -> [UInt8] {
        let applets = try shipped.words(in: shipped.ramRoot + "/applets")
        let machine = try machine(of: tree)
        func fits(_ bytes: [UInt8]) -> Bool {
            isStatic(bytes) && (machine == nil || self.machine(of: bytes) == machine)
                && strings(in: bytes).isSuperset(of: applets)
        }
        for path in ["usr/bin/busybox", "bin/busybox"] where try tree.contains(path) {
            let bytes = try tree.read(path, limit: limit)
            if fits(bytes) { return bytes }
        }
        let own = Tool("busybox", package: "busybox-static")
        guard let path = own.path else { throw missing }
        let bytes = try Files.read(path, limit: limit)
        guard fits(bytes) else { throw missing }
        return bytes
    }

    private static let limit = 16 << 20
    private static let missing = MissingError(
        things: ["a static busybox for the root's machine with all commands of /init"], packages: ["busybox-static"])

    /// Whether it is a program of 64 bits that no loader has to load (elf(5)): it has no segment
    /// `PT_INTERP`.
    static func isStatic(_ bytes: [UInt8]) -> Bool {
        guard let kind = number(in: bytes, 16, 2), [2, 3].contains(kind), machine(of: bytes) != nil,
            let start = number(in: bytes, 32, 8), let size = number(in: bytes, 54, 2),
            let count = number(in: bytes, 56, 2), count > 0
        else { return false }
        for index in 0..<count {
            guard let type = number(in: bytes, start + index * size, 4) else { return false }
            if type == 3 { return false }
        }
        return true
    }

    /// For which machine a program of 64 bits is (elf(5), `e_machine`); nil where it is none.
    static func machine(of bytes: [UInt8]) -> Int? {
        // ELFCLASS64, ELFDATA2LSB.
        bytes.starts(with: [0x7F, 0x45, 0x4C, 0x46, 2, 1]) ? number(in: bytes, 18, 2) : nil
    }

    /// For which machine a root's programs are; nil where it has none of those that are looked at.
    static func machine(of tree: RootTree) throws -> Int? {
        for path in ["sbin/init", "usr/lib/systemd/systemd", "bin/sh"] where try tree.contains(path) {
            if let found = machine(of: try tree.read(path)) { return found }
        }
        return nil
    }

    /// The short texts between two NULs of a program. Those of busybox are, among others, the names of its commands.
    static func strings(in bytes: [UInt8]) -> Set<String> {
        bytes.withUnsafeBytes { all in
            var found: Set<String> = []
            var start = 0
            while start < all.count, let base = all.baseAddress,
                let end = memchr(base + start, 0, all.count - start)
            {
                let count = UnsafeRawPointer(end) - base - start
                if (1...longestName).contains(count) {
                    found.insert(String(decoding: all[start..<start + count], as: UTF8.self))
                }
                start += count + 1
            }
            return found
        }
    }

    private static let longestName = 16

    private static func number(in bytes: [UInt8], _ offset: Int, _ count: Int) -> Int? {
        guard offset >= 0, offset + count <= bytes.count else { return nil }
        return bytes[offset..<offset + count].reversed().reduce(0) { $0 << 8 | Int($1) }
    }
}
