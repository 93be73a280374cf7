extension AgentHeader {
    /// What `dnf` and `zypper` both take from the header.
    public struct RPMSource: Sendable, Equatable {
        /// A repository of RPM packages.
        public struct Repository: Sendable, Equatable {
            /// Its name in the tool's configuration: `base`, `updates`, `other1`.
            public let id: String
            /// Where it is; `$releasever` and `$basearch` are the tool's to put in.
            public let url: String
            /// Whether signatures are checked: not where the recipe says `gpgcheck=0`.
            public let isChecked: Bool
        }

        /// `MirrorURL`, `UpdateURL`, `OtherURL…`, in this order.
        public let repositories: [Repository]
        /// `OSVersion`.
        public let release: String?
        /// `Include`: packages, groups (`@core`) or what packages provide, in the recipe's order.
        public let include: [String]
        /// The URLs of the keys that may sign, from `Setopt: gpgkey=`.
        public let keys: [String]
        /// The fingerprints that those keys may have, in capitals; empty: any.
        public let fingerprints: [String]
    }

    /// An option of the tool, of `Setopt:`.
    public struct ToolOption: Sendable, Equatable {
        /// With the repository's name and a dot before it where there is one.
        public let name: String
        /// As the recipe has it.
        public let value: String

        /// The name without a repository.
        var base: String { name.split(separator: ".").last.map { $0.lowercased() } ?? name.lowercased() }

        /// Whether the option is about the repository; one without a name is about all.
        func concerns(_ id: String) -> Bool {
            guard let dot = name.lastIndex(of: ".") else { return true }
            return ["*", id].contains(String(name[..<dot]))
        }
    }
}

extension RecipeHeader {
    /// What both agents of RPM distributions take; `options` are those of `Setopt:`.
    func rpmSource(_ bootstrap: Entry, options: [AgentHeader.ToolOption]) throws(ConfigError)
        -> AgentHeader.RPMSource
    {
        guard let mirror = self[.mirrorURL], !mirror.value.isEmpty else {
            throw error(
                self[.mirrorURL] ?? bootstrap, "agent '\(bootstrap.value.lowercased())' needs MirrorURL:",
                "such as MirrorURL: http://mirror.example.org/9/BaseOS/$basearch/os/")
        }
        var named: [(id: String, entry: Entry)] = [("base", mirror)]
        if let update = self[.updateURL] { named.append(("updates", update)) }
        for entry in entries where entry.keyword == .otherURL {
            named.append(("other" + entry.key.dropFirst(8), entry))
        }
        var repositories: [AgentHeader.RPMSource.Repository] = []
        for (id, entry) in named {
            repositories.append(.init(id: id, url: try repositoryURL(entry), isChecked: try isChecked(id, options)))
        }
        let fingerprints = try keyFingerprints()
        let keys = try keyURLs(options, pinned: !fingerprints.isEmpty)
        if let entry = self[.fingerprints] {
            guard !keys.isEmpty else {
                throw error(entry, "Fingerprints: without a key", "name the key too: Setopt: gpgkey=URL")
            }
            guard repositories.allSatisfy(\.isChecked) else {
                throw error(entry, "Fingerprints: beside gpgcheck=0", "remove one of the two")
            }
        }
        return AgentHeader.RPMSource(
            repositories: repositories, release: try osVersion(), include: try include(), keys: keys,
            fingerprints: fingerprints)
    }

    /// `Setopt:`.
    func toolOptions() throws(ConfigError) -> [AgentHeader.ToolOption] {
        guard let entry = self[.setOpt] else { return [] }
        return try toolOptions(entry, example: "install_weak_deps=False")
    }

    /// `NAME=VALUE`, and more of them; a word that begins no option belongs to the value before it.
    /// - Parameter more: what a name may hold beside letters, digits and `._-*`.
    func toolOptions(_ entry: Entry, more: String = "", example: String) throws(ConfigError) -> [AgentHeader.ToolOption]
    {
        var options: [AgentHeader.ToolOption] = []
        for word in try expanded(entry).blankSeparatedWords {
            let name = word.prefix { $0 != "=" }
            if name.count < word.count, name.first != ".", name.last != ".", !name.isEmpty,
                name.utf8.allSatisfy({ $0.isASCIILetter || $0.isASCIIDigit || ("._-*" + more).utf8.contains($0) })
            {
                options.append(.init(name: String(name), value: String(word.dropFirst(name.count + 1))))
            } else if let last = options.popLast() {
                options.append(.init(name: last.name, value: last.value + " " + word))
            } else {
                throw error(
                    entry, "\(entry.keyword.rawValue): '\(excerpt(word))' is not of the form NAME=VALUE",
                    "such as \(entry.keyword.rawValue): \(example)")
            }
        }
        return options
    }

