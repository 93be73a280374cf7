import NetrootSystem

extension AgentHeader {
    /// The header keywords of the `localimage` agent.
    public struct LocalImage: Sendable, Equatable {
        /// What `From:` names.
        public enum Source: Sendable, Equatable {
            /// A directory or a file. What is relative is so to the recipe's folder; Apptainer takes the working directory.
            case path(String)
            /// The root of a label of the hosts file: of its current generation, or of the one with the number.
            case label(String, generation: Int?)
        }

        /// `From:`.
        public let source: Source
        /// `Fingerprints`: the keys that have all signed the SIF file, 40 hexadecimal digits each, in capitals.
        public let fingerprints: [String]
        /// `From:` as the recipe has it, for messages.
        public let spelling: String
        /// The line of `From:`.
        public let line: Int
    }
}

extension RecipeHeader {
    func localImage(_ bootstrap: Entry) throws(ConfigError) -> AgentHeader.LocalImage {
        try allow([.from, .fingerprints], agent: "localimage")
        let from = try from(bootstrap, example: "From: image.sif, or From: label:debian12")
        let entry = self[.from] ?? bootstrap
        return AgentHeader.LocalImage(
            source: try localSource(from, entry), fingerprints: try fingerprints(), spelling: excerpt(from),
            line: entry.line)
    }

    private func localSource(_ from: String, _ entry: Entry) throws(ConfigError) -> AgentHeader.LocalImage.Source {
        if from.lowercased().hasPrefix("label:") {
            let name = from.dropFirst(6).split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
            let label = String(name[0]).trimmingBlanks
            guard !label.isEmpty, label.blankSeparatedWords.count == 1 else {
                throw error(entry, "From: '\(excerpt(from))' names no label", "such as From: label:debian12")
            }
            guard name.count > 1 else { return .label(label, generation: nil) }
            guard let number = Int(name[1]), number > 0, name[1].utf8.allSatisfy(\.isASCIIDigit) else {
                throw error(
                    entry, "'\(excerpt(String(name[1])))' is not a number of a generation",
                    "such as From: label:\(excerpt(label))@7")
            }
            return .label(label, generation: number)
        }
        guard !from.contains("://"), !from.hasPrefix("~"), !from.contains("\n") else {
            throw error(
                entry, "From: '\(excerpt(from))' is not a path",
                "localimage takes a directory, a squashfs image, a SIF file or label:NAME")
        }
        return .path(Files.path(from, beside: path))
    }

    /// The keys of `Fingerprints:`, separated by commas or blanks.
    private func fingerprints() throws(ConfigError) -> [String] {
        guard let entry = self[.fingerprints] else { return [] }
        let words = try expanded(entry).blankSeparatedWords.flatMap { $0.split(separator: ",").map(String.init) }
        guard !words.isEmpty else {
            throw error(entry, "Fingerprints: names no key", "give 40 hexadecimal digits, or remove the line")
        }
        for word in words where word.utf8.count != 40 || !word.utf8.allSatisfy({ Character(.init($0)).isHexDigit }) {
            throw error(
                entry, "'\(excerpt(word))' is not a fingerprint of a key",
                "give its 40 hexadecimal digits without blanks")
        }
        return words.map { $0.uppercased() }
    }
}
