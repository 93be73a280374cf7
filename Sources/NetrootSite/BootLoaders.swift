import Glibc
public import NetrootEntry
import NetrootSystem

/// The boot loaders of a TFTP root: where they come from, Debian's packages unless a test says otherwise.
public struct BootLoaders: Sendable {
    /// The program that a PC's BIOS loads.
    public var pxelinux = "/usr/lib/PXELINUX/pxelinux.0"
    /// Its library.
    public var ldlinux = "/usr/lib/syslinux/modules/bios/ldlinux.c32"
    /// GRUB's modules for UEFI.
    public var grubModules = "/usr/lib/grub/x86_64-efi"

    /// GRUB's image in the TFTP root: not `grubx64.efi`, which a site may have signed itself.
    public static let grubFile = "grub/netroot-x64.efi"

    /// What GRUB's image holds: the network card, TFTP and HTTP, the script language and Linux; no module is fetched.
    static let grubParts = [
        "normal", "configfile", "linux", "echo", "test", "true", "sleep", "ls", "cat", "reboot", "halt", "serial",
        "terminal", "efinet", "net", "tftp", "http", "minicmd", "search", "regexp", "read",
    ]

    /// The paths in Debian's packages.
    public init() {}

    /// Checks that all of them are there.
    /// - Throws: `MissingError`.
    public func require() throws {
        try Tool.require(file: pxelinux, package: "pxelinux")
        try Tool.require(file: ldlinux, package: "syslinux-common")
        try Tool.require(file: grubModules + "/moddep.lst", package: "grub-efi-amd64-bin")
        try Tool.require([Tool("grub-mkimage", package: "grub-common")])
    }

    /// GRUB as one EFI file that reads `grub/grub.cfg` of the server that is known here, or else of the one that the DHCP
    /// answer names (grub-mkimage(1)).
    /// - Parameter server: where the TFTP root is, as clients reach it.
    /// - Throws: `CommandError`, `SystemError`.
    public func grubImage(server: ServerAddress) async throws -> [UInt8] {
        try await Files.withTemporaryDirectory { directory in
            let path = directory + "/grubx64.efi"
            let config = directory + "/embedded.cfg"
            try Files.replace(config, with: Array(GRUBConfig.embedded(server: server).utf8))
            // Without a device before it, the prefix is on the server that the firmware's DHCP answer names.
            let argv =
                ["grub-mkimage", "-O", "x86_64-efi", "-d", grubModules, "-p", "/grub", "-c", config, "-o", path]
                + Self.grubParts
            _ = try await CommandRunner().capture(Command(argv))
            return try Files.read(path)
        }
    }
}
