/// A network device that dracut makes of others: `vlan=`, `bond=`, `bridge=` and `team=` (dracut.cmdline(7), and
/// parse-vlan.sh and its kin of dracut 059 and 106).
struct NetworkDevice: Sendable, Equatable {
    /// The argument that makes it.
    let argument: String
    let name: String
    /// The devices below it.
    let members: [String]

    /// The forms, by key.
    private static let forms = [
        "vlan": "vlan=NAME:DEVICE", "bond": "bond=NAME:DEVICE,DEVICE", "bridge": "bridge=NAME:DEVICE,DEVICE",
        "team": "team=NAME:DEVICE,DEVICE",
    ]

    /// All that the label makes, in its order.
    /// - Throws: `KernelCommandLineError.badNetwork`.
    static func all(in arguments: LabelArguments) throws(KernelCommandLineError) -> [NetworkDevice] {
        var devices: [NetworkDevice] = []
        for word in arguments.words {
            let key = String(LabelArguments.key(word))
            guard let form = forms[key] else { continue }
            devices.append(try NetworkDevice(word, key: key, form: form))
        }
        return devices
    }

    private init(_ word: String, key: String, form: String) throws(KernelCommandLineError) {
        argument = word
        let value = word == key ? "" : String(word.dropFirst(key.count + 1))
        let fields = value.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        let most = ["vlan": 2, "bridge": 2, "team": 3][key] ?? 4
        if value.isEmpty, key == "bond" || key == "bridge" {
            // dracut's own defaults.
            (name, members) = key == "bond" ? ("bond0", ["eth0", "eth1"]) : ("br0", ["eth0"])
            return
        }
        let isShort = fields.count == 1 && (key == "bond" || key == "team")
        members = isShort ? ["eth0", "eth1"] : fields.dropFirst().first?.split(separator: ",").map(String.init) ?? []
        name = fields[0]
        guard !name.isEmpty, !members.isEmpty, fields.count <= most else {
            throw .badNetwork(argument: word, problem: "is not \(form)", next: "see dracut.cmdline(7)")
        }
        guard key != "vlan" || Self.vlanNumber(name) != nil else {
            throw .badNetwork(
                argument: word, problem: "names no VLAN number from 1 to 4094",
                next: "write vlan=\(members[0]).NUMBER:\(members[0]), or vlan=vlanNUMBER:\(members[0])")
        }
    }

    /// The number in the name of a VLAN, the only place where dracut looks for it: `vlan5`, `vlan0005`, `eth0.5`.
    private static func vlanNumber(_ name: String) -> Int? {
        let digits =
            name.hasPrefix("vlan") ? name.dropFirst(4) : name.contains(".") ? name.split(separator: ".").last : nil
        guard let digits, digits.allSatisfy({ $0.isASCII && $0.isNumber }), let number = Int(digits),
            (1...4094).contains(number)
        else { return nil }
        return number
    }

    /// The device on top of all others, which gets the address; nil where there are none.
    /// - Throws: `KernelCommandLineError.badNetwork` where it is not one.
    static func top(of devices: [NetworkDevice]) throws(KernelCommandLineError) -> NetworkDevice? {
        guard let first = devices.first else { return nil }
        let below = Set(devices.flatMap(\.members))
        let top = devices.filter { !below.contains($0.name) }
        if top.count == 1 { return top[0] }
        let arguments = devices.map(\.argument).joined(separator: " ")
        guard !top.isEmpty else {
            throw .badNetwork(
                argument: arguments, problem: "stand on each other, and no device is on top",
                next: "say which gets the address: ip=\(first.name):dhcp")
        }
        throw .badNetwork(
            argument: arguments, problem: "leave \(top.map(\.name).joined(separator: " and ")) on top",
            next: "say which gets the address: ip=\(top[0].name):dhcp")
    }
}
