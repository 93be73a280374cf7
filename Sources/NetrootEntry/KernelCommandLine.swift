public import NetrootSystem

/// The kernel command line of a client without a disk.
///
/// The arguments are the kernel's (Documentation/admin-guide/kernel-parameters.rst), dracut's (dracut.cmdline(7)) and,
/// `rootovl`, `rootovlsize` and `rd.netroot.*`, our dracut modules'.
public struct KernelCommandLine: Sendable {
    /// The most bytes that an x86 kernel takes: COMMAND_LINE_SIZE without the NUL (arch/x86/include/asm/setup.h).
    public static let limit = 2047

    /// What is mounted.
    public var root: any BootRoot
    /// How the client gets its address.
    public var address: ClientAddress
    /// IPv4; nil leaves the resolver to DHCP or the root.
    public var nameserver: String?
    /// Mounts the root read-write, without an overlay.
    public var rw: Bool
    /// `size=` of the overlay's tmpfs.
    public var overlaySize: String
    /// `size=` of the tmpfs for the storage of containers, or `none`; nil leaves it to the initramfs.
    public var containerStorage: String?
    /// Whether the machine ID is derived from the machine, and so the same at each boot.
    public var stableMachineID: Bool
    /// Makes dracut's scripts trace what they do, on the console.
    public var debug: Bool
    /// The client is a virtual machine of ours: no mitigations, which cost much under TCG and protect nothing there. Its
    /// server runs before it does, so it waits a minute only.
    public var virtualMachine: Bool
    /// Further arguments, one an element, unquoted. They come last, and replace those of ours that say the same.
    public var extra: [String]

    /// The values as they are named; nothing is checked yet.
    public init(
        root: any BootRoot, address: ClientAddress, nameserver: String? = nil, rw: Bool = false,
        overlaySize: String = "50%", containerStorage: String? = nil, stableMachineID: Bool = false,
        debug: Bool = false, virtualMachine: Bool = false, extra: [String] = []
    ) {
        self.root = root
        self.address = address
        self.nameserver = nameserver
        self.rw = rw
        self.overlaySize = overlaySize
        self.containerStorage = containerStorage
        self.stableMachineID = stableMachineID
        self.debug = debug
        self.virtualMachine = virtualMachine
        self.extra = extra
    }

    /// The text, without a line end.
    ///
    /// - Throws: `KernelCommandLineError` for what the syntax cannot hold, and for a text that is too long.
    public func rendered() throws(KernelCommandLineError) -> String {
        try Self.joined(try arguments())
    }

    /// The arguments, one an element, unquoted.
    ///
    /// - Throws: `KernelCommandLineError` for what the syntax cannot hold, and for a text that is too long.
    public func arguments() throws(KernelCommandLineError) -> [String] {
        let label = LabelArguments(extra)
        let arguments = label.replacing(try ownArguments(beside: label).removingDuplicates()) + extra
        let bytes = try Self.joined(arguments).utf8.count
        guard bytes <= Self.limit else { throw .tooLong(bytes: bytes, limit: Self.limit) }
        return arguments
    }

    /// netroot's own arguments. The label may still replace some of them.
    private func ownArguments(beside label: LabelArguments) throws(KernelCommandLineError) -> [String] {
        var arguments = root.needsNetwork ? try networkArguments(beside: label) : []
        if !label.giveRoot { arguments += try root.arguments(for: RootClient(address: address, rw: rw)) }
        // No overlay over a root that is to be written to. One in RAM has its overlay without being asked.
        if rw { arguments.append("rw") } else { arguments += try overlayArguments() }
        // The last console= is /dev/console; a machine without that port goes on with tty0.
        arguments += ["console=tty0", "console=ttyS0,115200n8"]
        if virtualMachine { arguments += ["mitigations=off"] + (root.needsNetwork ? ["rd.netroot.wait=60"] : []) }
        if debug { arguments.append("rd.debug") }
        return arguments
    }

    /// Arguments as one text, quoted as the kernel reads them.
    /// - Throws: `KernelCommandLineError.badValue`.
    static func joined(_ arguments: [String]) throws(KernelCommandLineError) -> String {
        var words: [String] = []
        for argument in arguments { words.append(try quoted(argument)) }
        return words.joined(separator: " ")
    }

    /// How the initramfs brings the network up.
    private func networkArguments(beside label: LabelArguments) throws(KernelCommandLineError) -> [String] {
        var arguments = try label.network(method: address.method) ?? []
        if arguments.isEmpty { arguments = try addressArguments() }
        if let nameserver { arguments.append("nameserver=" + (try Self.checked(nameserver, "the name server"))) }
        return arguments
    }

