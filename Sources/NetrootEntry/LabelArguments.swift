import NetrootSystem

/// The kernel arguments that a label gives, `EXTRA_CMDLINE`, and what they replace of netroot's own.
///
/// Of two arguments with one key the kernel and dracut's `getarg` take the last, so most would be overridden where they
/// stand. Not so where dracut's `getargs` takes all of them (`ip=`, `nameserver=`, `vlan=`), where a flag has no value
/// that a later one could change (`ro`, `rw`), and where the kernel keeps the first options of a console. So what the
/// label gives takes the place of ours everywhere.
public struct LabelArguments: Sendable, Equatable {
    /// One argument an element, unquoted, in the label's order.
    let words: [String]

    /// The arguments as they are; nothing is checked yet.
    public init(_ words: [String]) { self.words = words }

    /// What stands before the first `=`.
    static func key(_ word: String) -> Substring { word.prefix { $0 != "=" } }

    /// Whether the label gives an argument with this key.
    func has(_ keys: String...) -> Bool { words.contains { word in keys.contains { Self.key(word) == $0 } } }

    /// What follows the `=` of the arguments with this key; nil for one without.
    func values(_ key: String) -> [String?] {
        words.filter { Self.key($0) == key }.map { $0 == key ? nil : String($0.dropFirst(key.count + 1)) }
    }

    /// Whether the label says itself where the root is; then nothing of ours that says so stays.
    var giveRoot: Bool { has("root", "netroot") }

    /// netroot's own arguments without those that the label's replace.
    func replacing(_ own: [String]) -> [String] {
        own.filter { word in
            let key = String(Self.key(word))
            switch key {
            // dracut asks for ro first and for rw then, wherever they stand.
            case "ro", "rw": return !has("ro", "rw")
            // The kernel writes to every console that is named, and keeps the first options of each.
            case "console": return !consoles.contains(Self.console(word))
            default: return !has(key)
            }
        }
    }

    private var consoles: [Substring] { words.filter { Self.key($0) == "console" }.map(Self.console) }

    /// The device of a `console=`, without its options.
    private static func console(_ word: String) -> Substring { word.dropFirst("console=".count).prefix { $0 != "," } }

    // MARK: The network

    /// The arguments that give the client its address, where the label says something of that; nil where it does not.
    /// - Parameter method: as `ip=` names it.
    /// - Throws: `KernelCommandLineError.badNetwork` for what dracut would stop at.
    func network(method: String) throws(KernelCommandLineError) -> [String]? {
        let devices = try NetworkDevice.all(in: self)
        let given = values("ip").map { IPArgument($0 ?? "") }
        try IPArgument.check(given)
        // dracut brings up the card that BOOTIF= names as well, asks DHCP on it and waits for it, also where it is only
        // a part of a bond or carries a VLAN; its address is then never "set up", and the machine waits for ever.
        let ignored = has("BOOTIF") ? [] : ["rd.bootif=0"]
        if has("ip") {
            return ["rd.neednet=1"] + (given.contains { !$0.device.isEmpty } || !devices.isEmpty ? ignored : [])
        }
        // dracut takes the last bootdev=. One that is a MAC address has no place in an ip=.
        let chosen = (values("bootdev").last ?? nil) ?? ""
        if let device = try chosen.isEmpty ? NetworkDevice.top(of: devices)?.name : chosen, !device.contains(":") {
            return ["ip=\(device):\(method)", "rd.neednet=1"] + ignored
        }
        return chosen.isEmpty ? nil : ["ip=\(method)", "rd.neednet=1"] + ignored
    }

    /// The arguments for QEMU's user network, and those that are left out there.
    ///
    /// The machine has one card without VLANs, in a network that is not the site's. netroot gives it address, host name
    /// and name server, and the boot check expects them.
    public func forUserNetwork() -> (kept: [String], left: [String]) {
        let foreign = [
            "ip", "nameserver", "vlan", "bond", "bridge", "team", "bootdev", "ifname", "rd.route", "rd.znet", "BOOTIF",
            "rd.bootif",
        ]
        let isLeft = { (word: String) in foreign.contains(String(Self.key(word))) }
        return (words.filter { !isLeft($0) }, words.filter(isLeft))
    }
}
