/// A boot entry for PXELINUX: what it loads and what the kernel is told.
public struct PXELinuxEntry: Sendable, Equatable {
    /// The label: netroot's and PXELINUX's.
    public var label: String
    /// What a menu shows.
    public var title: String
    /// The kernel's path in the TFTP root, relative.
    public var kernel: String
    /// The initramfs archives' paths in the TFTP root, relative; the kernel gets them as one.
    public var initrds: [String]
    /// The kernel command line, without what PXELINUX adds.
    public var commandLine: String

    /// - Parameter title: nil takes the label.
    public init(label: String, title: String? = nil, kernel: String, initrds: [String], commandLine: String) {
        self.label = label
        self.title = title ?? label
        self.kernel = kernel
        self.initrds = initrds
        self.commandLine = commandLine
    }

    /// The lines of the entry's section, markers included.
    ///
    /// - Throws: `PXELinuxConfigError` for what the syntax cannot hold, and a command line that is too long.
    func lines() throws(PXELinuxConfigError) -> [String] {
        for path in [kernel] + initrds { try checkPath(path) }
        guard !label.isEmpty, !label.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7F }) else {
            throw .badValue(what: "label", value: label)
        }
        for (what, value) in [("title", title), ("kernel command line", commandLine)] {
            guard !value.utf8.contains(where: { $0 < 0x20 && $0 != 9 || $0 == 0x7F }) else {
                throw .badValue(what: what, value: value)
            }
        }
        let initrd = initrds.joined(separator: ",")
        // PXELINUX puts these before the command line itself, and the kernel cuts off what is too much.
        let whole = "BOOT_IMAGE=\(kernel) initrd=\(initrd) \(commandLine) BOOTIF=01-00-00-00-00-00-00"
        guard whole.utf8.count <= KernelCommandLine.limit else {
            throw .tooLong(label: label, bytes: whole.utf8.count)
        }
        return [
            PXELinuxConfig.begin + label,
            "LABEL \(label)",
            "    MENU LABEL \(title)",
            "    KERNEL \(kernel)",
        ] + (initrds.isEmpty ? [] : ["    INITRD \(initrd)"]) + [
            // BOOTIF=: a machine with several network cards brings up the one that it booted from.
            "    SYSAPPEND 2",
            "    APPEND \(commandLine)",
            PXELinuxConfig.end + label,
        ]
    }

    /// PXELINUX takes commas as separators, `::` as the end of a server's name, and a leading slash literally.
    private func checkPath(_ path: String) throws(PXELinuxConfigError) {
        guard !path.isEmpty, !path.hasPrefix("/"), !path.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7F }),
            !path.contains(where: { ",:\\\"".contains($0) })
        else { throw .badValue(what: "path", value: path) }
    }
}
