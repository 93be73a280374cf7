public import NetrootConfig
public import NetrootEntry
import NetrootSite
public import NetrootStore

/// One way to boot a label: how the root comes to the client, and what loads the kernel.
public struct BootWay: Sendable, Equatable {
    /// How the client gets the root.
    public var transport: Transport
    /// Which of the artifacts that the transport serves; nil: the first of them that the generation has.
    public var form: ArtifactKind?
    /// The firmware.
    public var firmware: Firmware
    /// The boot loader; nil: the firmware's default.
    public var loader: BootLoader?

    /// NFS on a BIOS machine, unless it is said otherwise.
    public init(
        transport: Transport = .nfs, form: ArtifactKind? = nil, firmware: Firmware = .bios, loader: BootLoader? = nil
    ) {
        self.transport = transport
        self.form = form
        self.firmware = firmware
        self.loader = loader
    }

    /// The boot loader that is used.
    var actualLoader: BootLoader { loader ?? firmware.loaders[0] }

    /// The kind of artifact that is served of a generation.
    func actualForm(of generation: Generation) -> ArtifactKind {
        if let form, transport.serves.contains(form) { return form }
        return transport.serves.first { generation.artifact($0) != nil } ?? transport.serves[0]
    }

    /// Every way that the label's transports and a generation allow: each transport and form by each firmware.
    public static func all(of label: Label, _ generation: Generation) -> [BootWay] {
        var ways: [BootWay] = []
        for transport in label.transports {
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
