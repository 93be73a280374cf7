/// An `ip=` as dracut reads it (dracut.cmdline(7); `ip_to_var` in net-lib.sh of dracut 059 and 106).
struct IPArgument: Sendable, Equatable {
    /// The argument.
    let text: String
    /// The client's address; empty where it comes from the network.
    let address: String
    let netmask: String
    /// The device that gets the address; empty: every one, or the one that `BOOTIF=` names.
    let device: String
    /// `dhcp`, `none` and their kin, in order.
    let methods: [String]

    private static let dynamic = ["dhcp", "on", "any", "single-dhcp", "dhcp6", "auto6", "either6", "link6"]
    private static let four = ["dhcp", "on", "any", "single-dhcp"]

    /// - Parameter value: what follows `ip=`.
    init(_ value: String) {
        text = "ip=\(value)"
        let fields = Self.fields(value)
        func field(_ number: Int) -> String { number < fields.count ? fields[number] : "" }
        func list(_ text: String) -> [String] { text.split(separator: ",").map(String.init) }
        if fields.count == 1 {
            // A plain address is Anaconda's form: the rest is in arguments of their own.
            let isAddress = value.split(separator: ".", omittingEmptySubsequences: false).count == 4
            (address, netmask, device) = (isAddress ? value : "", isAddress ? "netmask=" : "", "")
            methods = isAddress ? ["none"] : list(value)
        } else if list(field(1)).contains(where: Self.dynamic.contains) {
            (address, netmask, device, methods) = ("", "", field(0), list(field(1)))
        } else {
            (address, netmask, device, methods) = (field(0), field(3), field(5), list(field(6)))
        }
    }

    /// The fields between the colons; an IPv6 address stands in brackets.
    private static func fields(_ value: String) -> [String] {
        var fields: [String] = []
        var rest = value[...]
        while true {
            var field = rest.prefix { $0 != ":" }
            if rest.first == "[", let end = rest.firstIndex(of: "]") {
                field = rest[...end]
                fields.append(String(field.dropFirst().dropLast()))
            } else {
                fields.append(String(field))
            }
            rest = rest[field.endIndex...]
            guard rest.first == ":" else { return fields }
            rest = rest.dropFirst()
        }
    }

    /// Throws for what dracut's parse-ip-opts.sh stops at, or would take for something else.
    static func check(_ given: [IPArgument]) throws(KernelCommandLineError) {
        // The firmware's own table counts for nothing here, as for dracut.
        let given = given.filter { $0.methods != ["ibft"] }
        for argument in given { try argument.check() }
        guard given.count > 1 else { return }
        var devices: Set<String> = []
        for argument in given {
            guard !argument.device.isEmpty else {
                throw .badNetwork(
                    argument: argument.text, problem: "names no device, and there are several ip=",
                    next: "write ip=DEVICE:dhcp, or ip=ADDRESS::GATEWAY:NETMASK:NAME:DEVICE:none")
            }
            guard devices.insert(argument.device).inserted else {
                throw .badNetwork(
                    argument: argument.text, problem: "is the second ip= for \(argument.device)",
                    next: "keep one of them")
            }
        }
    }

    private func check() throws(KernelCommandLineError) {
        let form = "write ip=ADDRESS::GATEWAY:NETMASK:NAME:DEVICE:none"
        let isStatic = methods.contains { $0 == "none" || $0 == "off" }
        if !address.isEmpty, !address.contains(where: { ".:".contains($0) }) {
            throw .badNetwork(argument: text, problem: "has '\(address)' where the address stands", next: form)
        }
        if isStatic, address.isEmpty { throw .badNetwork(argument: text, problem: "has no address", next: form) }
        if isStatic, netmask.isEmpty { throw .badNetwork(argument: text, problem: "has no netmask", next: form) }
        if !address.isEmpty, let method = methods.first(where: Self.four.contains) ?? (methods.isEmpty ? "dhcp" : nil) {
            throw .badNetwork(
                argument: text, problem: "has an address, and asks for one by \(method) too",
                next: "end it with none, or leave the address out")
        }
    }
}
