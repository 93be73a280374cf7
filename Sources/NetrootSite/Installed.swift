public import NetrootConfig
import NetrootEntry
import NetrootSystem

/// What the boot entries of a label name at this moment.
public struct Installed: Sendable, Equatable {
    /// The label.
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
    public func generation(_ transport: Transport) -> Int? {
        config.kernelPath(of: BootEntry.name(label.name, transport))?
            .split(separator: "/").dropLast().last.flatMap { Int($0) }
    }

    /// The generations that any entry of the label names.
    public var generations: Set<Int> { Set(Transport.allCases.compactMap(generation)) }

    /// The site archives of an entry, as paths.
    public func siteArchives(_ transport: Transport) -> [String] {
        config.initrdPaths(of: BootEntry.name(label.name, transport)).dropFirst().map { "\(label.tftpboot)/\($0)" }
    }
}
