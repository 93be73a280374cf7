/// The text of `grub/grub.cfg`, in which netroot keeps a section an entry and leaves all else as it is.
///
/// The syntax is that of GRUB 2's shell-like script (the GRUB manual, "Writing full configuration files directly").
public struct GRUBConfig: Sendable, Equatable {
    /// Its path below the TFTP root.
    public static let file = "grub/grub.cfg"

    private let config: SharedConfig

    /// Reads a configuration; an empty one stands for a file that does not exist.
    ///
    /// - Throws: `SharedConfigError.brokenMarkers`.
    public init(bytes: [UInt8] = []) throws(SharedConfigError) {
        config = try SharedConfig(bytes: bytes, file: Self.file)
    }

    private init(_ config: SharedConfig) { self.config = config }

    /// The file's content.
    public var bytes: [UInt8] { config.bytes }

    /// The entries that netroot keeps, in the file's order.
    public var names: [String] { config.names }

    /// The entry that boots by itself: the value of the last `set default=`.
    public var defaultName: String? { defaultID.map { $0.hasPrefix("@") ? String($0.dropFirst()) : $0 } }

    private var defaultID: String? { defaultLine.flatMap { Self.defaultValue(config.text($0)) } }

    /// The configuration with an entry put in the place of its section, or at the end.
    ///
    /// - Parameter makeDefault: the entry becomes the one that boots by itself. A fresh file boots its first in any case.
    /// - Throws: `SharedConfigError`.
    public func replacing(_ entry: BootEntry, makeDefault: Bool = true) throws(SharedConfigError) -> GRUBConfig {
        let body = try Self.lines(of: entry)
        if let line = foreignLine(of: entry.name) {
            throw .foreignEntry(file: Self.file, entry: entry.name, line: line + 1)
        }
        var result = config
        let setting = "set default='\(Self.id(entry.name))'"
        if config.isBlank {
            result = try SharedConfig(bytes: [], file: Self.file).prepending(Self.freshLines(setting: setting))
        } else if makeDefault {
            if let line = defaultLine {
                if defaultID != Self.id(entry.name) { result = try result.replacing(line: line, with: setting) }
            } else {
                result = try result.prepending([setting])
            }
        }
        return GRUBConfig(try result.replacing(entry.name, with: body))
    }

    /// Where an entry of this name stands that netroot did not write.
    private func foreignLine(of name: String) -> Int? {
        config.lines.indices.first { line in
            let words = config.text(line).split(whereSeparator: { $0 == " " || $0 == "\t" })
            guard words.first == "menuentry", !config.isOwned(line) else { return false }
            return words.contains { $0.filter { $0 != "'" && $0 != "\"" && $0 != "{" } == name }
        }
    }

    private var defaultLine: Int? {
        config.lines.indices.last { Self.defaultValue(config.text($0)) != nil && !config.isOwned($0) }
    }

    /// What GRUB knows an entry by. It takes a default that begins with a digit for the place in the menu (2.06,
    /// `get_entry_number`), so that such a name gets a sign before it, which no label begins with.
    private static func id(_ name: String) -> String { name.utf8.first.map(isDigit) == true ? "@\(name)" : name }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    private static func defaultValue(_ text: String) -> String? {
        let words = text.split(whereSeparator: { $0 == " " || $0 == "\t" })
        guard words.count == 2, words[0] == "set", words[1].hasPrefix("default=") else { return nil }
        return String(words[1].dropFirst("default=".count).filter { $0 != "'" && $0 != "\"" })
    }

    private static func lines(of entry: BootEntry) throws(SharedConfigError) -> [String] {
        // GRUB adds BOOT_IMAGE= itself.
        let added = "BOOT_IMAGE=/\(entry.kernel)  BOOTIF=01:00:00:00:00:00:00"
        _ = try entry.checked(for: file, added: added)
        let arguments = entry.arguments.map(quoted).joined(separator: " ")
        let initrds = entry.initrds.map { "/" + $0 }.joined(separator: " ")
        return [
            "menuentry \(quoted(entry.title)) --id '\(id(entry.name))' {",
            "    linux /\(entry.kernel) \(arguments)" + (entry.addsBootCard ? " BOOTIF=01:$net_default_mac" : ""),
        ] + (entry.initrds.isEmpty ? [] : ["    initrd \(initrds)"]) + ["}"]
    }

    /// What GRUB's image does first: reads the configuration of the installed server, and where it finds none, that of the
    /// server which the DHCP answer names.
    ///
    /// Behind proxyDHCP the answer is the site's own DHCP server's, which knows nothing of boot files, and need not serve
    /// TFTP at all. To ask such a one first would cost minutes: GRUB 2.06 asks it 40 times, for seven seconds and more
    /// each. GRUB cannot ask whether a file is there (`[ -f ]` is always false over TFTP), but goes on where `configfile`
    /// finds none. Its firmware loaded it by IPv4, so there is no use in an IPv6 address.
    public static func embedded(server: ServerAddress) -> String {
        guard !server.isIPv6 else { return "configfile $prefix/grub.cfg\n" }
        return """
            set named_root=$root
            set named_prefix=$prefix
            set root=(tftp,\(server))
            set prefix=(tftp,\(server))/grub
            configfile $prefix/grub.cfg
            set root=$named_root
            set prefix=$named_prefix
            configfile $prefix/grub.cfg

            """
    }

    /// A word as GRUB's script reads it: between single quotes nothing has a meaning. GRUB itself puts double quotes
    /// around an argument with blanks when it hands the command line to the kernel.
    static func quoted(_ word: String) -> String {
        let plain = word.utf8.allSatisfy { byte in
            isDigit(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
                || "=:/.,_-+%@".utf8.contains(byte)
        }
        guard !plain || word.isEmpty else { return word }
        return "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }

    /// What a new file begins with: the serial line as well as the screen, and no wait for a key.
    private static func freshLines(setting: String) -> [String] {
        [
            "# netroot keeps the sections between its marker comments; all other lines are yours.",
            "serial --unit=0 --speed=115200",
            "terminal_input console serial",
            "terminal_output console serial",
            setting,
            "set timeout=0",
        ]
    }
}
