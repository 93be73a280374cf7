import NetrootEntry
import NetrootSystem

extension Install {
    /// What the user should know of the address that the entries name.
    func noteAddress(in plan: inout InstallPlan) throws {
        let server = try options.server()
        if options.address == nil {
            let own = interfaces.prefix(4).map { "\($0.address) (\($0.interface))" }.joined(separator: ", ")
            plan.note(
                "the entries name the server \(server), the host of QEMU's user network, which no real machine reaches; "
                    + "for real ones give --address" + (own.isEmpty ? "" : ", here one of \(own)"))
        }
        guard server.isIPv6 else { return }
        plan.note(
            "the server \(server) is reached by IPv6, but firmware, PXELINUX and GRUB load by IPv4, "
                + "and iPXE only if it was built with IPv6")
        for transport in chosen {
            if let missing = transport.missingOverIPv6 { plan.note("\(transport.name) over IPv6: \(missing)") }
        }
    }
}
