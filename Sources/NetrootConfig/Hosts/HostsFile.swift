/// The hosts file: which labels there are and how each is configured.
///
/// INI: `[DEFAULT]`, `[label]`, `KEY = value`; docs/formats.md describes it.
public struct HostsFile: Sendable, Equatable {
    /// The file's path, as it was given; errors name it.
    public let path: String
    /// The labels, in the file's order.
    public let labels: [Label]

    /// Reads and checks a hosts file: all of it, also labels that nobody asks for.
    ///
    /// - Parameters:
    ///   - text: the file's content.
    ///   - path: the file's path, for errors.
    ///   - directory: the absolute directory that `${base}` and relative paths mean; nil takes that of `path`, which
    ///     then has to be absolute.
    ///   - transports: the names that `TRANSPORTS` may have; the first is what a label has that names none.
    /// - Throws: `ConfigError` with the line of the mistake.
    public init(
        text: String, path: String, directory: String? = nil, transports: [TransportName]
    ) throws(ConfigError) {
        try self.init(bytes: Array(text.utf8), path: path, directory: directory, transports: transports)
    }

    /// The same from bytes as they were read; other than UTF-8 text is an error.
    public init(
        bytes: [UInt8], path: String, directory: String? = nil, transports: [TransportName]
    ) throws(ConfigError) {
        let folder = path.lastIndex(of: "/").map { String(path[..<$0]) + "/" } ?? ""
        guard (directory ?? folder).hasPrefix("/") else {
            throw ConfigError(
                file: path, problem: "the hosts file's directory is not an absolute path",
                hint: "give the file by its absolute path")
        }
        let base = normalisedPath(directory ?? folder, relativeTo: "/")
        var scanner = HostsScanner(path: path)
        let sections = try scanner.sections(of: checkedText(bytes, path: path))
        let defaults = sections.first { $0.isDefault }?.entries ?? [:]
        // Checked by itself, since a label that overrides a bad default would hide it.
        try HostsValues(
            file: path, base: base, label: "label", knownTransports: transports, entries: defaults
        ).checkAll()
        var labels: [Label] = []
        var places: [String: Int] = [:]
        for section in sections where !section.isDefault {
            let entries = defaults.merging(section.entries) { _, own in own }
            let values = HostsValues(
                file: path, base: base, label: section.name, knownTransports: transports, entries: entries)
            let label = try values.label(line: section.line)
            if let other = places.updateValue(labels.count, forKey: label.netroot).map({ labels[$0] }) {
                throw ConfigError(
                    file: path, line: section.line,
                    problem: "labels '\(other.name)' and '\(label.name)' have the same NETROOT \(label.netroot)",
                    hint: "put ${label} into it")
            }
            labels.append(label)
        }
        try Self.checkNesting(labels, places, path: path)
        self.path = path
        self.labels = labels
    }

    /// What netroot makes in a NETROOT, and what has no room for another label's.
    private static let ownFolders = ["generations", "clients", "current"]

    /// Throws where a label has its NETROOT within what netroot makes in another's. Beside that there is room.
    private static func checkNesting(
        _ labels: [Label], _ places: [String: Int], path: String
    ) throws(ConfigError) {
        for label in labels {
            var above = label.netroot
            while above != "/", let slash = above.lastIndex(of: "/") {
                let folder = String(above[above.index(after: slash)...])
                above = slash == above.startIndex ? "/" : String(above[..<slash])
                guard ownFolders.contains(folder), let outer = places[above].map({ labels[$0] }) else { continue }
                throw ConfigError(
                    file: path, line: label.netrootLine,
                    problem: "the NETROOT \(label.netroot) of label '\(label.name)' is inside the \(folder) of "
                        + "'\(outer.name)', \(outer.netroot)",
                    hint: "give each label a directory that is in no other's")
            }
        }
    }

    /// The label of a name.
    ///
    /// - Throws: `ConfigError` that names the nearest label and those there are.
    public func label(_ name: String) throws(ConfigError) -> Label {
        if let label = labels.first(where: { $0.name == name }) { return label }
        let names = labels.map(\.name)
        guard !names.isEmpty else {
            throw ConfigError(
                file: path, problem: "no label '\(name)': the file has no labels", hint: "add a section [\(name)]")
        }
        let nearest = nearestName(to: name, among: names).map { "did you mean '\($0)'? " } ?? ""
        throw ConfigError(
            file: path, problem: "no label '\(name)'", hint: nearest + "labels: " + names.joined(separator: ", "))
    }
}
