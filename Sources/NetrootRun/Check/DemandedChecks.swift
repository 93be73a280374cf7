/// What has to be decided of a boot before it counts as good.
struct DemandedChecks: Sendable, Equatable {
    /// What the guest decides in each boot, as guest/README.md names it.
    let guest: Set<String>
    /// What this host decides in the first boot, beside the logins.
    let host: Set<Host>

    /// A check that the host makes.
    enum Host: String, Sendable {
        /// The guest's clock is that of this host.
        case hostClock
        /// sshd offers no login by password.
        case passwordRefused
    }

    private static let everywhere: Set<String> = [
        "multiUser", "noFailedUnits", "noEarlierWrite", "writable", "ordinaryUser", "fileCapabilities", "login", "sshd",
        "hostname", "resolver", "defaultRoute",
    ]

    /// A root that comes over the network, below an overlay.
    static let overNetwork = DemandedChecks(
        guest: everywhere.union(["overlay", "lowerReadOnly", "upperTmpfs"]), host: [])

    /// A root that is in RAM.
    static let inRAM = DemandedChecks(
        guest: everywhere.union([
            "networkDriver", "rootInRAM", "noNetworkFilesystem", "noDisk", "keysOnly", "clock", "dns",
        ]),
        host: [.hostClock, .passwordRefused])
}
