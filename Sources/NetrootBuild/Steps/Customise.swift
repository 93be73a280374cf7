import NetrootConfig
import NetrootSystem
import NetrootTree

/// What netroot changes in every root so that it can run without a disk.
struct Customise: Sendable {
    let tree: RootTree
    let shipped: ShippedFiles
    /// What an initramfs of dracut is to boot by; empty where there is none.
    let transports: [TransportName]
    /// What tells one machine from another and stays though it does: the label's `ALLOW_SECRETS`.
    var allowed = PathPatterns([])

    /// What tells one machine from another.
    var identities: Identities {
        Identities(tree: tree, list: SecretLint.list(shipped), allowed: allowed)
    }

    /// The list of units that may be masked (`UnitMasking`).
    var maskedUnits: String { shipped.rootFiles + "/masked-units" }

    /// Lays the dracut modules and netroot's files into the root, and takes out what is the host's.
    /// - Parameter kept: identities that stay for now, or for good.
    /// - Returns: the identities that were removed, sorted.
    @discardableResult
    func run(keeping kept: Set<String> = []) throws -> [String] {
        try dracut()
        try tree.install(shipped.rootFiles + "/tree", at: "/")
        // It renews the lease that an initramfs of dracut got; its unit starts only where there is one.
        if !transports.isEmpty {
            try tree.write(Self.leaseProgram, try Files.read(shipped.leaseProgram), mode: 0o755)
        }
        try tree.link("etc/mtab", to: "../proc/self/mounts")
        try withoutResolver()
        return try identities.remove(keeping: kept)
    }

    /// Lays the dracut modules into a root that is still empty, and keeps the kernel packages' own hooks from making an
    /// initramfs of their own: netroot makes it once, at the end (kernel-install(8), alpm-hooks(5)).
    func beforePackages() throws {
        try dracut()
        for hook in Self.kernelHooks { try tree.link(hook, to: "/dev/null") }
    }

    /// Where `netroot-lease.service` of `root-files/tree` has its program.
    static let leaseProgram = "usr/lib/netroot/netroot-lease"

    private static let kernelHooks = [
        "etc/kernel/install.d/50-dracut.install", "etc/kernel/install.d/51-dracut-rescue.install",
        "etc/pacman.d/hooks/90-dracut-install.hook", "etc/pacman.d/hooks/90-mkinitcpio-install.hook",
    ]

    /// The dracut modules and their configuration: `netroot.conf`, and `netroot-TRANSPORT.conf` of each transport.
    ///
    /// A root that another build made has some already, of an older netroot or for other transports: they go.
    func dracut() throws {
        for name in try tree.names(in: Self.modules) where name.dropFirst(2).hasPrefix("netroot-") {
            try tree.removeAll("\(Self.modules)/\(name)")
        }
        for name in try tree.names(in: "etc/dracut.conf.d")
        where name == "netroot.conf" || name.hasPrefix("netroot-") {
            try tree.remove("etc/dracut.conf.d/\(name)")
        }
        guard !transports.isEmpty else { return }
        let wanted = Set(["netroot.conf"] + transports.map { "netroot-\($0).conf" })
        for name in try Files.names(in: shipped.dracutModules) {
            let source = "\(shipped.dracutModules)/\(name)"
            if Files.isDirectory(source), name.first?.isNumber == true {
                try tree.install(source, at: "\(Self.modules)/\(name)")
            } else if wanted.contains(name) {
                try tree.write("etc/dracut.conf.d/\(name)", try Files.text(source))
            }
        }
    }

    private static let modules = "usr/lib/dracut/modules.d"

    /// Bootstrap tools copy the host's resolver; a shared root has none of its own until a client has booted.
    ///
    /// A symlink to a file below `/run` stays: that file belongs to systemd-resolved, NetworkManager or resolvconf of the root.
    private func withoutResolver() throws {
        let target = try Files.linkTarget(try tree.resolve("etc/resolv.conf", followLast: false)) ?? ""
        if !target.hasPrefix("/run/"), !target.hasPrefix("../run/") { try tree.write("etc/resolv.conf", "") }
        if !(try tree.contains("etc/hosts")) {
            try tree.write(
                "etc/hosts", "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n")
        }
    }
}

extension ShippedFiles {
    /// The lines of a list in `root-files`; `#` begins a comment.
    /// - Throws: `SystemError`.
    func lines(of list: String) throws -> [String] {
        try Files.text("\(rootFiles)/\(list)").split(separator: "\n")
            .map { line in String(line.prefix { $0 != "#" }).filter { !$0.isWhitespace } }
            .filter { !$0.isEmpty }
    }
}
