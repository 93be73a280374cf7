/// A boot entry: a kernel, a list of initramfs archives and a kernel command line, for any boot loader.
public struct BootEntry: Sendable, Equatable {
    /// Its name in the loader's menu: without blanks.
    public var name: String
    /// What a menu shows.
    public var title: String
    /// The kernel's path below the TFTP root, relative.
    public var kernel: String
    /// The initramfs archives' paths below the TFTP root, relative; the kernel gets them as one.
    public var initrds: [String]
    /// The kernel command line, one argument an element, unquoted, without what a loader adds.
    public var arguments: [String]
    /// Whether the initramfs brings the network up.
    public var needsNetwork: Bool

    /// - Parameter title: nil takes the name.
    public init(
        name: String, title: String? = nil, kernel: String, initrds: [String], arguments: [String],
        needsNetwork: Bool = true
    ) {
        self.name = name
        self.title = title ?? name
        self.kernel = kernel
        self.initrds = initrds
        self.arguments = arguments
        self.needsNetwork = needsNetwork
    }

    /// Whether a loader adds `BOOTIF=`, the card that it booted from: a machine with several cards brings up that one. Not
    /// where the arguments name another, or a device that is made of cards.
    var addsBootCard: Bool {
        needsNetwork && !arguments.contains { $0 == "rd.bootif=0" || $0.hasPrefix("BOOTIF=") }
    }

    /// Throws for what no loader's syntax holds; returns the command line as the kernel reads it.
    /// - Parameter added: what the loader puts around the command line.
    /// - Throws: `SharedConfigError`.
    func checked(for file: String, added: String) throws(SharedConfigError) -> String {
        for path in [kernel] + initrds {
            // Commas and colons divide lists and name servers, in one loader or another.
            guard !path.isEmpty, !path.hasPrefix("/"), Self.isPlain(path),
                !path.contains(where: { ",:\\\"'$".contains($0) })
            else { throw .badValue(file: file, what: "path", value: path) }
        }
        guard !name.isEmpty, Self.isPlain(name), !name.contains(where: { "'\"$\\".contains($0) }) else {
            throw .badValue(file: file, what: "label", value: name)
        }
        let commandLine: String
        do {
            commandLine = try KernelCommandLine.joined(arguments)
        } catch { throw .badValue(file: file, what: "kernel command line", value: arguments.joined(separator: " ")) }
        for (what, value) in [("title", title), ("kernel command line", commandLine)] {
            guard !value.utf8.contains(where: { $0 < 0x20 && $0 != 9 || $0 == 0x7F }) else {
                throw .badValue(file: file, what: what, value: value)
            }
        }
        let bytes = added.utf8.count + 1 + commandLine.utf8.count
        guard bytes <= KernelCommandLine.limit else { throw .tooLong(file: file, entry: name, bytes: bytes) }
        return commandLine
    }

    private static func isPlain(_ text: String) -> Bool { !text.utf8.contains { $0 <= 0x20 || $0 == 0x7F } }
}
