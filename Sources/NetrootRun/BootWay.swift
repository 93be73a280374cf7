public import NetrootConfig
public import NetrootEntry
import NetrootSite
public import NetrootStore

/// In which form a root is served.
public enum RootForm: String, Sendable, CaseIterable, Codable {
    /// As a directory.
    case tree
    /// As a squashfs image.
    case squashfs
}

/// One way to boot a label: how the root comes to the client, and what loads the kernel.
public struct BootWay: Sendable, Equatable {
    /// How the client gets the root.
    public var transport: Transport
    /// What NFS serves; nil: the generation's format. All other transports carry the image.
    public var form: RootForm?
    /// The firmware.
    public var firmware: Firmware
    /// The boot loader; nil: the firmware's default.
    public var loader: BootLoader?

    /// NFS on a BIOS machine, unless it is said otherwise.
    public init(
        transport: Transport = .nfs, form: RootForm? = nil, firmware: Firmware = .bios, loader: BootLoader? = nil
    ) {
        self.transport = transport
        self.form = form
        self.firmware = firmware
        self.loader = loader
    }

    /// The boot loader that is used.
    var actualLoader: BootLoader { loader ?? firmware.loaders[0] }

    /// The form that is served of a generation.
    func actualForm(of generation: Generation) -> RootForm {
        guard transport == .nfs else { return .squashfs }
        return form ?? (generation.hasTree ? .tree : .squashfs)
    }

    /// Every way that the label's transports and a generation allow: each transport and form by each firmware.
    public static func all(of label: Label, _ generation: Generation) -> [BootWay] {
        var ways: [BootWay] = []
        for transport in label.transports {
            let forms: [RootForm] =
                transport == .nfs
                ? (generation.hasTree ? [.tree] : []) + (generation.hasImage ? [.squashfs] : []) : [.squashfs]
            for form in forms {
                for firmware in Firmware.allCases {
                    ways.append(BootWay(transport: transport, form: form, firmware: firmware))
                }
            }
        }
        return ways
    }
}
