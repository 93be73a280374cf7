/// The text of `custom.cfg`, which the GRUB of an installed system reads beside its own configuration (`41_custom` of GRUB's
/// `/etc/grub.d`). netroot keeps a section a label and leaves all else as it is.
public struct GRUBCustomConfig: Sendable, Equatable {
    /// Its name in GRUB's directory.
    public static let file = "custom.cfg"
    private static let header = "# netroot keeps the sections between its marker comments; all other lines are yours."
    private static let placeCommand = "set netroot_place="
    /// In a section: the line before it had no end of its own.
    private static let unendedMark = "# (the line before this section had no end)"

    private let config: SharedConfig

    /// Reads a configuration; an empty one stands for a file that does not exist.
    /// - Throws: `SharedConfigError.brokenMarkers`.
    public init(bytes: [UInt8] = []) throws(SharedConfigError) {
        config = try SharedConfig(bytes: bytes, file: Self.file)
    }

    private init(_ config: SharedConfig) { self.config = config }

    /// The file's content.
    public var bytes: [UInt8] { config.bytes }

    /// What grub-reboot(8) calls a label's entry.
    public static func id(_ label: String) -> String { "netroot-\(label)" }

    /// The names of a label's archives, in the order in which the kernel gets them; none where it has no section.
    public func initrds(of label: String) -> [String] {
        for line in config.section(Self.id(label)) {
            let words = String(decoding: SharedConfig.trimmed(line), as: UTF8.self).split(separator: " ")
            guard words.first == "initrd" else { continue }
            return words.dropFirst().map { $0.split(separator: "/").last.map(String.init) ?? "" }
        }
        return []
    }

    /// The directory that a label's entry names, as GRUB sees it; nil where it has no section.
    public func place(of label: String) -> String? {
        for line in config.section(Self.id(label)) {
            let text = String(decoding: SharedConfig.trimmed(line), as: UTF8.self)
            if text.hasPrefix(Self.placeCommand) { return String(text.dropFirst(Self.placeCommand.count)) }
        }
        return nil
    }

    /// Whether all of it is netroot's, and no entry is left.
    public var isEmptyAndOwn: Bool {
        config.lines.map { String(decoding: SharedConfig.trimmed($0), as: UTF8.self) } == [Self.header]
    }

    /// The configuration with a label's entry in the place of its section, or at the end.
    /// - Parameters:
    ///   - entry: its paths are names in one directory.
    ///   - places: the paths that GRUB may see that directory at: it depends on what is a filesystem of its own. Absolute,
    ///     and at least one.
    ///   - isNew: there is no such file yet.
    /// - Throws: `SharedConfigError`.
    public func replacing(
        _ entry: BootEntry, label: String, places: [String], isNew: Bool
    ) throws(SharedConfigError) -> GRUBCustomConfig {
        var result = isNew ? try config.prepending([Self.header]) : config
        var body = try Self.lines(of: entry, id: Self.id(label), places: places)
        let isUnended = result.lines.last.map { $0.last != UInt8(ascii: "\n") } ?? false
        if isUnended || (hasMark(label) && result.sections[Self.id(label)] != nil) {
            body.insert(Self.unendedMark, at: 0)
        }
        result = try result.replacing(Self.id(label), with: body, isSeparated: false)
        return GRUBCustomConfig(result)
    }

    /// The configuration as it was without the label's entry.
    /// - Throws: `SharedConfigError`.
    public func removing(_ label: String) throws(SharedConfigError) -> GRUBCustomConfig {
        guard let section = config.sections[Self.id(label)] else { return self }
        let left = try config.removing(Self.id(label), isSeparated: false)
        guard hasMark(label) else { return GRUBCustomConfig(left) }
        if section.upperBound == config.lines.count {
            return left.bytes.last == UInt8(ascii: "\n")
                ? try GRUBCustomConfig(bytes: left.bytes.dropLast()) : GRUBCustomConfig(left)
        }
        // The section behind it comes to stand behind that line.
        guard let next = config.sections.first(where: { $0.value.lowerBound == section.upperBound })?.key else {
            return GRUBCustomConfig(left)
        }
        let body = left.section(next).dropFirst().dropLast().map {
            String(decoding: $0.last == UInt8(ascii: "\n") ? $0.dropLast() : $0, as: UTF8.self)
        }
        return GRUBCustomConfig(try left.replacing(next, with: [Self.unendedMark] + body))
    }

    /// Whether an entry can name a directory: it is written without quotes.
    public static func canName(_ place: String) -> Bool {
        place.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"'\"$\\".utf8.contains($0) }
    }

    private func hasMark(_ label: String) -> Bool {
        config.section(Self.id(label)).contains {
            String(decoding: SharedConfig.trimmed($0), as: UTF8.self) == Self.unendedMark
        }
    }

    private static func lines(
        of entry: BootEntry, id: String, places: [String]
    ) throws(SharedConfigError) -> [String] {
        _ = try entry.checked(
            for: file, added: "BOOT_IMAGE=\(places.max { $0.count < $1.count } ?? "")/\(entry.kernel)")
        for place in places where !canName(place) {
            throw .badValue(file: file, what: "path", value: place)
        }
        var lines = ["menuentry \(GRUBConfig.quoted(entry.title)) --id '\(id)' {"]
        // First where GRUB reads this file: `search` takes the first disk of all that has such a path.
        let tests =
            places.map { ("[ -f \($0)/\(entry.kernel) ]", $0) }
            + places.map { ("search --no-floppy --file --set=root \($0)/\(entry.kernel)", $0) }
        for (number, (test, place)) in tests.enumerated() {
            lines.append("    \(number == 0 ? "if" : "elif") \(test); then")
            lines.append("        \(placeCommand)\(place)")
        }
        let initrds = entry.initrds.map { "$netroot_place/\($0)" }.joined(separator: " ")
        let arguments = entry.arguments.map(GRUBConfig.quoted).joined(separator: " ")
        let lost = GRUBConfig.quoted("\(entry.title): GRUB does not find its files; the machine starts again")
        return lines + [
            // The choice of this entry is used up, so that the next start is the usual one.
            "    else", "        echo \(lost)", "        sleep 5", "        reboot",
            "    fi", "    linux $netroot_place/\(entry.kernel) \(arguments)", "    initrd \(initrds)", "}",
        ]
    }
}
