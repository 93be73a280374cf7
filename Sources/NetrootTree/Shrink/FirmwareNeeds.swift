/// The names by which kernel modules ask for firmware.
public struct FirmwareNeeds: Sendable, Equatable {
    private var names: Set<String> = []
    private var patterns: [PathPattern] = []
    /// Whether the radio rules of countries are wanted, which cfg80211 loads.
    private let hasRegulatory: Bool

    /// None yet.
    /// - Parameter hasRegulatory: whether cfg80211 is there.
    public init(hasRegulatory: Bool = false) { self.hasRegulatory = hasRegulatory }

    /// Adds a value of `firmware=`, which may be a pattern: `iwlwifi-*.ucode`.
    public mutating func insert(_ name: String) {
        let pattern = PathPattern(name)
        if pattern.isLiteral { names.insert(name) } else if !patterns.contains(pattern) { patterns.append(pattern) }
    }

    /// Whether a file is one of these.
    ///
    /// The kernel looks in `updates/VERSION`, `updates`, `VERSION` and at the top, for the name and for the name with `.zst`
    /// or `.xz` behind it (`drivers/base/firmware_loader`). Microcode of processors is for dracut and the kernel itself.
    /// - Parameters:
    ///   - path: below the directory of all firmware.
    ///   - version: the kernel's.
    public func want(_ path: String, version: String) -> Bool {
        var name = path[...]
        for prefix in ["updates/\(version)/", "updates/", "\(version)/"] where name.hasPrefix(prefix) {
            name = name.dropFirst(prefix.count)
            break
        }
        for suffix in [".xz", ".zst"] where name.hasSuffix(suffix) { name = name.dropLast(suffix.count) }
        if name.hasPrefix("intel-ucode/") || name.hasPrefix("amd-ucode/") { return true }
        if hasRegulatory, name.hasPrefix("regulatory.db") { return true }
        return names.contains(String(name)) || patterns.contains { $0.matches(name.utf8) }
    }
}

/// The files of a directory of firmware, and which of them stay.
struct FirmwareListing: Sendable {
    /// The paths of regular files and symlinks; with a symlink the paths that it leads through, of those that are here.
    let files: [String: [String]]

    /// The paths that stay: what is wanted, and where the symlinks among it lead.
    func kept(_ needs: FirmwareNeeds, version: String) -> Set<String> {
        var kept: Set<String> = []
        func keep(_ path: String) { kept.formUnion([path] + (files[path] ?? [])) }
        for path in files.keys where needs.want(path, version: version) { keep(path) }
        // A directory may have a second name, and a file in it another path by that.
        for (link, way) in files {
            guard let target = way.last, files[target] == nil else { continue }
            for path in files.keys where path.hasPrefix(target + "/") {
                guard needs.want(link + path.dropFirst(target.count), version: version) else { continue }
                keep(link)
                keep(path)
            }
        }
        return kept.intersection(files.keys)
    }
}
