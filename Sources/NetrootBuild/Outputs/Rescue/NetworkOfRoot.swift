import NetrootTree

/// Whether a root brings up its network by itself: a root in RAM gets no address from an initramfs.
enum NetworkOfRoot {
    /// What its builder should know; nil where something is enabled that configures the network.
    /// - Throws: `RootPathError`, `SystemError`.
    static func warning(of tree: RootTree) throws -> String? {
        guard try !isConfigured(tree) else { return nil }
        return
            "warning: nothing in the root configures the network, and a root in RAM gets no address from an initramfs; "
            + "enable systemd-networkd with a file in /etc/systemd/network, NetworkManager, ifupdown or dhcpcd in %post"
    }

    private static func isConfigured(_ tree: RootTree) throws -> Bool {
        if try isEnabled("NetworkManager.service", tree) || isEnabled("dhcpcd.service", tree) { return true }
        if try isEnabled("systemd-networkd.service", tree), try hasFile("/etc/systemd/network/*.network", tree) {
            return true
        }
        guard try isEnabled("networking.service", tree) else { return false }
        return try (["/etc/network/interfaces"] + tree.glob("/etc/network/interfaces.d/*")).contains { path in
            try tree.contains(path)
                && tree.text(path).split(separator: "\n").contains { line in
                    let words = line.split(whereSeparator: \.isWhitespace)
                    return words.count > 1 && words[0] == "iface" && words[1] != "lo"
                }
        }
    }

    private static func isEnabled(_ unit: String, _ tree: RootTree) throws -> Bool {
        try hasFile("/etc/systemd/system/*.wants/\(unit)", tree)
    }

    private static func hasFile(_ pattern: String, _ tree: RootTree) throws -> Bool { try !tree.glob(pattern).isEmpty }
}
