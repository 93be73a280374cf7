/// A network card of a QEMU machine, and what it is plugged into (qemu(1), `-netdev`).
enum NetworkCard: Sendable, Equatable {
    /// QEMU's user network, which has DHCP and TFTP of its own.
    /// - `tftp`: the TFTP root.
    /// - `bootFile`: what the firmware loads from it: a program, or a script of the iPXE ROM in the card.
    /// - `sshPort`: the port on 127.0.0.1 that leads to the guest's ssh.
    case user(tftp: String, bootFile: String, sshPort: Int)
    /// A tap interface that exists already, in the network namespace in which QEMU runs.
    case tap(String, mac: String)

    /// QEMU's arguments for the card of this number; the machine boots from card 0.
    func argv(_ number: Int, uefi: Bool) -> [String] {
        let id = "n\(number)"
        let backend: String
        var device = "virtio-net-pci,netdev=\(id)"
        switch self {
        case .user(let tftp, let bootFile, let sshPort):
            backend =
                "user,id=\(id),tftp=\(Machine.escaped(tftp)),bootfile=\(bootFile),"
                + "hostfwd=tcp:127.0.0.1:\(sshPort)-:22"
        case .tap(let name, let mac):
            backend = "tap,id=\(id),ifname=\(name),script=no,downscript=no"
            device += ",mac=\(mac)"
        }
        // UEFI has a driver and PXE of its own; the card's iPXE ROM would take over.
        if uefi || number > 0 { device += ",romfile=" }
        if uefi, number == 0 { device += ",bootindex=1" }
        return ["-netdev", backend, "-device", device]
    }
}