    /// The line of `Setopt:` is wrong.
    func optionError(_ problem: String, _ hint: String) -> ConfigError {
        ConfigError(file: path, line: self[.setOpt]?.line, problem: "Setopt: " + problem, hint: hint)
    }

    private func osVersion() throws(ConfigError) -> String? {
        guard let entry = self[.osVersion], !entry.value.isEmpty else { return nil }
        guard entry.value.utf8.allSatisfy({ $0.isASCIILetter || $0.isASCIIDigit || "._-".utf8.contains($0) }) else {
            throw error(entry, "'\(excerpt(entry.value))' is not a version of a distribution", "such as OSVersion: 9")
        }
        return entry.value
    }

    private func repositoryURL(_ entry: Entry) throws(ConfigError) -> String {
        let value = try expanded(entry)
        let schemes = ["http://", "https://", "ftp://", "file:///"]
        guard schemes.contains(where: { value.lowercased().hasPrefix($0) }), value.blankSeparatedWords.count == 1,
            !value.utf8.contains(where: { $0 < 0x20 || $0 == UInt8(ascii: ",") })
        else {
            throw error(
                entry, "\(entry.spelling): '\(excerpt(MirrorAddress(value).url))' is not a URL of a repository",
                "begin with https://, http://, ftp:// or file:///")
        }
        if self[.osVersion]?.value.isEmpty ?? true, value.contains("releasever") {
            throw error(
                entry, "\(entry.spelling): $releasever without a value of OSVersion:", "add OSVersion: to the header")
        }
        return value
    }

    private func isChecked(_ id: String, _ options: [AgentHeader.ToolOption]) throws(ConfigError) -> Bool {
        // As in dnf the last one counts.
        guard let option = options.last(where: { $0.base == "gpgcheck" && $0.concerns(id) }) else { return true }
        switch option.value.lowercased() {
        case "0", "no", "false", "off": return false
        case "1", "yes", "true", "on": return true
        default:
            throw optionError("gpgcheck=\(excerpt(option.value)) is neither 0 nor 1", "write gpgcheck=0 or gpgcheck=1")
        }
    }

    private func keyFingerprints() throws(ConfigError) -> [String] {
        guard let entry = self[.fingerprints] else { return [] }
        let words: [String] = entry.value.blankSeparatedWords.flatMap { word in
            word.uppercased().split(separator: ",").map(String.init)
        }
        for word in words
        where ![40, 64].contains(word.utf8.count) || !word.utf8.allSatisfy({ "0123456789ABCDEF".utf8.contains($0) }) {
            throw error(
                entry, "'\(excerpt(word))' is not a fingerprint of a key",
                "40 hexadecimal digits without blanks; several divided by commas")
        }
        guard !words.isEmpty else { throw error(entry, "Fingerprints: names none", "remove the line") }
        return words
    }

    /// A key that is fetched by plain HTTP is anybody's, unless its fingerprint is given.
    private func keyURLs(_ options: [AgentHeader.ToolOption], pinned: Bool) throws(ConfigError) -> [String] {
        let values = options.filter { $0.base == "gpgkey" }.map(\.value).joined(separator: ",")
        let urls: [String] = values.blankSeparatedWords.flatMap { word in word.split(separator: ",").map(String.init) }
        for url in urls {
            let lower = url.lowercased()
            if lower.hasPrefix("http://"), !pinned {
                throw optionError(
                    "the key \(excerpt(MirrorAddress(url).url)) would come by plain HTTP",
                    "take https://, or add its Fingerprints:")
            }
            guard ["https://", "http://", "file:///"].contains(where: lower.hasPrefix) else {
                throw optionError(
                    "gpgkey=\(excerpt(MirrorAddress(url).url)) is not a URL of a key", "begin with https:// or file:///"
                )
            }
        }
        return urls
    }
}
