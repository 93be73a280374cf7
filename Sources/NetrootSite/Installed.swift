public import NetrootConfig
public import NetrootEntry
import NetrootSystem

/// What the boot entries of a label name at this moment.
public struct Installed: Sendable, Equatable {
    public let label: Label
    private let config: PXELinuxConfig

    /// Reads the boot menu of the label's TFTP root; one that is not there has no entries.
    /// - Throws: `SystemError`, `SharedConfigError`.
    public init(_ label: Label) throws {
        self.label = label
        let path = Self.configPath(label)
        config = try PXELinuxConfig(bytes: Files.exists(path) ? try Files.read(path) : [])
    }

    static func configPath(_ label: Label) -> String { label.tftpboot + "/" + PXELinuxConfig.file }

    /// The directory of a generation's boot files, relative to the TFTP root.
    public static func bootDirectory(_ label: String, _ generation: Int) -> String { "netroot/\(label)/\(generation)" }

    /// The generation that the entry for a transport names; nil where there is no entry.
    public func generation(_ transport: any Transport) -> Int? { generation(ofEntry: transport.entryName(label.name)) }

    private func generation(ofEntry name: String) -> Int? {
        config.kernelPath(of: name).flatMap { Int(Files.name(Files.parent($0))) }
    }

    /// The generations that any entry of the label names, by whatever transport.
    public var generations: Set<Int> {
        let entries = config.names.filter { $0 == label.name || $0.hasPrefix(label.name + "@") }
        return Set(entries.compactMap(generation(ofEntry:)))
    }

    /// The site archives of an entry, as paths.
    public func siteArchives(_ transport: any Transport) -> [String] {
        config.initrdPaths(of: transport.entryName(label.name)).dropFirst().map { "\(label.tftpboot)/\($0)" }
    }
}
