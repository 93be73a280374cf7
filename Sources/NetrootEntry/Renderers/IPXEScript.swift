import NetrootSystem

/// iPXE's scripts: one an entry, and an index that shows them as a menu (<https://ipxe.org/scripting>).
///
/// Kernel and initramfs come over HTTP; the scripts themselves may come over TFTP.
public enum IPXEScript {
    /// Names that no entry may have: of the index's own file, and of its own item.
    static let reservedNames = ["index", "shell"]
    static let titleMark = "# netroot: "
    private static let indexMark = "# Written by netroot at each install, from the scripts beside it."

    /// Whether an index was written by netroot.
    public static func isOwn(index: String) -> Bool {
        index.split(separator: "\n").prefix(3).contains { $0 == indexMark }
    }

    /// The script of an entry.
    /// - Parameter base: the URL of the TFTP root as HTTP serves it, without a slash at its end.
    /// - Throws: `SharedConfigError`.
    public static func script(_ entry: BootEntry, base: String) throws(SharedConfigError) -> String {
        let file = "ipxe/\(entry.name).ipxe"
        let names = entry.initrds.map(Files.name)
        // Under EFI the kernel asks for each archive by its name; a BIOS boot has them all whatever is said.
        let initrds = names.map { "initrd=\($0)" }.joined(separator: " ")
        let commandLine = try entry.checked(for: file, added: initrds + "  BOOTIF=01-00-00-00-00-00-00")
        let words = commandLine.split(separator: " ")
        guard !commandLine.contains("${"), !words.contains(where: { ["&&", "||", ";"].contains($0) }) else {
            throw .badValue(file: file, what: "kernel command line", value: commandLine)
        }
        var lines = [
            "#!ipxe", titleMark + entry.title,
            "kernel \(base)/\(entry.kernel) \(initrds) \(commandLine)"
                + (entry.addsBootCard ? " BOOTIF=01-${netX/mac:hexhyp}" : ""),
        ]
        for (path, name) in zip(entry.initrds, names) { lines.append("initrd --name \(name) \(base)/\(path)") }
        return (lines + ["boot"]).joined(separator: "\n") + "\n"
    }

    /// The menu over scripts that lie beside it.
    /// - Parameter entries: name and title, in the menu's order.
    /// - Parameter chosen: what boots after five seconds without a key.
    public static func index(_ entries: [(name: String, title: String)], chosen: String) -> String {
        let items = entries.map { "item \($0.name) \($0.title)\n" }.joined()
        return """
            #!ipxe
            \(indexMark)
            menu netroot
            \(items)item shell iPXE shell
            choose --default \(chosen) --timeout 5000 target || goto shell
            iseq ${target} shell && goto shell ||
            chain ${target}.ipxe
            :shell
            shell

            """
    }

    /// The title that a script says it has; nil for one that is not netroot's.
    public static func title(of script: String) -> String? {
        script.split(separator: "\n").prefix(3).first { $0.hasPrefix(titleMark) }
            .map { String($0.dropFirst(titleMark.count)) }
    }

    /// The entry that an index boots by itself.
    public static func chosen(of index: String) -> String? {
        let words = index.split(separator: "\n").first { $0.hasPrefix("choose --default ") }?.split(separator: " ")
        return words.flatMap { $0.count > 2 ? String($0[2]) : nil }
    }
}
