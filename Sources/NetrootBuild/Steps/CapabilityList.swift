import NetrootConfig
import NetrootEntry
import NetrootSystem
import NetrootTree

/// The list of a root's file capabilities, which the initramfs restores where the transport loses them.
struct CapabilityList: Sendable {
    let tree: RootTree
    /// How clients may get the root.
    let transports: [any Transport]
    /// What of the outputs loses capabilities, in words; nil where nothing does.
    var losing: String?

    /// Writes the list into the root.
    /// - Returns: the sizes of the root's regular files, with the list; and a warning where nothing could restore them.
    /// - Throws: `FileListingError`, `RootPathError`, `SystemError`.
    func write(_ listing: FileListing) throws -> (rootBytes: Int64, warning: String?) {
        let capabilities = try FileCapabilities(listing)
        let bytes = Int64(clamping: listing.bytes) + (try capabilities.write(into: tree))
        let transport = transports.first { !$0.keepsFileCapabilities }
        guard !capabilities.lines.isEmpty, let losing = transport.map(\.name.rawValue) ?? losing, try !hasSetcap()
        else { return (bytes, nil) }
        let count = capabilities.lines.count
        let package = Self.package(try PackageFamily.of(tree))
        return (
            bytes,
            "warning: \(count) \(count == 1 ? "file has" : "files have") capabilities (/\(FileCapabilities.path)), "
                + "which are lost by \(losing): the root has no setcap to restore them; add \(package) to the recipe"
        )
    }

    private func hasSetcap() throws -> Bool {
        try ["usr/sbin", "usr/bin", "sbin", "bin"].contains { try tree.contains("\($0)/setcap") }
    }

    /// The package that brings setcap(8).
    private static func package(_ family: PackageFamily?) -> String {
        switch family {
        case .rpm, .pacman: "libcap"
        case .suse: "libcap-progs"
        case .dpkg, nil: "libcap2-bin"
        }
    }
}