    /// The overlay, and what our initramfs does for it besides making it.
    private func overlayArguments() throws(KernelCommandLineError) -> [String] {
        var arguments = ["ro"] + (root.needsNetwork ? ["rootovl"] : [])
        arguments.append("rootovlsize=" + (try Self.checked(overlaySize, "the overlay's size")))
        if let containerStorage {
            arguments.append(
                "rd.netroot.containers=" + (try Self.checked(containerStorage, "the size of the container storage")))
        }
        if stableMachineID { arguments.append("rd.netroot.machineid=stable") }
        return arguments
    }

    private func addressArguments() throws(KernelCommandLineError) -> [String] {
        switch address {
        case .dhcp, .ipv6: return ["ip=\(address.method)", "rd.neednet=1"]
        case .fixed(let address, let gateway, let netmask, let hostname, let interface):
            // dracut.cmdline(7): client:peer:gateway:netmask:hostname:interface:autoconf, here without a peer.
            let fields = [
                try Self.checked(address, "the client's address"), "",
                try Self.checked(gateway, "the gateway", mayBeEmpty: true),
                try Self.checked(netmask, "the netmask"), try Self.checked(hostname, "the host name", mayBeEmpty: true),
                try Self.checked(interface, "the interface"), "none",
            ]
            // Without it udev renames the interface that is named here.
            return ["ip=" + fields.joined(separator: ":")] + (interface.hasPrefix("eth") ? ["net.ifnames=0"] : [])
        }
    }

    /// Throws for a number that no TCP port has.
    static func check(port: Int) throws(KernelCommandLineError) {
        guard (1...65535).contains(port) else { throw .badValue("the port", "\(port)") }
    }

    /// A server's address as it stands before a colon of `root=`.
    static func checked(server: String) throws(KernelCommandLineError) -> ServerAddress {
        do {
            return try ServerAddress(parsing: server)
        } catch { throw .badValue("the server", server) }
    }

    /// A value that stands between separators of `ip=` and `root=`.
    static func checked(
        _ value: String, _ what: String, mayBeEmpty: Bool = false
    ) throws(KernelCommandLineError) -> String {
        let separators: [Unicode.Scalar] = [":", ",", "\"", "'", "\\"]
        guard mayBeEmpty || !value.isEmpty,
            value.unicodeScalars.allSatisfy({
                $0.value > 0x20 && $0.value != 0x7F && !$0.properties.isWhitespace && !separators.contains($0)
            })
        else { throw .badValue(what, value) }
        return value
    }

    /// An argument with blanks gets double quotes around its value (kernel: `next_arg` in lib/cmdline.c).
    private static func quoted(_ argument: String) throws(KernelCommandLineError) -> String {
        guard !argument.isEmpty,
            argument.unicodeScalars.allSatisfy({ $0 == "\t" || $0.value >= 0x20 && $0.value != 0x7F })
        else { throw .badValue("an extra argument", argument) }
        guard argument.unicodeScalars.contains(where: { $0 == " " || $0 == "\t" }) else { return argument }
        // The kernel has no escape for a quote inside quotes.
        guard !argument.contains("\"") else { throw .badValue("an extra argument", argument) }
        guard let equals = argument.firstIndex(of: "="), !argument[..<equals].contains(" ") else {
            return "\"\(argument)\""
        }
        return "\(argument[...equals])\"\(argument[argument.index(after: equals)...])\""
    }
}

/// Why a kernel command line cannot be written.
public enum KernelCommandLineError: ReportableError, Equatable {
    /// `what` has a value with a separator, a quote or a blank, or none, or is out of range.
    case badValue(_ what: String, _ value: String)
    /// Longer than the kernel takes.
    case tooLong(bytes: Int, limit: Int)
    /// A transport cannot do this with a server that has an IPv6 address.
    case notOverIPv6(transport: String, what: String, next: String)
    /// What the label says of the network would stop the machine when it boots.
    case badNetwork(argument: String, problem: String, next: String)

    /// The exit status of a command that ends with this error.
    public var exitStatus: ExitStatus { .usage }

    /// One line: what, where and what to do next.
    public var description: String {
        switch self {
        case .badValue(let what, let value):
            "the kernel command line cannot hold '\(value)' as \(what); use a name without blanks, ',', ':' or quotes"
        case .tooLong(let bytes, let limit):
            "the kernel command line has \(bytes) bytes, \(limit) is the most; shorten EXTRA_CMDLINE or the paths"
        case .notOverIPv6(let transport, let what, let next): "\(transport) over IPv6 \(what); \(next)"
        case .badNetwork(let argument, let problem, let next):
            "EXTRA_CMDLINE: '\(argument)' \(problem); \(next)"
        }
    }
}
