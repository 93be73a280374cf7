/// The firmware of a machine.
public enum Firmware: String, Sendable, CaseIterable, Codable {
    /// A PC's BIOS (SeaBIOS in QEMU).
    case bios
    /// UEFI (OVMF in QEMU).
    case uefi

    /// The boot loaders that it can load over the network, the default first.
    public var loaders: [BootLoader] {
        switch self {
        case .bios: [.ipxe, .pxelinux, .direct]
        case .uefi: [.grub, .direct]
        }
    }
}

/// The boot loader that fetches kernel and initramfs.
public enum BootLoader: String, Sendable, CaseIterable, Codable {
    /// PXELINUX, over TFTP.
    case pxelinux
    /// iPXE, the network card's own ROM in QEMU, over HTTP.
    case ipxe
    /// GRUB for UEFI, over TFTP.
    case grub
    /// None: QEMU loads the kernel itself (`-kernel`).
    case direct
}
