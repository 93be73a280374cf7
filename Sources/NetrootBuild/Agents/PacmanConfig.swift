import NetrootTree

/// A pacman.conf(5) for one build: repositories and signatures as they were given, nothing of the host's.
struct PacmanConfig: Sendable, Equatable {
    /// The configuration as pacman reads it.
    let text: String
    /// The names of its repositories, in their order.
    let repositories: [String]
    /// `GPGDir`: whose keys are trusted; nil for the distribution's own.
    let keyring: String?
    /// The first line that would take packages which nobody signed, as `NUMBER: text`; nil where there is none.
    let weakened: String?
    /// The first line that makes pacman run a program of this machine (`XferCommand`), as `NUMBER: text`.
    let program: String?
    /// The first line that takes lines from another file (`Include`), as `NUMBER: text`: they would not be looked at.
    let included: String?

    /// What a build uses without `ConfURL`: the repositories of Arch Linux itself.
    static func standard() -> String {
        "[options]\nArchitecture = auto\nParallelDownloads = 4\n\n"
            + ["core", "extra"].map { "[\($0)]\nInclude = \(mirrorList)\n" }.joined(separator: "\n")
    }

    /// Where a pacman.conf of Arch Linux finds the mirrors; `MirrorURL` takes its place.
    private static let mirrorList = "/etc/pacman.d/mirrorlist"

    /// What the build decides itself, or pacman would look up on the host.
    private static let dropped: Set<String> = [
        "rootdir", "dbpath", "cachedir", "logfile", "gpgdir", "hookdir", "checkspace", "siglevel", "localfilesiglevel",
        "remotefilesiglevel", "color", "usesyslog", "ilovecandy", "verbosepkglists", "downloaduser",
    ]

    /// The words of `SigLevel` that let a package pass whose signature is missing or not trusted.
    private static let weak: Set<String> = [
        "never", "optional", "trustall", "packagenever", "packageoptional", "packagetrustall",
    ]

    /// Reads a configuration and makes the build's own of it.
    /// - Parameters:
    ///   - given: a pacman.conf(5).
    ///   - mirror: what `Include = /etc/pacman.d/mirrorlist` stands for.
    ///   - takesUnsigned: whether signatures are not looked at.
    init(_ given: String, mirror: String, takesUnsigned: Bool) {
        var lines: [String] = []
        var repositories: [String] = []
        var keyring: String?
        var weakened: String?
        var program: String?
        var included: String?
        let level = takesUnsigned ? "SigLevel = Never" : "SigLevel = Required DatabaseOptional TrustedOnly"
        for (number, raw) in given.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = String(raw.prefix { $0 != "#" }).trimmed
            if line.hasPrefix("["), line.hasSuffix("]") {
                let name = String(line.dropFirst().dropLast())
                lines.append(line)
                if name == "options" { lines.append(level) } else { repositories.append(name) }
                continue
            }
            let parts = line.split(separator: "=", maxSplits: 1).map { String($0).trimmed }
            let key = parts.first?.lowercased() ?? ""
            let value = parts.count == 2 ? parts[1] : ""
            if key == "gpgdir" { keyring = value }
            if key == "xfercommand", program == nil { program = "\(number + 1): \(line)" }
            if key == "include", value != Self.mirrorList, included == nil { included = "\(number + 1): \(line)" }
            if key == "siglevel", weakened == nil {
                let words = value.split(whereSeparator: \.isWhitespace).map { $0.lowercased() }
                if words.contains(where: Self.weak.contains) { weakened = "\(number + 1): \(line)" }
            }
            if key == "siglevel", !takesUnsigned, weakened == nil { lines.append(line) }
            if Self.dropped.contains(key) { continue }
            lines.append(key == "include" && value == Self.mirrorList ? "Server = \(mirror)" : line)
        }
        if !lines.contains("[options]") { lines.insert(contentsOf: ["[options]", level], at: 0) }
        text = lines.joined(separator: "\n") + "\n"
        self.repositories = repositories
        self.keyring = keyring
        self.weakened = weakened
        self.program = program
        self.included = included
    }
}

extension String {
    /// The text without blanks around it.
    fileprivate var trimmed: String {
        String(drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }
}
