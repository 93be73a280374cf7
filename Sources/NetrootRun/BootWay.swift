public import NetrootConfig
public import NetrootEntry
public import NetrootStore

/// One way to boot a label: how the root comes to the client, and what loads the kernel.
public struct BootWay: Sendable {
    /// How the client gets the root.
    public var transport: any Transport
    /// Which of the artifacts that the transport serves; nil: the first of them that the generation has.
    public var form: ArtifactKind?
    public var firmware: Firmware
    /// The boot loader; nil: the firmware's default.
    public var loader: BootLoader?

    /// A BIOS machine, unless it is said otherwise.
    public init(
        transport: any Transport, form: ArtifactKind? = nil, firmware: Firmware = .bios, loader: BootLoader? = nil
    ) {
        self.transport = transport
        self.form = form
        self.firmware = firmware
        self.loader = loader
    }

    /// The boot loader that is used.
    var actualLoader: BootLoader { loader ?? firmware.loaders[0] }

    /// Whether a boot loader has files of its own: QEMU loads a kernel without any.
    var usesLoader: Bool { actualLoader != .direct }

    /// Whether the run needs an HTTP server over the boot files: for the boot loader, or for the root.
    var usesHTTP: Bool { transport.overHTTP != nil || actualLoader == .ipxe }

    /// Every way that the label's transports and a generation allow: each transport and form by each firmware.
    /// - Throws: `UnknownTransportError`.
    public static func all(
        of label: Label, _ generation: Generation, transports: Transports
    ) throws(UnknownTransportError) -> [BootWay] {
        var ways: [BootWay] = []
        for transport in try transports.require(label.transports) {
            let forms = transport.serves.filter { generation.artifact($0) != nil }
            // One that the generation was not built for is a row too, which says so.
            for form in forms.isEmpty ? transport.serves : forms {
                for firmware in Firmware.allCases {
                    ways.append(BootWay(transport: transport, form: form, firmware: firmware))
                }
            }
        }
        return ways
    }
}
