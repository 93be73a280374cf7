import Glibc
import NetrootSystem

/// What the archives of an initramfs hold, as the kernel unpacks them: a later entry replaces an earlier one.
public struct InitramfsContents: Sendable {
    /// In the order of the archives.
    public private(set) var entries: [NewcReader.Entry] = []
    private var indexOfPath: [[UInt8]: Int] = [:]

    /// Nothing yet.
    public init() {}

    /// Adds an entry behind those there are.
    public mutating func append(_ entry: NewcReader.Entry) {
        if let index = indexOfPath[entry.path] {
            entries[index] = entry
        } else {
            indexOfPath[entry.path] = entries.count
            entries.append(entry)
        }
    }

    /// The entry with this path.
    public subscript(path: String) -> NewcReader.Entry? {
        indexOfPath[Array(path.utf8)].map { entries[$0] }
    }

    /// The paths whose content the queries below need; an archive is read with at least these kept.
    public static func isNeeded(_ path: [UInt8]) -> Bool {
        let text = String(decoding: path, as: UTF8.self)
        return moduleLists.contains(text) || builtinLists.contains { text.hasSuffix("/\($0)") }
    }

    /// The kernels that there are modules for, sorted: the names below `lib/modules` and `usr/lib/modules` that hold
    /// `kernel` or `modules.dep`; dracut's modsign puts a directory `keys` beside them.
    public var kernelVersions: [String] {
        let found = entries.compactMap { entry -> String? in
            guard let path = Self.modulePath(entry) else { return nil }
            return Self.isKernels(path.rest) ? path.version : nil
        }
        return Set(found).sorted()
    }

    /// Whether a path below a version's directory tells that there is such a kernel.
    public static func isKernels(_ rest: String) -> Bool {
        rest == "kernel" || rest.hasPrefix("kernel/") || rest == "modules.dep"
    }

    /// The dracut modules in it, sorted; empty where dracut did not make it.
    ///
    /// dracut 059 writes one name a line into `lib/dracut/modules.txt`, where `lib` is a symlink on a merged `/usr`.
    public var dracutModules: [String] {
        Self.moduleLists.compactMap { self[$0]?.content }
            .flatMap { $0.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) } }
            .sorted()
    }

    /// Whether dracut put this module in.
    public func hasDracutModule(_ name: String) -> Bool { dracutModules.contains(name) }

    /// Whether there is an entry whose path matches a pattern of fnmatch(3); `*` matches `/` too.
    public func hasFile(matching pattern: String) -> Bool {
        entries.contains { entry in
            fnmatch(pattern, String(decoding: entry.path, as: UTF8.self), 0) == 0
        }
    }

    /// The kernel modules that are files in it, sorted, as modprobe(8) names them: with `_` for `-`.
    public var kernelModules: [String] {
        let names = entries.compactMap { entry -> String? in
            guard entry.type != .directory, let path = Self.modulePath(entry)?.rest else { return nil }
            return Self.moduleName(path)
        }
        return Set(names).sorted()
    }

    /// Whether this kernel module is there: as a file, or built into the kernel as `modules.builtin` lists it.
    public func hasKernelModule(_ name: String) -> Bool {
        let name = String(name.map { $0 == "-" ? "_" : $0 })
        return kernelModules.contains(name) || builtinModules.contains { Self.moduleName($0) == name }
    }

    /// Whether there is a driver of a network card: as a file, or built into the kernel.
    public var hasNetworkDriver: Bool {
        hasFile(matching: "*/kernel/drivers/net/*.ko*") || builtinModules.contains(where: Self.isNetworkDriver)
    }

    /// The modules that are built into the kernel, as their paths would be below the modules' directory:
    /// `kernel/drivers/net/virtio_net.ko`. Of kernels that tell in `modules.builtin`, or in `modules.builtin.modinfo` (kbuild,
    /// `Documentation/kbuild/kbuild.rst`).
    var builtinModules: [String] {
        entries.flatMap { entry -> [String] in
            guard let list = Self.modulePath(entry)?.rest, Self.builtinLists.contains(list), let content = entry.content
            else { return [] }
            if list == Self.builtinLists[0] {
                return content.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
            }
            // `MODULE.file=PATH` among other things that are known of a module, each with a NUL behind it.
            return content.split(separator: 0).compactMap { record in
                let text = String(decoding: record, as: UTF8.self)
                return text.firstRange(of: ".file=").map { "kernel/\(text[$0.upperBound...]).ko" }
            }
        }
    }

    /// Nearly every kernel has something of `drivers/net` built in that is no card's driver: PHYs, tun, dummy, bonding.
    private static func isNetworkDriver(_ path: String) -> Bool {
        guard path.hasPrefix("kernel/drivers/net/") else { return false }
        let rest = path.dropFirst("kernel/drivers/net/".count)
        return ["ethernet/", "usb/", "vmxnet3/", "hyperv/", "fjes/", "wireless/"].contains(where: rest.hasPrefix)
            || ["virtio_net.ko", "xen-netfront.ko"].contains(String(rest))
    }

    private static let builtinLists = ["modules.builtin", "modules.builtin.modinfo"]
    private static let moduleLists = ["usr/lib/dracut/modules.txt", "lib/dracut/modules.txt"]

    /// The kernel version and the path below it, of an entry under a directory of kernel modules.
    private static func modulePath(_ entry: NewcReader.Entry) -> (version: String, rest: String)? {
        modulePath(String(decoding: entry.path, as: UTF8.self), isDirectory: entry.type == .directory)
    }

    /// The kernel version and the path below it, of a path without a leading slash; nil for one elsewhere.
    public static func modulePath(_ path: String, isDirectory: Bool) -> (version: String, rest: String)? {
        for prefix in ["usr/lib/modules/", "lib/modules/"] where path.hasPrefix(prefix) {
            let below = path.dropFirst(prefix.count)
            let version = below.prefix { $0 != "/" }
            if version.isEmpty || version.count == below.count && !isDirectory { return nil }
            return (String(version), String(below.dropFirst(version.count + 1)))
        }
        return nil
    }

    /// `nfs_layout` of `kernel/fs/nfs-layout.ko.xz`; nil where the path is not a kernel module.
    public static func moduleName(_ path: String) -> String? {
        let file = Files.name(path)
        for suffix in [".ko", ".ko.xz", ".ko.zst", ".ko.gz"] where file.hasSuffix(suffix) {
            return String(file.dropLast(suffix.count).map { $0 == "-" ? "_" : $0 })
        }
        return nil
    }
}
